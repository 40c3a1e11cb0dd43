//! Salt's programs: `salt-call`, `salt-key`, `salt` and the two services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::highstate::{self, Source};
use super::host::{Done, Host};
use super::minion::{self, Standing};
use super::modules::Modules;
use crate::machine::model::files::Errno;
use crate::machine::process::{Exec, Program, lock};
use crate::machine::{Machine, Network};

/// Makes Salt's programs work on the machines of a network.
pub fn register(network: &Network) {
    network.register("salt-call", Arc::new(call as fn(&mut Exec) -> i32));
    network.register("salt-key", Arc::new(key as fn(&mut Exec) -> i32));
    network.register("salt", Arc::new(salt as fn(&mut Exec) -> i32));
    network.register("salt-master", Arc::new(Master));
    network.register("salt-minion", Arc::new(Minion));
}

struct OnMachine<'a>(&'a mut Exec);

impl Host for OnMachine<'_> {
    fn run(&mut self, argv: &[&str], stdin: &[u8]) -> Done {
        let (status, stdout, stderr) = self.0.capture(argv, stdin);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Done {
            status,
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        self.0.read_file(path).ok()
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        self.0.write_file(path, content, 0o666).map_err(|error| format!("{path}: {error}"))
    }
}

struct Master;

impl Program for Master {
    fn run(&self, ctx: &mut Exec) -> i32 {
        ctx.fail(1, "not simulated outside of a service")
    }

