//! Bootstrap: what the machine runs is compared with what the configuration says, and its distro brings it up to date.

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::Command;
use bootmachine_plugin::bindings::system::Release;
use bootmachine_plugin::distro::Preparation;

use crate::event::Event;
use crate::fleet::Fleet;
use crate::login::Login;
use crate::problem::Problem;

impl Fleet {
    /// What the machine runs, by its distro plugin. An image of another distribution is refused.
    pub(crate) async fn identify(&self, name: &str, login: &Login) -> Result<Release, Problem> {
        let config = self
            .config
            .server(name)
            .ok_or_else(|| Problem::failed(format!("`{name}` is not in the configuration")))?;
        let Some(distro) = self.distros.get(&config.distro.value) else {
            return Err(Problem::failed(format!("there is no distro `{}`", config.distro.value)));
        };
        let read = |program: &str, argument: &str| Command {
            program: program.into(),
            arguments: vec![argument.into()],
            ..Command::default()
        };
        let os_release = login.session.run(read("cat", "/etc/os-release")).await?;
        let machine = login.session.run(read("uname", "-m")).await?;
        if os_release.status != 0 {
            return Err(
                Problem::failed("it has no /etc/os-release, so nothing tells what it runs").with_hint(match &config.image {
                    Some(_) => "the image needs an os-release(5) file; `[[servers]] image` names another one",
                    None => "the distributions that bootmachine knows have an os-release(5) file",
                }),
            );
        }
        let text = String::from_utf8_lossy(&os_release.stdout).into_owned();
        let architecture = String::from_utf8_lossy(&machine.stdout).trim().to_owned();
        if let Some(release) = distro.identify(&text, &architecture).await? {
            return Ok(release);
        }
        let runs = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .unwrap_or("something else")
            .trim_matches(['"', '\'']);
        Err(Problem::new(
            ErrorKind::InvalidSetting,
            match &config.image {
                Some(image) => format!(
                    "the image `{image}` runs {runs}, and the configuration says `{}`",
                    config.distro.value
                ),
                None => format!("it runs {runs}, and the configuration says `{}`", config.distro.value),
            },
        )
        .with_hint(match &config.image {
            Some(_) => format!("change `distro` or `image` of `{name}`; `bootmachine images` lists the images"),
            None => format!("change `distro` of `{name}`; `bootmachine plugin list` shows the distributions"),
        }))
    }

    /// Ends what an earlier run may have left half-installed when it was cut off: the CM tool would be refused by the package manager.
    pub(crate) async fn mend_packages(&self, name: &str, login: &Login, release: &Release) -> Result<(), Problem> {
        let config = self
            .config
            .server(name)
            .ok_or_else(|| Problem::failed(format!("`{name}` is not in the configuration")))?;
        let distro = &self.distros[&config.distro.value];
        let session = login.for_plugin(distro.plugin().actor());
        self.transient_on(name, &[session.as_ref()], || async {
            Ok(distro.install_packages(&session, self.listener(name), release, &[]).await?)
        })
        .await
        .map(drop)
    }

    /// Package index, upgrade, essentials, and a reboot where that asks for one.
    pub(crate) async fn bootstrap(&self, name: &str, login: &Login, release: &Release) -> Result<String, Problem> {
        let config = self
            .config
            .server(name)
            .ok_or_else(|| Problem::failed(format!("`{name}` is not in the configuration")))?;
        let distro = &self.distros[&config.distro.value];
        let wanted = &self.config.bootstrap;
        let preparation = Preparation {
            upgrade: wanted.upgrade,
            packages: wanted.packages.iter().map(|package| package.value.clone()).collect(),
            locale: wanted.locale.as_ref().map(|locale| locale.value.clone()),
            timezone: wanted.timezone.as_ref().map(|timezone| timezone.value.clone()),
        };
        let session = login.for_plugin(distro.plugin().actor());
        let outcome = self
            .transient_on(name, &[session.as_ref()], || async {
                Ok(distro.bootstrap(&session, self.listener(name), release, &preparation).await?)
            })
            .await?;
        if outcome.reboot_required {
            self.report(Event::Step {
                server: name.to_owned(),
                text: "rebooting".into(),
            });
            login.session.reboot().await?;
        }
        Ok(match (outcome.changed, outcome.reboot_required) {
            (_, true) => format!("{}, rebooted", release.name),
            (true, false) => release.name.clone(),
            (false, false) => format!("{}, nothing to do", release.name),
        })
    }
}
