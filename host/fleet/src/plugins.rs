//! Where the plugins come from that a configuration names: those that come with bootmachine, and files of the operator's.

use std::path::PathBuf;

use async_trait::async_trait;
use bootmachine_plugin::error::Who;
use bootmachine_plugin::{Engine, Plugin, PluginError, bundled};

/// Where plugins that are named in a configuration come from.
#[async_trait]
pub trait PluginSource: Send + Sync {
    /// The plugin of this name; none where there is none.
    async fn load(&self, engine: &Engine, name: &str) -> Option<Result<Plugin, PluginError>>;
    /// The names there are, for messages.
    fn names(&self) -> Vec<String>;
    /// Whether the plugin of this name comes with bootmachine. What another one says of where settings are kept is not looked up unasked.
    fn is_bundled(&self, name: &str) -> bool;
}

/// The plugins that come with bootmachine.
#[derive(Clone, Copy, Debug, Default)]
pub struct BundledPlugins;

#[async_trait]
impl PluginSource for BundledPlugins {
    async fn load(&self, engine: &Engine, name: &str) -> Option<Result<Plugin, PluginError>> {
        bundled::load(engine, name).await
    }

    fn names(&self) -> Vec<String> {
        bundled::all().iter().map(|bundled| bundled.name.to_owned()).collect()
    }

    fn is_bundled(&self, name: &str) -> bool {
        bundled::all().iter().any(|bundled| bundled.name == name)
    }
}

/// Files, and the bundled plugins for every name that is none. A file gets no more than what the operator writes into the table that names
/// it: the origins of its URLs, `allow`, and what `look-up` has the host look for.
#[derive(Clone, Debug)]
pub struct LocalThenBundled {
    /// What relative paths begin at: the directory of `bootmachine.toml`.
    pub directory: PathBuf,
}

/// Larger than any language's runtime; a mistaken path to a disk image should not fill the memory.
const LARGEST: u64 = 256 << 20;

/// Whether a name is a path: it has a `/`, or ends as components do.
pub fn is_path(name: &str) -> bool {
    name.contains('/') || std::path::Path::new(name).extension().is_some_and(|extension| extension == "wasm")
}

#[async_trait]
impl PluginSource for LocalThenBundled {
    async fn load(&self, engine: &Engine, name: &str) -> Option<Result<Plugin, PluginError>> {
        if !is_path(name) {
            return BundledPlugins.load(engine, name).await;
        }
        let path = self.directory.join(name);
        Some(match read(path.clone()).await {
            Ok(bytes) => Plugin::load(engine, name, &bytes).await,
            Err(reason) => Err(PluginError::Unloadable {
                who: Who {
                    name: name.to_owned(),
                    version: String::new(),
                },
                reason,
                hint: Some(format!(
                    "a name with a `/`, or that ends in `.wasm`, is a path; this one leads to {}",
                    path.display()
                )),
            }),
        })
    }

    fn names(&self) -> Vec<String> {
        BundledPlugins.names()
    }

    fn is_bundled(&self, name: &str) -> bool {
        !is_path(name) && BundledPlugins.is_bundled(name)
    }
}

/// The file's content, or why it can not be had.
async fn read(path: PathBuf) -> Result<Vec<u8>, String> {
    let reading = tokio::task::spawn_blocking(move || {
        let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => format!("it can not be read: {error}"),
        })?;
        // A pipe or a device could be read for ever.
        if !metadata.is_file() {
            return Err("it is no file".to_owned());
        }
        if metadata.len() > LARGEST {
            return Err(format!("it is larger than {} MiB", LARGEST >> 20));
        }
        std::fs::read(&path).map_err(|error| format!("it can not be read: {error}"))
    });
    reading.await.unwrap_or_else(|error| Err(format!("it can not be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootmachine_plugin::Limits;

    #[test]
    fn paths_are_told_from_names() {
        for path in ["./cloud.wasm", "cloud.wasm", "plugins/cloud", "/opt/cloud", "../cloud.wasm"] {
            assert!(is_path(path), "{path}");
        }
        for name in ["openstack", "my-cloud", "wasm", "cloud.wat"] {
            assert!(!is_path(name), "{name}");
        }
    }

    #[tokio::test]
    async fn files_are_found_beside_the_configuration() {
        let directory = tempfile::tempdir().expect("a directory");
        let arch = bundled::all().iter().find(|plugin| plugin.name == "arch").expect("it is bundled");
        fs_err::write(directory.path().join("mine.wasm"), arch.bytes).expect("a file");
        fs_err::write(directory.path().join("page.wasm"), "<html>").expect("a file");
        let engine = Engine::new(None, Limits::default()).expect("an engine");
        let source = LocalThenBundled {
            directory: directory.path().to_owned(),
        };

        let mine = source.load(&engine, "./mine.wasm").await.expect("a path").expect("it loads");
        assert_eq!(mine.manifest().name, "arch");
        assert!(source.load(&engine, "debian").await.expect("it is bundled").is_ok());
        assert!(source.load(&engine, "mine").await.is_none());
        let mut messages = Vec::new();
        for name in ["./none.wasm", "./", "page.wasm"] {
            messages.push(
                source
                    .load(&engine, name)
                    .await
                    .expect("a path")
                    .err()
                    .expect("it is refused")
                    .to_string(),
            );
        }
        assert_eq!(
            messages,
            [
                "plugin `./none.wasm` can not be loaded: there is no such file",
                "plugin `./` can not be loaded: it is no file",
                "plugin `page.wasm` can not be loaded: it is not a WebAssembly file",
            ]
        );
    }
}