    fn start(&self, ctx: &mut Exec) -> Result<(), String> {
        let settings = minion::configuration(&ctx.machine, "master")?;
        let store = minion::pki(&settings, "master");
        minion::ensure_key(&ctx.machine, &store, "master")?;
        for directory in ["minions", "minions_pre", "minions_denied", "minions_rejected"] {
            ctx.system()
                .files
                .mkdir_all(&format!("{store}/{directory}"), 0o755)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

struct Minion;

impl Program for Minion {
    fn run(&self, ctx: &mut Exec) -> i32 {
        ctx.fail(1, "not simulated outside of a service")
    }

    fn start(&self, ctx: &mut Exec) -> Result<(), String> {
        let settings = minion::configuration(&ctx.machine, "minion")?;
        if settings.get("file_client").is_some_and(|client| client == "local") {
            return Ok(());
        }
        if !matches!(minion::sign_in(&ctx.machine, &settings)?, Standing::Unreachable | Standing::Pending) {
            return Ok(());
        }
        // It tries again every ten seconds, until it is accepted, refused or stopped.
        let waiting = ctx.clone();
        std::thread::spawn(move || {
            while waiting.wait(Duration::from_secs(10)) && running(&waiting.machine) {
                let standing =
                    minion::configuration(&waiting.machine, "minion").and_then(|settings| minion::sign_in(&waiting.machine, &settings));
                match standing {
                    Ok(Standing::Unreachable | Standing::Pending) => {}
                    Ok(_) | Err(_) => break,
                }
            }
        });
        Ok(())
    }
}

fn running(machine: &Machine) -> bool {
    machine.network().is_some() && machine.power().is_some() && lock(&machine.system).services.active("salt-minion.service")
}

/// Flags and words of a command line.
fn arguments(ctx: &Exec) -> (Vec<String>, Vec<String>) {
    ctx.args().into_iter().partition(|argument| argument.starts_with('-'))
}

fn has(flags: &[String], names: &[&str]) -> bool {
    flags.iter().any(|flag| names.contains(&flag.as_str()))
}

/// Prints an answer as the outputter that was asked for does.
fn print(ctx: &mut Exec, flags: &[String], answer: &Value) {
    let text = if has(flags, &["--out=json", "--output=json"]) {
        // Salt indents by four.
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, serde_json::ser::PrettyFormatter::with_indent(b"    "));
        match serde::Serialize::serialize(answer, &mut serializer) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(error) => error.to_string(),
        }
    } else {
        format!("{answer:#}")
    };
    ctx.outln(text);
}

fn call(ctx: &mut Exec) -> i32 {
    let (flags, words) = arguments(ctx);
    if has(&flags, &["--version"]) {
        ctx.outln("salt-call 3007.8 (Chlorine)");
        return 0;
    }
    let Some(function) = words.first().cloned() else {
        return ctx.fail(64, "no function was named");
    };
    if ctx.user.uid != 0 {
        ctx.errln("[WARNING ] Insufficient permissions to read the configuration of the minion");
        return 77;
    }
    let settings = match minion::configuration(&ctx.machine, "minion") {
        Ok(settings) => settings,
        Err(error) => {
            ctx.errln(format!("[ERROR   ] {error}"));
            return 64;
        }
    };
    let local = has(&flags, &["--local"]) || settings.get("file_client").is_some_and(|client| client == "local");
    let machine = ctx.machine.clone();
    let master = if local {
        None
    } else {
        match minion::sign_in(&machine, &settings) {
            Ok(Standing::Accepted(master)) => Some(master),
            Ok(standing) => return refused(ctx, standing),
            Err(error) => return ctx.fail(1, error),
        }
    };
    let (answer, status) = match function.as_str() {
        "state.apply" | "state.highstate" => apply(ctx, &settings, master, &words),
        "test.ping" => (json!(true), 0),
        "test.version" => (json!("3007.8"), 0),
        "grains.items" => (minion::grains(&machine, &settings), 0),
        "grains.get" => {
            let grains = minion::grains(&machine, &settings);
            let found = words
                .get(1)
                .and_then(|path| path.split(':').try_fold(&grains, |value, part| value.get(part)).cloned());
            (found.unwrap_or_else(|| json!("")), 0)
        }
        "key.finger" => {
            let key = minion::read(&machine, &format!("{}/minion.pub", minion::pki(&settings, "minion")));
            (json!(key.map(|key| minion::fingerprint(&key)).unwrap_or_default()), 0)
        }
        "saltutil.refresh_pillar" | "saltutil.sync_all" => (json!(true), 0),
        other => {
            ctx.errln(format!("'{other}' is not available."));
            return 1;
        }
    };
    print(ctx, &flags, &json!({"local": answer}));
    if has(&flags, &["--retcode-passthrough"]) { status } else { 0 }
}

fn refused(ctx: &mut Exec, standing: Standing) -> i32 {
    match standing {
        Standing::Pending => {
            ctx.errln("[ERROR   ] The Salt Master has cached the public key for this node, this salt minion will wait for 10 seconds before attempting to re-authenticate");
            ctx.outln("Minion failed to authenticate with the master, has the minion key been accepted?");
            2
        }
        Standing::Rejected => {
            ctx.errln("[CRITICAL] The Salt Master has rejected this minion's public key!\nTo repair this issue, delete the public key for this minion on the Salt Master and restart this minion.\nOr restart the Salt Master in open mode to clean out the keys. The Salt Minion will now exit.");
            77
        }
        Standing::Impostor(wanted, found) => {
            ctx.errln(format!("[CRITICAL] The specified fingerprint in the master configuration file:\n{wanted}\nDoes not match the authenticating master's key:\n{found}\nVerify that the configured fingerprint matches the fingerprint of the correct master and that this minion is not subject to a man-in-the-middle attack."));
            42
        }
        Standing::Accepted(_) | Standing::Unreachable => {
            if !ctx.wait(Duration::from_mins(1)) {
                return ctx.cancel.status().unwrap_or(1);
            }
            ctx.errln("[ERROR   ] Request timed out while waiting for a response. reconnecting.\n[ERROR   ] Unable to sign_in to master: Attempt to authenticate with the salt master failed with timeout error");
            1
        }
    }
}

/// Applies the states, fetched from the master where there is one.
fn apply(ctx: &mut Exec, settings: &Map<String, Value>, master: Option<Arc<Machine>>, words: &[String]) -> (Value, i32) {
    let machine = ctx.machine.clone();
    let (from, roots) = match master {
        None => (machine.clone(), settings.clone()),
        Some(master) => match minion::configuration(&master, "master") {
            Ok(settings) => (master, settings),
            Err(error) => return (json!([error]), 1),
        },
    };
    let source = Source {
        id: minion::id(&machine, settings),
        grains: minion::grains(&machine, settings),
        modules: Modules(machine.clone()),
        states: Box::new(|path| minion::rooted(&from, &roots, "file_roots", path)),
        pillar: Box::new(|path| minion::rooted(&from, &roots, "pillar_roots", path)),
    };
    let test = words.iter().any(|word| word.eq_ignore_ascii_case("test=true"));
    highstate::apply(&mut OnMachine(ctx), source, test)
}

fn pattern(names: &[String], glob: &str) -> Vec<String> {
    names.iter().filter(|name| super::compile::glob(glob, name)).cloned().collect()
}

const TITLES: [(&str, &str); 4] = [
    ("minions", "Accepted Keys:"),
    ("minions_denied", "Denied Keys:"),
    ("minions_pre", "Unaccepted Keys:"),
    ("minions_rejected", "Rejected Keys:"),
];

fn key(ctx: &mut Exec) -> i32 {
    let (flags, words) = arguments(ctx);
    let settings = match minion::configuration(&ctx.machine, "master") {
        Ok(settings) => settings,
        Err(error) => return ctx.fail(1, error),
    };
    let store = minion::pki(&settings, "master");
    let machine = ctx.machine.clone();
    let known = minion::keys(&machine, &store);
    let name = words.first().cloned().unwrap_or_default();
    let all = || vec!["minions", "minions_pre", "minions_denied", "minions_rejected"];
    let matching = |directories: &[&'static str], glob: &str| -> BTreeMap<&'static str, Vec<String>> {
        directories
            .iter()
            .map(|directory| (*directory, pattern(&known[directory], glob)))
            .filter(|(_, names)| !names.is_empty())
            .collect()
    };
    let json = has(&flags, &["--out=json", "--output=json"]);
    if has(&flags, &["-a", "--accept", "-A", "--accept-all"]) {
        let glob = if has(&flags, &["-A", "--accept-all"]) {
            "*".to_owned()
        } else {
            name
        };
        let found = matching(&["minions_pre"], &glob).remove("minions_pre").unwrap_or_default();
        if found.is_empty() {
            ctx.outln(format!("The key glob '{glob}' does not match any unaccepted keys."));
            return 0;
        }
        ctx.outln("The following keys are going to be accepted:");
        if json {
            print(ctx, &flags, &json!({"minions_pre": found}));
        } else {
            ctx.outln(format!("Unaccepted Keys:\n{}", found.join("\n")));
        }
        for name in found {
            let root = crate::machine::model::users::Credentials::root();
            let moved = ctx
                .system()
                .files
                .rename(&root, &format!("{store}/minions_pre/{name}"), &format!("{store}/minions/{name}"));
            match moved {
                Ok(()) => ctx.outln(format!("Key for minion {name} accepted.")),
                // Another salt-key was quicker.
                Err(Errno::NotFound) => {}
                Err(error) => return ctx.fail(1, error.to_string()),
            }
        }
        return 0;
    }
    if has(&flags, &["-d", "--delete", "-D", "--delete-all"]) {
        let glob = if has(&flags, &["-D", "--delete-all"]) {
            "*".to_owned()
        } else {
            name
        };
        let found = matching(&all(), &glob);
        if found.is_empty() {
            ctx.outln(format!("The key glob '{glob}' does not match any unaccepted keys."));
            return 0;
        }
        ctx.outln("The following keys are going to be deleted:");
        for (directory, title) in TITLES {
            if let Some(names) = found.get(directory) {
                ctx.outln(format!("{title}\n{}", names.join("\n")));
            }
        }
        for (directory, names) in found {
            for name in names {
                // It may have gone meanwhile, and then it is as wanted.
                let _ = ctx.system().files.unlink(
                    &crate::machine::model::users::Credentials::root(),
                    &format!("{store}/{directory}/{name}"),
                );
                ctx.outln(format!("Key for minion {name} deleted."));
            }
        }
        return 0;
    }
    if has(&flags, &["-f", "--finger"]) {
        let answer: Map<String, Value> = matching(&all(), &name)
            .into_iter()
            .map(|(directory, names)| {
                let prints: Map<String, Value> = names
                    .into_iter()
                    .map(|name| {
                        let key = minion::read(&machine, &format!("{store}/{directory}/{name}")).unwrap_or_default();
                        (name, json!(minion::master_fingerprint(&key)))
                    })
                    .collect();
                (directory.to_owned(), Value::Object(prints))
            })
            .collect();
        print(ctx, &flags, &Value::Object(answer));
        return 0;
    }
    let list = match words.first().map(String::as_str).filter(|_| has(&flags, &["-l", "--list"])) {
        Some("un" | "pre" | "unaccepted") => vec!["minions_pre"],
        Some("acc" | "accepted") => vec!["minions"],
        Some("den" | "denied") => vec!["minions_denied"],
        Some("rej" | "rejected") => vec!["minions_rejected"],
        _ => all(),
    };
    if json {
        let answer: Map<String, Value> = list
            .into_iter()
            .map(|directory| (directory.to_owned(), json!(known[directory])))
            .collect();
        print(ctx, &flags, &Value::Object(answer));
        return 0;
    }
    for (directory, title) in TITLES {
        if list.contains(&directory) {
            ctx.outln(title);
            for name in &known[directory] {
                ctx.outln(name);
            }
        }
    }
    0
}

fn salt(ctx: &mut Exec) -> i32 {
    let (flags, words) = arguments(ctx);
    let [target, function, ..] = words.as_slice() else {
        return ctx.fail(2, "a target and a function are expected");
    };
    let settings = match minion::configuration(&ctx.machine, "master") {
        Ok(settings) => settings,
        Err(error) => return ctx.fail(1, error),
    };
    let known = minion::keys(&ctx.machine, &minion::pki(&settings, "master"));
    let names = pattern(&known["minions"], target);
    if names.is_empty() {
        ctx.outln("No minions matched the target. No command was sent, no jid was assigned.");
        return 2;
    }
    let machines = ctx.machine.network().map(|network| network.machines()).unwrap_or_default();
    let mut answers = Map::new();
    let mut worst = 0;
    for name in names {
        let found = machines.iter().find(|machine| {
            let settings = minion::configuration(machine, "minion").unwrap_or_default();
            running(machine)
                && minion::id(machine, &settings) == name
                && matches!(minion::sign_in(machine, &settings), Ok(Standing::Accepted(master)) if master.spec.id == ctx.machine.spec.id)
        });
        let Some(machine) = found else {
            answers.insert(name, json!("Minion did not return. [Not connected]"));
            worst = 1;
            continue;
        };
        let mut argv = vec!["salt-call", "--out=json", "--retcode-passthrough", function];
        argv.extend(words.iter().skip(2).map(String::as_str));
        let (status, stdout, _) = machine.root_process().capture(&argv, b"");
        let answer: Value = serde_json::from_slice(&stdout).unwrap_or_default();
        answers.insert(name, answer.get("local").cloned().unwrap_or_default());
        worst = worst.max(status);
    }
    print(ctx, &flags, &Value::Object(answers));
    worst
}
