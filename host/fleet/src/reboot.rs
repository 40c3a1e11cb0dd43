//! Reboot: from inside where the machine answers, by the provider's reset button where it does not.

use crate::event::Event;
use crate::fleet::Fleet;
use crate::problem::Problem;

impl Fleet {
    /// Reboots a server and waits until it runs again. `hard` uses the provider's reset button.
    pub async fn reboot(&self, name: &str, hard: bool) -> Result<(), Problem> {
        let found = self.find(name).await?;
        if !hard {
            let login = self
                .log_in(&found.server, name, &self.pins.of(&found.provider, &found.server))
                .await
                .map_err(|problem| {
                    let hint = format!("`bootmachine reboot --hard {name}` restarts a machine that does not answer");
                    if problem.kind.is_transient() {
                        problem.with_hint(hint)
                    } else {
                        problem
                    }
                })?;
            self.report(Event::Step {
                server: name.to_owned(),
                text: "rebooting".into(),
            });
            login.session.reboot().await?;
            self.report(Event::Done { server: name.to_owned() });
            return Ok(());
        }
        let Some(provider) = self.providers.get(&found.provider) else {
            return Err(Problem::failed(format!("there is no provider `{}`", found.provider)));
        };
        self.report(Event::Step {
            server: name.to_owned(),
            text: "asking the provider to restart it".into(),
        });
        let answers = provider.reboot_servers(std::slice::from_ref(&found.server.id)).await?;
        for answer in answers {
            answer?;
        }
        self.report(Event::Done { server: name.to_owned() });
        Ok(())
    }
}
