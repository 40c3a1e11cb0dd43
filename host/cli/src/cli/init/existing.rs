//! `bootmachine init --existing`: looks at servers that are there already, once, so that the configuration says what they are and how they
//! are known. Nothing is changed on them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use bootmachine_broker::BrokerError;
use bootmachine_broker::audit::Audit;
use bootmachine_broker::ssh::{
    Command, HostKeyPolicy, Identities, Jump, PublicKey, Session, SshBroker, SshError, SshOptions, Step, StepOutcome, Target, keys,
};
use bootmachine_config::Jump as Place;
use bootmachine_plugin::distro::Distro;
use bootmachine_plugin::settings::Surroundings;
use bootmachine_plugin::{Engine, Kind, bundled};
use secrecy::SecretString;

use super::Init;
use super::template::{Adopted, Key};
use crate::cli::host_key;
use crate::context::{STATE, usual_identities};
use crate::failure::{Exit, Failure};
use crate::ui::prompt::{AskPassphrase, is_possible};
use crate::ui::{Ui, clean};

/// Where the password is looked for that sudo asks for, and where the configuration says that it is.
pub const SUDO_PASSWORD: &str = "BOOTMACHINE_SUDO_PASSWORD";

/// What was found.
pub struct Found {
    /// The servers, in the order of the command line.
    pub servers: Vec<Adopted>,
    /// The operator's public key, which opened the door.
    pub key: Key,
    /// Whether sudo asks for a password on one of them.
    pub sudo_asks: bool,
}

/// Visits all of them.
pub async fn look(ui: &Arc<Ui>, init: &Init, engine: &Engine, surroundings: &Surroundings) -> Result<Found, Failure> {
    let identities = identities(ui, init, surroundings).await?;
    let key = operator_key(&identities, surroundings.home.as_deref()).await?;
    let mut options = SshOptions::new(identities);
    if let Some(jump) = &init.jump {
        options.jump = Some(jump_host(init, jump, surroundings)?);
    }
    let visitor = Visitor {
        ui,
        broker: SshBroker::new(options, Arc::new(Audit::null())),
        distros: distros(engine).await?,
        accepted: &init.accept_host_key,
        sudo_password: surroundings.environment.get(SUDO_PASSWORD).filter(|password| !password.is_empty()),
    };
    let mut found = Found {
        servers: Vec::new(),
        key,
        sudo_asks: false,
    };
    for place in &init.existing {
        let (mut server, asked) = visitor.visit(place).await?;
        if let Some(twin) = found.servers.iter().find(|other| other.address == server.address) {
            return Err(Failure::usage(format!(
                "{} and `{}` are one machine: {}",
                place, twin.name, server.address
            )));
        }
        let (base, mut number) = (server.name.clone(), 1);
        while found.servers.iter().any(|other| other.name == server.name) {
            number += 1;
            server.name = format!("{base}-{number}");
        }
        found.sudo_asks |= asked;
        found.servers.push(server);
    }
    Ok(found)
}

/// What a visit needs.
struct Visitor<'a> {
    ui: &'a Arc<Ui>,
    broker: SshBroker,
    distros: Vec<(&'static str, Distro)>,
    accepted: &'a [String],
    sudo_password: Option<&'a String>,
}

