//! The simulated network: machines by id and address, what they find on the internet, and what answers at a port.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;

use super::model::firewall::Verdict;
use super::model::users::Credentials;
use super::model::{System, openpgp, packages, services, sysctl};
use super::process::{Cancel, Exec, Input, Output, Program, lock};
use super::{Hypervisor, ImageKind, MachineSpec, cloud_init, programs, ssh};

/// A command that fails however it is called.
#[derive(Debug, Clone)]
pub struct CommandFault {
    /// Its name without a directory.
    pub command: String,
    /// What it prints to standard error.
    pub text: String,
    /// Its status.
    pub status: i32,
}

/// What is wrong with a machine, set by tests and by whoever wants to see a failure.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// No port ever answers.
    pub silent: bool,
    /// A login works, then no command ever ends.
    pub hangs_after_login: bool,
    /// How many more calls find the package manager's lock taken.
    pub package_lock: u32,
    /// The repositories do not answer.
    pub repositories_down: bool,
    /// The password of those whom sudo asks for one; nobody has one otherwise.
    pub sudo_password: Option<String>,
    /// Commands that fail.
    pub commands: Vec<CommandFault>,
}

/// What came of a connection.
pub enum Connect {
    /// The stream to what listens.
    Accepted(DuplexStream),
    /// Nothing listens there, or the firewall refuses.
    Refused,
    /// No answer, now or ever.
    Filtered,
}

/// Why a URL was not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The host has no address.
    Unresolved,
    /// The host does not answer.
    Unreachable,
    /// The server answered with this status.
    Status(u16),
}

/// What the simulated machines find on the internet.
#[derive(Debug, Clone, Default)]
pub struct Internet {
    /// Content by URL.
    pub pages: BTreeMap<String, Vec<u8>>,
    /// Package repositories: how their URL begins, and what they carry.
    pub repositories: BTreeMap<String, packages::Repository>,
    /// Hosts that do not answer.
    pub down: Vec<String>,
}

impl Internet {
    /// What the distributions and Salt Project serve.
    pub fn new(salt_version: &str) -> Self {
        let base = "https://packages.broadcom.com/artifactory";
        let mut internet = Self::default();
        let signed = |packages| packages::Repository {
            packages,
            fingerprint: openpgp::simulated_fingerprint(SALT_KEY),
        };
        let salt: Vec<packages::Package> = ["salt-common", "salt-master", "salt-minion", "salt-ssh", "salt"]
            .iter()
            .filter_map(|n| packages::salt(n, salt_version))
            .collect();
        internet.repositories.insert(
            format!("{base}/saltproject-deb"),
            signed(salt.iter().filter(|p| p.name != "salt").cloned().collect()),
        );
        let rpm = salt.iter().filter(|p| p.name != "salt-common").cloned().map(|mut p| {
            for d in &mut p.depends {
                "salt".clone_into(d);
            }
            p.version.push_str("-0");
            p
        });
        internet
            .repositories
            .insert(format!("{base}/saltproject-rpm"), signed(rpm.collect()));
        internet.pages.insert(
            format!("{base}/api/security/keypair/SaltProjectKey/public"),
            openpgp::armor(&openpgp::simulated(SALT_KEY)).into_bytes(),
        );
        internet.pages.insert(
            "https://github.com/saltstack/salt-install-guide/releases/latest/download/salt.repo".into(),
            format!("[salt-repo-3007-sts]\nname=Salt Repo\nbaseurl={base}/saltproject-rpm/\nenabled=1\ngpgcheck=1\ngpgkey={base}/api/security/keypair/SaltProjectKey/public\n").into_bytes(),
        );
        let name = format!("salt-{salt_version}-onedir-linux-x86_64.tar.xz");
        let archive = programs::archive::onedir();
        let sum = programs::archive::sha256(&archive);
        let dir = format!("{base}/saltproject-generic/onedir/{salt_version}");
        internet.pages.insert(
            format!("{base}/saltproject-generic/onedir/"),
            format!("<a href=\"{salt_version}/\">{salt_version}/</a>\n").into_bytes(),
        );
        internet
            .pages
            .insert(format!("{dir}/{name}.sha256"), format!("{sum}  {name}\n").into_bytes());
        internet
            .pages
            .insert(format!("{dir}/salt-{salt_version}_SHA256"), format!("{sum}  {name}\n").into_bytes());
        internet.pages.insert(format!("{dir}/{name}"), archive);
        internet
    }

