//! `bootmachine images`.

use std::sync::Arc;

use clap::Args;
use futures::future::try_join_all;

use super::Global;
use super::sizes::chosen;
use crate::context::Needs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::ui::progress::Shows;
use crate::ui::table::{Look, Table, plain};

/// List the images that servers can be booted from
#[derive(Debug, Args)]
pub struct Images {
    /// Only those in whose name or identifier this text stands
    #[arg(value_name = "SEARCH")]
    pub search: Option<String>,
    /// Only those of this provider
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
}

impl Images {
    /// Runs it.
    pub async fn run(self, ui: &Arc<Ui>, global: &Global) -> Result<Exit, Failure> {
        let context = global.load(ui)?;
        let progress = ui.progress(&[], Shows::Waiting);
        let fleet = context.open(Needs::Providers, Arc::clone(&progress) as _).await?;
        let search = self.search.as_deref().filter(|search| !search.is_empty());
        let chosen = chosen(&fleet, self.provider.as_deref())?;
        let several = chosen.len() > 1;
        let lists = chosen.into_iter().map(|(name, provider)| async move {
            let images = super::sizes::listed(&name, provider.list_images(search).await, several)?;
            Ok::<_, Failure>((name, images))
        });
        let lists = try_join_all(lists).await;
        progress.finish();
        let lists = lists?;
        let images = || lists.iter().flat_map(|(_, images)| images);
        // Columns that nobody fills would only take room.
        let architecture = images().any(|image| image.architecture.is_some());
        let details = images().any(|image| image.details.is_some());
        let mut header = vec!["provider", "image", "created"];
        header.extend(architecture.then_some("architecture"));
        header.extend(details.then_some("details"));
        header.push("id");
        let mut table = Table::new(&header);
        let mut values = Vec::new();
        for (provider, images) in lists {
            for image in images {
                values.push(serde_json::json!({
                    "provider": provider, "id": image.id, "name": image.name, "created": image.created,
                    "architecture": image.architecture, "details": image.details,
                }));
                let mut row = vec![plain(&provider), plain(image.name), plain(image.created.unwrap_or_default())];
                row.extend(architecture.then(|| plain(image.architecture.unwrap_or_default())));
                row.extend(details.then(|| plain(image.details.unwrap_or_default())));
                row.push((image.id, Look::Dim));
                table.row(row);
            }
        }
        if ui.is_json() {
            ui.json(&values);
        } else if table.is_empty() {
            match search {
                Some(search) => ui.say(&format!("there are no images with `{search}` in their names")),
                None => ui.say("there are no images"),
            }
        } else {
            ui.table(&table);
        }
        Ok(Exit::Done)
    }
}