impl Visitor<'_> {
    /// What the machine is, and whether sudo asked for a password there.
    async fn visit(&self, place: &Place) -> Result<(Adopted, bool), Failure> {
        let address = address(place).await?;
        let user = place.user.clone().unwrap_or_else(|| "root".to_owned());
        let mut target = Target {
            name: String::new(),
            host: address.to_string(),
            port: place.port,
            sudo_password: self
                .sudo_password
                .filter(|_| user != "root")
                .map(|password| SecretString::from(password.as_str())),
            user,
            host_key: HostKeyPolicy::Pinned(Vec::new()),
        };
        let key = self.host_key(place, &target).await?;
        target.host_key = HostKeyPolicy::Pinned(vec![key.clone()]);
        let mut asked = target.sudo_password.is_some();
        let told = match self.ask(&target).await {
            Err(SshError::Sudo { .. }) if !asked && is_possible() => {
                let question = format!("sudo password of `{}` on {}", target.user, target.place());
                target.sudo_password = Some(
                    self.ui
                        .ask_secret(&question)
                        .await
                        .ok_or_else(|| Failure::new(Exit::Failed, "nothing was written"))?,
                );
                asked = true;
                self.ask(&target).await
            }
            told => told,
        };
        let told = told.map_err(|error| self.refusal(error, place, &target))?;
        let runs = pretty(&told.os_release);
        let mut distro = None;
        for (name, plugin) in &self.distros {
            if plugin.identify(&told.os_release, &told.architecture).await?.is_some() {
                distro = Some((*name).to_owned());
                break;
            }
        }
        let distro = distro.ok_or_else(|| {
            let known: Vec<&str> = self.distros.iter().map(|(name, _)| *name).collect();
            Failure::new(
                Exit::Failed,
                format!(
                    "{} runs {runs} ({}), which no distro plugin knows",
                    target.place(),
                    told.architecture
                ),
            )
            .with_hint(format!(
                "there are {}; for another one, write bootmachine.toml yourself: `distro` can be the path of a plugin",
                known.join(", ")
            ))
        })?;
        let name = host_name(&told.name);
        self.ui
            .say_good(&format!("logged in to {} as {}: `{name}` runs {runs}", target.place(), target.user));
        let server = Adopted {
            name,
            distro,
            runs,
            address,
            port: place.port,
            user: target.user,
            host_key: keys::public_line(&key),
        };
        Ok((server, asked))
    }

    /// The key that the operator vouches for: by a flag, or by saying yes.
    async fn host_key(&self, place: &Place, target: &Target) -> Result<PublicKey, Failure> {
        if !self.accepted.is_empty() {
            let wanted = Target {
                host_key: HostKeyPolicy::Fingerprints(self.accepted.to_vec()),
                ..target.clone()
            };
            return self
                .broker
                .find_host_key(&wanted)
                .await
                .map_err(|error| self.refusal(error, place, target));
        }
        let shown = self
            .broker
            .peek_host_key(target)
            .await
            .map_err(|error| self.refusal(error, place, target))?;
        let print = keys::fingerprint(&shown);
        if !is_possible() {
            return Err(Failure::usage(format!(
                "the host key of {} is not known: it shows {print} ({})",
                target.place(),
                shown.algorithm()
            ))
            .with_hint(format!(
                "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub` says on its console; `--accept-host-key {print}` says that it is the right one",
                host_key::file(&shown)
            )));
        }
        if host_key::ask(self.ui, &target.place(), &shown).await {
            return Ok(shown);
        }
        Err(Failure::new(
            Exit::Failed,
            format!("the host key of {} was not accepted; nothing was written", target.place()),
        ))
    }

    async fn ask(&self, target: &Target) -> Result<Told, SshError> {
        let session = self.broker.connect(target).await?;
        let told = ask(&session).await;
        session.close().await;
        told
    }

    fn refusal(&self, error: SshError, place: &Place, target: &Target) -> Failure {
        let user = place.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let elsewhere = format!("`--existing {user}{}:PORT` is another port", place.host);
        let hint = match &error {
            SshError::Refused { .. } => Some(format!("does sshd listen elsewhere? {elsewhere}")),
            SshError::Unreachable { .. } => Some(format!("is it the right address, and does a firewall let you through? {elsewhere}")),
            SshError::HostKey { .. } => {
                Some("`ssh-keygen -lf` of /etc/ssh/ssh_host_*_key.pub on its console shows which fingerprints are its own".to_owned())
            }
            SshError::Authentication { user, .. } if user == "root" => Some(format!(
                "many images let in a user with sudo instead: `--existing debian@{0}` or `ubuntu@{0}`; the agent (`ssh-add -l`) or `--identity` has to hold the key",
                place.host
            )),
            SshError::Sudo { .. } if target.sudo_password.is_none() => Some(format!(
                "where sudo asks for a password, {SUDO_PASSWORD} in the environment holds it, or a terminal to ask on; a `NOPASSWD: ALL` rule needs none"
            )),
            SshError::Sudo { .. } => Some(format!("is the password right, and may `{}` use sudo for everything?", target.user)),
            _ => None,
        };
        let failure = Failure::from(BrokerError::from(error));
        match hint {
            Some(hint) => Failure {
                hints: vec![hint],
                ..failure
            },
            None => failure,
        }
    }
}

/// What a machine says of itself.
struct Told {
    os_release: String,
    architecture: String,
    name: String,
}

async fn ask(session: &Session) -> Result<Told, SshError> {
    let read = |program: &str, argument: &str| {
        Step::Run(Command {
            program: program.to_owned(),
            arguments: vec![argument.to_owned()],
            ..Command::default()
        })
    };
    let steps = vec![read("uname", "-m"), read("uname", "-n"), read("cat", "/etc/os-release")];
    let outcomes = session.run_all(steps).await?;
    let mut outputs = outcomes.into_iter().map(|outcome| match outcome {
        StepOutcome::Ran(output) if output.status == 0 => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    });
    let mut next = || outputs.next().unwrap_or_default();
    Ok(Told {
        architecture: next().trim().to_owned(),
        name: next().trim().to_owned(),
        os_release: next(),
    })
}

