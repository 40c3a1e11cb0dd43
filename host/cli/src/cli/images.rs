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
        let chosen = chosen(&fleet, self.provider.as_deref())?;
        let several = chosen.len() > 1;
        let lists = chosen.into_iter().map(|(name, provider)| async move {
            let images = super::sizes::listed(&name, provider.list_images().await, several)?;
            Ok::<_, Failure>((name, images))
        });
        let lists = try_join_all(lists).await;
        progress.finish();
        let mut table = Table::new(&["provider", "image", "created", "id"]);
        let mut values = Vec::new();
        for (provider, images) in lists? {
            for image in images {
                values.push(serde_json::json!({ "provider": provider, "id": image.id, "name": image.name, "created": image.created }));
                table.row([
                    plain(&provider),
                    plain(image.name),
                    plain(image.created.unwrap_or_default()),
                    (image.id, Look::Dim),
                ]);
            }
        }
        if ui.is_json() {
            ui.json(&values);
        } else if table.is_empty() {
            ui.say("there are no images");
        } else {
            ui.table(&table);
        }
        Ok(Exit::Done)
    }
}
