//! One SSH connection to a simulated machine: authentication by the configuration that its daemon runs with, commands by its shell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::Machine;
use super::launch;
use super::model::files::Errno;
use super::model::sshd::Running;
use super::model::users;
use super::process::{Cancel, Exec, Input, Output, Pipe, Sink, lock};
use super::terminal::{self, Screen, Size, Terminal};

/// A new private host key in OpenSSH's format.
pub(super) fn new_host_key() -> Option<(String, String)> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).ok()?;
    let private = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).ok()?.to_string();
    let public = key.public_key().to_openssh().ok()?;
    Some((private, public))
}

/// Serves one connection until it ends or the power goes.
pub(super) async fn serve(machine: Arc<Machine>, running: Running, stream: DuplexStream, from: IpAddr, power: CancellationToken) {
    let keys: Vec<PrivateKey> = running
        .host_keys
        .iter()
        .filter_map(|k| k.parse().ok().or_else(|| russh::keys::decode_secret_key(k, None).ok()))
        .collect();
    if keys.is_empty() {
        return;
    }
    let mut methods = Vec::new();
    if running.config.yes("pubkeyauthentication") {
        methods.push(MethodKind::PublicKey);
    }
    if running.config.yes("passwordauthentication") {
        methods.push(MethodKind::Password);
    }
    if running.config.yes("kbdinteractiveauthentication") {
        methods.push(MethodKind::KeyboardInteractive);
    }
    let config = Config {
        server_id: russh::SshId::Standard("SSH-2.0-OpenSSH_10.0".into()),
        methods: MethodSet::from(&methods[..]),
        auth_rejection_time: Duration::from_millis(20),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys,
        max_auth_attempts: running.config.first("maxauthtries").parse().unwrap_or(6),
        inactivity_timeout: None,
        ..Config::default()
    };
    let handler = Connection {
        machine,
        running,
        from,
        user: None,
        channels: HashMap::new(),
        dead: CancellationToken::new(),
    };
    let dead = handler.dead.clone();
    let session = russh::server::run_stream(Arc::new(config), stream, handler).await;
    if let Ok(mut session) = session {
        let handle = session.handle();
        tokio::select! {
            _ = &mut session => {}
            () = power.cancelled() => {
                // The peer of a machine that lost its power learns it by a dead connection; ours is told, to be quick.
                let _ = handle.disconnect(russh::Disconnect::ByApplication, "power off".into(), String::new()).await;
                let _ = tokio::time::timeout(Duration::from_millis(200), &mut session).await;
            }
        }
    }
    dead.cancel();
}

struct Open {
    pipe: Arc<Pipe>,
    /// The terminal that was asked for, before the program starts.
    wanted: Option<Size>,
    terminal: Option<Arc<Terminal>>,
    cancel: Cancel,
    environment: Vec<(String, String)>,
}

impl Open {
    /// Nobody is at the other end any more.
    fn gone(&self) {
        self.cancel.kill(1);
        self.pipe.close_write();
        if let Some(terminal) = &self.terminal {
            terminal.hang_up();
        }
    }
}

/// What goes back over the connection: whether it is standard error's, and the bytes.
type Wire = tokio::sync::mpsc::Sender<(bool, Vec<u8>)>;

impl Screen for Wire {
    fn write(&self, data: &[u8]) -> Result<(), Errno> {
        data.chunks(32 << 10)
            .try_for_each(|part| self.blocking_send((false, part.to_vec())).map_err(|_| Errno::Io))
    }

    fn echo(&self, data: &[u8]) {
        // Waiting here would stop the connection that makes room.
        let _ = self.try_send((false, data.to_vec()));
    }
}

/// What a login with a terminal is told.
fn greet(ctx: &mut Exec) {
    let quiet = ctx
        .env
        .get("HOME")
        .is_some_and(|home| ctx.system().files.exists(&format!("{home}/.hushlogin")));
    let text = ctx.system().files.text("/etc/motd");
    if !quiet {
        ctx.out(text);
    }
}

