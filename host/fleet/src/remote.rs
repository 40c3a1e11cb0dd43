//! Commands of the operator's own on servers.

use bootmachine_broker::ErrorKind;

use crate::fleet::Fleet;
use crate::login::Login;
use crate::problem::Problem;
use crate::survey::Found;

impl Fleet {
    /// The one server of this name.
    pub async fn find(&self, name: &str) -> Result<Found, Problem> {
        let mut found: Vec<Found> = self.to_destroy(&[name.to_owned()]).await?;
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(Problem::failed(format!("several servers are called `{name}`")).with_hint("`bootmachine plan` names them")),
        }
    }

    /// A login on a server that runs, as the configuration says.
    pub async fn enter(&self, name: &str) -> Result<Login, Problem> {
        let found = self.find(name).await?;
        self.enter_found(&found).await
    }

    /// A login on a server that was found.
    pub async fn enter_found(&self, found: &Found) -> Result<Login, Problem> {
        self.log_in(&found.server, &found.name, &self.pins.of(&found.provider, &found.server))
            .await
    }

    /// The servers that are there, by name or by role; all that are in the configuration where neither is given.
    pub async fn select(&self, names: &[String], roles: &[String]) -> Result<Vec<Found>, Problem> {
        for name in names {
            if self.config.server(name).is_none() {
                let near = bootmachine_config::nearest(self.config.servers.iter().map(|server| server.name.value.as_str()), name);
                let problem = Problem::new(ErrorKind::NotFound, format!("there is no server `{name}` in the configuration"));
                return Err(problem.with_hint(near.map_or_else(
                    || "`bootmachine status` lists the servers".into(),
                    |near| format!("did you mean `{near}`?"),
                )));
            }
        }
        for role in roles {
            if !self.config.servers.iter().any(|server| server.has_role(role)) {
                return Err(Problem::new(ErrorKind::NotFound, format!("no server has the role `{role}`")));
            }
        }
        let found = self.survey().await?;
        let mut selected = Vec::new();
        for server in &self.config.servers {
            let wanted = names.contains(&server.name.value)
                || roles.iter().any(|role| server.has_role(role))
                || (names.is_empty() && roles.is_empty());
            if wanted {
                selected.extend(found.iter().filter(|found| found.name == server.name.value).cloned());
            }
        }
        Ok(selected)
    }
}