    /// Fetches a URL.
    pub fn fetch(&self, url: &str) -> Result<Vec<u8>, Refusal> {
        let host = url::Url::parse(url)
            .ok()
            .and_then(|u| u.host_str().map(str::to_owned))
            .unwrap_or_default();
        if self.down.contains(&host) {
            return Err(Refusal::Unreachable);
        }
        if let Some(page) = self.pages.get(url) {
            return Ok(page.clone());
        }
        let known = self
            .pages
            .keys()
            .chain(self.repositories.keys())
            .any(|u| url::Url::parse(u).is_ok_and(|u| u.host_str() == Some(&host)));
        let public = [
            "deb.debian.org",
            "archive.ubuntu.com",
            "mirrors.fedoraproject.org",
            "geo.mirror.pkgbuild.com",
            "security.debian.org",
        ];
        Err(if known || public.contains(&host.as_str()) {
            Refusal::Status(404)
        } else {
            Refusal::Unresolved
        })
    }
}

/// Whose key signs what Salt Project publishes.
pub const SALT_KEY: &str = "Salt Project Packaging <saltproject-packaging@vmware.com>";

/// One machine.
pub struct Machine {
    /// Where it is reached now; a floating IP comes and goes.
    pub addresses: Mutex<Vec<IpAddr>>,
    /// What it was booted from.
    pub spec: MachineSpec,
    /// Its system.
    pub system: Mutex<System>,
    /// What is wrong with it.
    pub faults: Mutex<Faults>,
    network: Weak<Network>,
    pids: AtomicU32,
    power: Mutex<Option<CancellationToken>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("id", &self.spec.id)
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Its image.
    pub fn image(&self) -> ImageKind {
        self.spec.image
    }

    /// A process id.
    pub fn next_pid(&self) -> u32 {
        self.pids.fetch_add(1, Ordering::SeqCst)
    }

    /// The network it is on; none when the whole simulation ends.
    pub fn network(&self) -> Option<Arc<Network>> {
        self.network.upgrade()
    }

    /// The simulated program of that name.
    pub fn program(&self, name: &str) -> Option<Arc<dyn Program>> {
        let own = self.network().and_then(|n| lock(&n.programs).get(name).cloned());
        own.or_else(|| programs::find(name))
    }

    /// How a command is made to fail, if it is.
    pub fn command_fault(&self, command: &str) -> Option<CommandFault> {
        lock(&self.faults).commands.iter().find(|f| f.command == command).cloned()
    }

    /// A process of the superuser without streams, as services and boot have it.
    pub fn root_process(self: &Arc<Self>) -> Exec {
        let pace = self.network().map_or(Duration::ZERO, |n| n.pace());
        Exec {
            argv: Vec::new(),
            env: BTreeMap::from([
                ("PATH".into(), super::launch::DEFAULT_PATH.into()),
                ("LANG".into(), "C.UTF-8".into()),
            ]),
            cwd: "/".into(),
            umask: 0o022,
            user: Credentials::root(),
            stdin: Input::empty(),
            stdout: Output::Null,
            stderr: Output::Null,
            descriptors: BTreeMap::new(),
            machine: self.clone(),
            cancel: Cancel::new(pace),
            write_error: None,
        }
    }

    /// Runs a script as root and gives back status, standard output and standard error: for tests and for what boots a machine.
    pub fn script(self: &Arc<Self>, text: &str) -> (i32, String, String) {
        let mut ctx = self.root_process();
        let (status, out, err) = ctx.capture(&["/bin/sh", "-c", text], b"");
        (
            status,
            String::from_utf8_lossy(&out).into_owned(),
            String::from_utf8_lossy(&err).into_owned(),
        )
    }

    /// Cancelled when the power goes; none while it is off.
    pub fn power(&self) -> Option<CancellationToken> {
        lock(&self.power).clone()
    }

    fn power_off(&self) {
        if let Some(token) = lock(&self.power).take() {
            token.cancel();
        }
        let mut system = lock(&self.system);
        system.services.units.clear();
        system.firewall = super::model::firewall::Ruleset::default();
        system.sshd = None;
    }

