//! The plugins that a configuration names, each loaded once.

use std::collections::BTreeMap;
use std::time::Duration;

use bootmachine_config::{Config, Diagnostic};
use bootmachine_plugin::{Engine, Kind, Plugin, PluginError};

use crate::event::{Event, Reporter};
use crate::fleet::FleetError;
use crate::plugins::PluginSource;

/// Plugins that were loaded already.
pub(super) struct Shelf<'a> {
    pub(super) engine: &'a Engine,
    pub(super) source: &'a dyn PluginSource,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) loaded: BTreeMap<String, Plugin>,
}

impl Shelf<'_> {
    /// Loads it, and says so where that takes a while: a component is compiled when it is used for the first time.
    async fn load(&self, name: &str) -> Option<Result<Plugin, PluginError>> {
        const A_WHILE: Duration = Duration::from_secs(1);
        let mut loading = std::pin::pin!(self.source.load(self.engine, name));
        match tokio::time::timeout(A_WHILE, &mut loading).await {
            Ok(loaded) => loaded,
            Err(_) => {
                self.reporter.report(Event::Provider {
                    provider: name.to_owned(),
                    text: "compiling it, which is done once".to_owned(),
                });
                loading.await
            }
        }
    }

    /// The plugin that the configuration names here; a diagnostic where there is none of that name and kind.
    pub(super) async fn take(
        &mut self,
        config: &Config,
        named: &bootmachine_config::Located<String>,
        kind: Kind,
        wrong: &mut Vec<Diagnostic>,
    ) -> Result<Option<Plugin>, FleetError> {
        let name = &named.value;
        if !self.loaded.contains_key(name) {
            let Some(loaded) = self.load(name).await else {
                let names = self.source.names();
                let help = match bootmachine_config::nearest(names.iter().map(String::as_str), name) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("there are: {}", names.join(", ")),
                };
                wrong.push(
                    config
                        .diagnostic(named.span.clone(), format!("there is no plugin `{name}`"))
                        .with_label("not known")
                        .with_help(help),
                );
                return Ok(None);
            };
            match loaded {
                Ok(plugin) => drop(self.loaded.insert(name.clone(), plugin)),
                // Whoever named it can name another.
                Err(error @ PluginError::Unloadable { .. }) => {
                    wrong.push(
                        config
                            .diagnostic(named.span.clone(), error.to_string())
                            .with_optional_help(error.hint()),
                    );
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let Some(plugin) = self.loaded.get(name).cloned() else {
            return Ok(None);
        };
        if plugin.kind() == kind {
            return Ok(Some(plugin));
        }
        let message = format!("the plugin `{name}` is a {}, and a {kind} is wanted here", plugin.kind());
        wrong.push(
            config
                .diagnostic(named.span.clone(), message)
                .with_help("`bootmachine plugin list` shows the plugins of each kind"),
        );
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bootmachine_plugin::Limits;
    use tokio::sync::Notify;

    use super::*;

    /// Loads nothing until somebody was told that it takes a while.
    #[derive(Default)]
    struct Slow {
        told: Notify,
        events: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl PluginSource for Slow {
        async fn load(&self, _: &Engine, _: &str) -> Option<Result<Plugin, PluginError>> {
            self.told.notified().await;
            None
        }

        fn names(&self) -> Vec<String> {
            Vec::new()
        }

        fn is_bundled(&self, _: &str) -> bool {
            false
        }
    }

    impl Reporter for Slow {
        fn report(&self, event: Event) {
            if let Event::Provider { provider, text } = event {
                self.events.lock().expect("unpoisoned").push(format!("{provider}: {text}"));
                self.told.notify_one();
            }
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_compilation_is_told() {
        let slow = Slow::default();
        let engine = Engine::new(None, Limits::default()).expect("an engine");
        let shelf = Shelf {
            engine: &engine,
            source: &slow,
            reporter: &slow,
            loaded: BTreeMap::new(),
        };
        let loaded = tokio::time::timeout(Duration::from_mins(1), shelf.load("mine.wasm")).await;
        assert!(loaded.expect("it was told").is_none());
        assert_eq!(
            *slow.events.lock().expect("unpoisoned"),
            ["mine.wasm: compiling it, which is done once"]
        );
    }
}