/// The distribution's own name for itself.
fn pretty(os_release: &str) -> String {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    clean::line(name.unwrap_or("a system without /etc/os-release").trim_matches(['"', '\''])).into_owned()
}

/// A name for the server: the machine's own, made fit.
fn host_name(name: &str) -> String {
    let label = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let label: String = label
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .take(60)
        .collect();
    let label = label.trim_matches('-');
    match label {
        "" | "localhost" => "server".to_owned(),
        label => label.to_owned(),
    }
}

/// Names can lead elsewhere tomorrow, and the firewall wants addresses.
async fn address(place: &Place) -> Result<IpAddr, Failure> {
    if let Ok(address) = place.host.parse() {
        return Ok(address);
    }
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
    let addresses: Vec<IpAddr> = found
        .map_err(|error| Failure::new(Exit::Failed, format!("`{}` can not be resolved: {error}", place.host)))?
        .map(|address| address.ip())
        .collect();
    let best = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    best.copied()
        .ok_or_else(|| Failure::new(Exit::Failed, format!("`{}` has no address", place.host)))
}

async fn distros(engine: &Engine) -> Result<Vec<(&'static str, Distro)>, Failure> {
    let mut distros = Vec::new();
    for plugin in bundled::all() {
        let Some(loaded) = bundled::load(engine, plugin.name).await else {
            continue;
        };
        let loaded = loaded?;
        if loaded.kind() == Kind::Distro {
            distros.push((plugin.name, Distro::new(loaded)?));
        }
    }
    Ok(distros)
}

async fn identities(ui: &Arc<Ui>, init: &Init, surroundings: &Surroundings) -> Result<Identities, Failure> {
    if let Some(path) = &init.identity {
        let loaded = Identities::none().with_file(path, &AskPassphrase(Arc::clone(ui))).await;
        return loaded
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()).with_hint("`--identity` names the private key to log in with"));
    }
    usual_identities(ui, surroundings.home.as_deref()).await
}

/// The public half of a key that is at hand: whoever could not log in with it in the end would be locked out.
async fn operator_key(identities: &Identities, home: Option<&Path>) -> Result<Key, Failure> {
    let mut at_hand = identities.public_keys();
    at_hand.extend(identities.agent_keys().await);
    let Some(first) = at_hand.first() else {
        return Err(Failure::new(
            Exit::Usage,
            "there is no SSH key to log in with: no agent that holds one, and no key without a passphrase in ~/.ssh",
        )
        .with_hint("`ssh-add` hands one to the agent, `--identity` names one, and `ssh-keygen -t ed25519` makes one"));
    };
    for path in super::template::PUBLIC_KEYS {
        let text = home.and_then(|home| std::fs::read_to_string(home.join(&path[2..])).ok());
        let key = text.and_then(|text| keys::parse_public(&text).ok());
        if key.is_some_and(|key| at_hand.iter().any(|other| other.key_data() == key.key_data())) {
            return Ok(Key::File(path));
        }
    }
    Ok(Key::Line(keys::public_line(first)))
}

fn jump_host(init: &Init, jump: &Place, surroundings: &Surroundings) -> Result<Jump, Failure> {
    let user = jump.user.clone().or_else(|| surroundings.environment.get("USER").cloned());
    let user = user.unwrap_or_else(|| "root".to_owned());
    let own = init.directory.join(STATE).join("known_hosts");
    let known_hosts = match &surroundings.home {
        Some(home) if !own.exists() => Jump::default_known_hosts(home),
        _ => own,
    };
    let known = Jump::from_known_hosts(&user, &jump.host, jump.port, &known_hosts).map_err(BrokerError::from)?;
    if known.host_key.is_unknown() {
        return Err(
            Failure::usage(format!("the host key of the jump host {}:{} is not known", jump.host, jump.port)).with_hint(format!(
                "log in there once with ssh and compare its fingerprint: `ssh -p {} {user}@{}`",
                jump.port, jump.host
            )),
        );
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for (name, fit) in [
            ("vps-1234", "vps-1234"),
            ("Web.example.org", "web"),
            ("localhost.localdomain", "server"),
            ("", "server"),
            ("my_host", "my-host"),
            ("-x-", "x"),
        ] {
            assert_eq!(host_name(name), fit);
        }
    }

    #[test]
    fn what_a_machine_calls_itself_can_be_shown() {
        assert_eq!(
            pretty("ID=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n"),
            "Debian GNU/Linux 13 (trixie)"
        );
        assert!(!pretty("PRETTY_NAME=\u{1b}[31mred\n").contains('\u{1b}'));
        assert_eq!(pretty(""), "a system without /etc/os-release");
    }
}