    fn boot(self: &Arc<Self>) {
        *lock(&self.power) = Some(CancellationToken::new());
        {
            let mut system = lock(&self.system);
            if let Err(error) = fresh_kernel(&mut system, &self.spec) {
                system.console.push_str(&format!("kernel: {error}\n"));
            }
        }
        let mut ctx = self.root_process();
        let configured = sysctl::configured(&ctx.system().files);
        for (_, values) in configured {
            for (name, value, _) in values {
                // The kernel ignores what it does not know; systemd-sysctl says so in the journal.
                if sysctl::set(&mut ctx.system().files, &Credentials::root(), &name, &value).is_err() {
                    ctx.system()
                        .log("systemd-sysctl.service", format!("Couldn't write '{value}' to '{name}', ignoring"));
                }
            }
        }
        cloud_init::early(&mut ctx, &self.spec);
        let wanted = services::wanted(&ctx.system().files);
        for unit in wanted {
            if let Err(error) = programs::systemd::start(&mut ctx, &unit) {
                ctx.system().log(&unit, error);
            }
        }
        cloud_init::late(&mut ctx, &self.spec);
        let name = ctx.system().hostname();
        ctx.system().console.push_str(&format!("\n{name} login: "));
    }
}

fn fresh_kernel(system: &mut System, spec: &MachineSpec) -> Result<(), super::model::files::Errno> {
    let root = Credentials::root();
    for dir in ["/run", "/tmp"] {
        for name in system.files.list(&root, dir)? {
            system.files.remove_all(&root, &format!("{dir}/{name}"))?;
        }
    }
    for dir in ["/run/sshd", "/run/systemd/system"] {
        system.files.mkdir_all(dir, 0o755)?;
    }
    sysctl::boot(&mut system.files)?;
    let boot_id = uuid::Uuid::new_v4();
    system.files.put("/proc/sys/kernel/random/boot_id", format!("{boot_id}\n"), 0o444)?;
    system.files.put("/proc/uptime", "12.34 20.00\n", 0o444)?;
    system
        .files
        .put("/proc/sys/kernel/osrelease", format!("{}\n", spec.image.kernel()), 0o444)?;
    system.files.put("/proc/1/comm", "systemd\n", 0o444)?;
    system.files.put(
        "/proc/meminfo",
        "MemTotal:        2013436 kB\nMemFree:         1513436 kB\nMemAvailable:    1713436 kB\n",
        0o444,
    )?;
    system
        .files
        .put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: simulated\n", 0o444)?;
    let name = system.files.text("/etc/hostname");
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    system.files.put("/proc/sys/kernel/hostname", format!("{name}\n"), 0o644)?;
    system
        .console
        .push_str(&format!("[    0.000000] Linux version {} (simulated)\n", spec.image.kernel()));
    Ok(())
}

/// All machines.
pub struct Network {
    machines: Mutex<HashMap<String, Arc<Machine>>>,
    /// Programs added from outside, by the name in their file's marker.
    programs: Mutex<HashMap<String, Arc<dyn Program>>>,
    /// What machines find outside.
    pub internet: Mutex<Internet>,
    pace: Mutex<Duration>,
    package_delay: Mutex<Duration>,
    faults: Mutex<HashMap<String, Faults>>,
    runtime: tokio::runtime::Handle,
    me: Weak<Self>,
}

