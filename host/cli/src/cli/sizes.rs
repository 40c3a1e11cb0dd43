//! `bootmachine sizes`.

use std::sync::Arc;

use bootmachine_broker::ErrorKind;
use bootmachine_fleet::{Fleet, Problem};
use bootmachine_plugin::PluginError;
use bootmachine_plugin::provider::Provider;
use clap::Args;
use futures::future::try_join_all;

use super::Global;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;
use crate::ui::table::{Look, Table, plain};

/// List the sizes that servers can have
#[derive(Debug, Args)]
pub struct Sizes {
    /// Only those of this provider
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
}

impl Sizes {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        let progress = ui.progress(&[], Shows::Waiting);
        let fleet = context.open(Needs::Providers, Arc::clone(&progress) as _).await?;
        let chosen = chosen(&fleet, self.provider.as_deref())?;
        let several = chosen.len() > 1;
        let lists = chosen.into_iter().map(|(name, provider)| async move {
            let sizes = listed(&name, provider.list_sizes().await, several)?;
            Ok::<_, Failure>((name, sizes))
        });
        let lists = try_join_all(lists).await;
        progress.finish();
        let lists = lists?;
        let details = lists.iter().flat_map(|(_, sizes)| sizes).any(|size| size.details.is_some());
        let mut header = vec!["provider", "size", "cpus", "memory", "disk"];
        header.extend(details.then_some("details"));
        header.push("id");
        let mut table = Table::new(&header);
        let mut values = Vec::new();
        for (provider, sizes) in lists {
            for size in sizes {
                values.push(serde_json::json!({
                    "provider": provider, "id": size.id, "name": size.name,
                    "cpus": size.cpus, "memory-mib": size.memory_mib, "disk-gib": size.disk_gib,
                    "details": size.details,
                }));
                let mut row = vec![
                    plain(&provider),
                    plain(size.name),
                    plain(size.cpus.to_string()),
                    plain(format!("{} MiB", size.memory_mib)),
                    plain(format!("{} GiB", size.disk_gib)),
                ];
                row.extend(details.then(|| plain(size.details.unwrap_or_default())));
                row.push((size.id, Look::Dim));
                table.row(row);
            }
        }
        if ui.is_json() {
            ui.json(&values);
        } else if table.is_empty() {
            ui.say("there are no sizes");
        } else {
            ui.table(&table);
        }
        Ok(Exit::Done)
    }
}

/// The provider of this name, or all of them.
pub(super) fn chosen(fleet: &Fleet, name: Option<&str>) -> Result<Vec<(String, Arc<Provider>)>, Failure> {
    let all = fleet.providers().map(|(name, provider)| (name.to_owned(), Arc::clone(provider)));
    let Some(name) = name else { return Ok(all.collect()) };
    let chosen: Vec<_> = all.filter(|(known, _)| known == name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = fleet.providers().map(|(name, _)| name).collect();
        return Err(
            Failure::usage(format!("there is no provider `{name}` in the configuration")).with_hint(
                match bootmachine_config::nearest(names.iter().copied(), name) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are: {}", names.join(", ")),
                },
            ),
        );
    }
    Ok(chosen)
}

/// What a provider lists. One of several that has no such thing takes nothing from the others.
pub(super) fn listed<T>(name: &str, answer: Result<Vec<T>, PluginError>, several: bool) -> Result<Vec<T>, Failure> {
    match answer {
        Err(error) if several && error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        answer => answer.map_err(|error| at(name, error)),
    }
}

/// Says which provider could not be asked.
fn at(name: &str, error: PluginError) -> Failure {
    Problem::from(error).while_doing(&format!("provider `{name}`")).into()
}