struct Connection {
    machine: Arc<Machine>,
    running: Running,
    from: IpAddr,
    user: Option<users::User>,
    channels: HashMap<ChannelId, Open>,
    dead: CancellationToken,
}

impl Drop for Connection {
    fn drop(&mut self) {
        for open in self.channels.values() {
            open.gone();
        }
        self.dead.cancel();
    }
}

impl Connection {
    fn key_is_good(&self, user: &str, key: &PublicKey) -> bool {
        let system = lock(&self.machine.system);
        if !self.running.config.yes("pubkeyauthentication") || !self.running.config.allows(&system.files, user) {
            return false;
        }
        self.running.config.authorized_keys(&system.files, user).iter().any(|line| {
            // Options may stand before the key.
            let words: Vec<&str> = line.split_whitespace().collect();
            let start = words
                .iter()
                .position(|w| w.starts_with("ssh-") || w.starts_with("ecdsa-") || w.starts_with("sk-"));
            start
                .and_then(|s| words.get(s..s + 2))
                .and_then(|pair| PublicKey::from_openssh(&pair.join(" ")).ok())
                .is_some_and(|known| known.key_data() == key.key_data())
        })
    }

    fn execute(&mut self, channel: ChannelId, command: Option<String>, session: &mut Session) {
        let (Some(open), Some(user)) = (self.channels.get_mut(&channel), self.user.clone()) else {
            return;
        };
        let handle = session.handle();
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<(bool, Vec<u8>)>(64);
        let sink = |error: bool| -> Output {
            let sender = sender.clone();
            let sink: Sink = Arc::new(move |data: &[u8]| {
                for part in data.chunks(32 << 10) {
                    sender.blocking_send((error, part.to_vec())).map_err(|_| Errno::Pipe)?;
                }
                Ok(())
            });
            Output::Sink(sink)
        };
        let mut ctx: Exec = self.machine.root_process();
        if let Some(size) = open.wanted {
            let terminal = Terminal::new(Arc::new(sender.clone()), size);
            ctx.stdin = Input::terminal(Arc::clone(&terminal));
            ctx.stdout = Output::Terminal(Arc::clone(&terminal));
            ctx.stderr = Output::Terminal(Arc::clone(&terminal));
            terminal.set_foreground(Some(open.cancel.clone()));
            open.terminal = Some(terminal);
        } else {
            ctx.stdin = Input::pipe(open.pipe.clone());
            ctx.stdout = sink(false);
            ctx.stderr = sink(true);
        }
        ctx.cancel = open.cancel.clone();
        drop(sender);
        let path = if user.uid == 0 {
            launch::DEFAULT_PATH.to_owned()
        } else {
            "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games".to_owned()
        };
        {
            let system = lock(&self.machine.system);
            ctx.user = users::credentials(&system.files, &user);
            ctx.cwd = if system.files.exists(&user.home) {
                user.home.clone()
            } else {
                "/".into()
            };
        }
        let shell = if user.shell.is_empty() {
            "/bin/sh".to_owned()
        } else {
            user.shell.clone()
        };
        ctx.env = [
            ("PATH", path),
            ("HOME", user.home.clone()),
            ("USER", user.name.clone()),
            ("LOGNAME", user.name.clone()),
            ("SHELL", shell.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            ("SSH_CLIENT", format!("{} 40000 22", self.from)),
            (
                "SSH_CONNECTION",
                format!(
                    "{} 40000 {} 22",
                    self.from,
                    self.machine.spec.addresses.first().map(IpAddr::to_string).unwrap_or_default()
                ),
            ),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .chain(open.environment.clone())
        .collect();
        // The daemon starts the shell by its path and calls it by its name.
        let shell_name = shell.rsplit('/').next().unwrap_or("sh").to_owned();
        let terminal = open.terminal.clone();
        let greets = terminal.is_some() && command.is_none();
        ctx.argv = match command {
            Some(text) => vec![shell_name, "-c".into(), text],
            None => vec![format!("-{shell_name}")],
        };
        let hangs = lock(&self.machine.faults).hangs_after_login;
        let done = tokio::task::spawn_blocking(move || {
            if hangs {
                ctx.cancel.wait(None);
                return 137;
            }
            if greets {
                greet(&mut ctx);
            }
            let status = launch::run_file(&mut ctx, &shell);
            // What runs on in the background has no terminal any more, and the wire ends.
            if let Some(terminal) = terminal {
                terminal.hang_up();
            }
            status
        });
        tokio::spawn(async move {
            while let Some((error, data)) = receiver.recv().await {
                let sent = if error {
                    handle.extended_data(channel, 1, data).await.is_ok()
                } else {
                    handle.data(channel, data).await.is_ok()
                };
                if !sent {
                    break;
                }
            }
            drop(receiver);
            let status = done.await.unwrap_or(255);
            // A connection that is gone needs no farewell.
            let _ = handle.exit_status_request(channel, status.cast_unsigned()).await;
            let _ = handle.eof(channel).await;
            let _ = handle.close(channel).await;
        });
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(if self.key_is_good(user, offer.public_key) {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if !self.key_is_good(user, key.public_key) {
            return Ok(Auth::reject());
        }
        self.user = users::user(&lock(&self.machine.system).files, user);
        Ok(if self.user.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_password(&mut self, _user: &str, _password: &str) -> Result<Auth, Self::Error> {
        // No simulated account has a password that could be typed: shadow holds hashes or locks.
        Ok(Auth::reject())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let pace = self.machine.network().map_or(Duration::ZERO, |n| n.pace());
        self.channels.insert(
            channel.id(),
            Open {
                pipe: Pipe::new(None),
                wanted: None,
                terminal: None,
                cancel: Cancel::new(pace),
                environment: Vec::new(),
            },
        );
        reply.accept().await;
        Ok(())
    }

    async fn env_request(&mut self, channel: ChannelId, name: &str, value: &str, session: &mut Session) -> Result<(), Self::Error> {
        let accepted = name == "LANG" || name.starts_with("LC_");
        if let (true, Some(open)) = (accepted, self.channels.get_mut(&channel)) {
            open.environment.push((name.to_owned(), value.to_owned()));
            return session.channel_success(channel);
        }
        session.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(open) = self.channels.get_mut(&channel) else {
            return session.channel_failure(channel);
        };
        open.wanted = Some(Size { columns, rows });
        open.environment.push(("TERM".to_owned(), term.to_owned()));
        open.environment.push(("SSH_TTY".to_owned(), terminal::DEVICE.to_owned()));
        session.channel_success(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(terminal) = self.channels.get(&channel).and_then(|open| open.terminal.as_ref()) {
            terminal.resize(Size { columns, rows });
        }
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        self.execute(channel, Some(String::from_utf8_lossy(data).into_owned()), session);
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        self.execute(channel, None, session);
        Ok(())
    }

    async fn subsystem_request(&mut self, channel: ChannelId, _name: &str, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.get(&channel) {
            if let Some(terminal) = &open.terminal {
                terminal.keys(data);
                return Ok(());
            }
            // Nobody reading any more is the command's business.
            let _ = open.pipe.write(data, &open.cancel);
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.get(&channel) {
            open.pipe.close_write();
            if let Some(terminal) = &open.terminal {
                terminal.keys(&[terminal::END_OF_FILE]);
            }
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.remove(&channel) {
            open.gone();
        }
        Ok(())
    }

    async fn signal(&mut self, channel: ChannelId, signal: russh::Sig, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(open) = self.channels.get(&channel) {
            open.cancel.kill(if matches!(signal, russh::Sig::KILL) { 9 } else { 15 });
        }
        Ok(())
    }
}