impl Network {
    /// An empty network. To be called inside a tokio runtime, which then runs the SSH servers.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            machines: Mutex::default(),
            programs: Mutex::default(),
            internet: Mutex::new(Internet::new("3007.8")),
            pace: Mutex::new(Duration::from_millis(5)),
            package_delay: Mutex::new(Duration::from_millis(2)),
            faults: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            me: me.clone(),
        })
    }

    /// How long one second of the machines' time takes.
    pub fn pace(&self) -> Duration {
        *lock(&self.pace)
    }

    /// Sets how long one second of the machines' time takes, and how long installing one package takes.
    pub fn set_pace(&self, second: Duration, package: Duration) {
        *lock(&self.pace) = second;
        *lock(&self.package_delay) = package;
    }

    /// How long installing one package takes.
    pub fn package_delay(&self) -> Duration {
        *lock(&self.package_delay)
    }

    /// Adds a program that files with the marker of that name run.
    pub fn register(&self, name: &str, program: Arc<dyn Program>) {
        lock(&self.programs).insert(name.to_owned(), program);
    }

    /// The faults that a machine of that host name gets when it is created.
    pub fn set_faults(&self, name: &str, faults: Faults) {
        lock(&self.faults).insert(name.to_owned(), faults.clone());
        for machine in self.machines() {
            if machine.spec.name == name {
                *lock(&machine.faults) = faults.clone();
            }
        }
    }

    /// All machines.
    pub fn machines(&self) -> Vec<Arc<Machine>> {
        lock(&self.machines).values().cloned().collect()
    }

    /// A machine by the provider's id.
    pub fn machine(&self, id: &str) -> Option<Arc<Machine>> {
        lock(&self.machines).get(id).cloned()
    }

    /// A machine by one of its addresses.
    pub fn at(&self, address: IpAddr) -> Option<Arc<Machine>> {
        lock(&self.machines)
            .values()
            .find(|m| lock(&m.addresses).contains(&address))
            .cloned()
    }

    /// Whether a TCP connection from one address to a port of another would be let in: what Salt's own ports are tried with.
    pub fn reachable(&self, address: IpAddr, port: u16, from: IpAddr) -> Verdict {
        match self.at(address) {
            Some(machine) if machine.power().is_some() && !lock(&machine.faults).silent => lock(&machine.system).firewall.input(from, port),
            _ => Verdict::Drop,
        }
    }

    /// Connects to a port of a machine.
    pub fn connect(&self, address: IpAddr, port: u16, from: IpAddr) -> Connect {
        let Some(machine) = self.at(address) else {
            return Connect::Filtered;
        };
        let Some(power) = machine.power() else { return Connect::Filtered };
        match self.reachable(address, port, from) {
            Verdict::Drop => return Connect::Filtered,
            Verdict::Reject => return Connect::Refused,
            Verdict::Accept => {}
        }
        let running = || lock(&machine.system).sshd.clone().filter(|s| s.ports.contains(&port));
        let by_socket = lock(&machine.system).services.active("ssh.socket");
        if running().is_none_or(|running| !by_socket && std::time::Instant::now() < running.answers_from) {
            return Connect::Refused;
        }
        let (ours, theirs) = tokio::io::duplex(256 << 10);
        // Where a socket listens for it, the daemon starts with the first connection. If it fails, the connection ends.
        if by_socket && let Err(words) = programs::systemd::start(&mut machine.root_process(), "ssh.service") {
            lock(&machine.system).log("ssh.socket", words);
            return Connect::Accepted(ours);
        }
        let Some(running) = running() else { return Connect::Refused };
        self.runtime.spawn(ssh::serve(machine, running, theirs, from, power));
        Connect::Accepted(ours)
    }

    /// Reboots a machine from inside, after the command that asked has had time to end.
    pub fn reboot_soon(&self, id: &str) {
        let (me, id) = (self.me.clone(), id.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(network) = me.upgrade() {
                network.reboot(&id);
            }
        });
    }

    /// Powers a machine off from inside.
    pub fn stop_soon(&self, id: &str) {
        let (me, id) = (self.me.clone(), id.to_owned());
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(network) = me.upgrade() {
                network.stop(&id);
            }
        });
    }

    fn boot_in_background(&self, machine: Arc<Machine>) {
        self.runtime.spawn_blocking(move || machine.boot());
    }
}

impl Hypervisor for Network {
    fn start(&self, spec: MachineSpec) {
        let system = match spec.image.install(8 << 30) {
            Ok(system) => system,
            Err(error) => {
                tracing::error!(%error, "the image of a simulated machine does not fit its disk");
                return;
            }
        };
        let mut faults = lock(&self.faults).get(&spec.name).cloned().unwrap_or_default();
        faults.silent |= spec.silent;
        let machine = Arc::new(Machine {
            faults: Mutex::new(faults),
            addresses: Mutex::new(spec.addresses.clone()),
            system: Mutex::new(system),
            network: self.me.clone(),
            pids: AtomicU32::new(400),
            power: Mutex::new(None),
            spec,
        });
        lock(&self.machines).insert(machine.spec.id.clone(), machine.clone());
        self.boot_in_background(machine);
    }

    fn stop(&self, id: &str) {
        if let Some(machine) = self.machine(id) {
            machine.power_off();
        }
    }

    fn reboot(&self, id: &str) {
        if let Some(machine) = self.machine(id) {
            machine.power_off();
            self.boot_in_background(machine);
        }
    }

    fn remove(&self, id: &str) {
        let machine = lock(&self.machines).remove(id);
        if let Some(machine) = machine {
            machine.power_off();
        }
    }

    fn console(&self, id: &str) -> String {
        self.machine(id).map(|m| lock(&m.system).console.clone()).unwrap_or_default()
    }

    fn readdress(&self, id: &str, addresses: Vec<IpAddr>) {
        if let Some(machine) = self.machine(id) {
            *lock(&machine.addresses) = addresses;
        }
    }
}
