//! `up` that is killed without a word, and run again: it goes on where it stopped, makes no server twice, and calls none done that is not.
//!
//! The instants are random. What they come from is printed, and `BOOTMACHINE_KILL_SEED` sets it; `BOOTMACHINE_KILL_ROUNDS` sets how often
//! three servers are brought up with kills in between.

#![allow(clippy::print_stdout, reason = "a test that fails shows its seed and its way")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::program::{Program, Ran, SOUND};
use crate::scene::Scene;

/// Name, distro and image.
const SERVERS: [(&str, &str, &str); 3] = [
    ("kailash", "arch", "Arch Linux"),
    ("fuji", "fedora", "Fedora 44"),
    ("shasta", "ubuntu", "Ubuntu 26.04"),
];
/// Enough to meet every stage, few enough for everyday.
const ROUNDS: usize = 4;
/// Kills in one round, at the most.
const KILLS: usize = 3;

impl Scene {
    /// Runs `up`, and kills it at this instant. Tells how it ended by itself where it was faster.
    async fn up_until(&self, instant: Duration) -> Option<Ran> {
        let child = self
            .command(&["up"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Dropping the child is what kills it.
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = tokio::time::timeout(instant, child.wait_with_output()).await.ok()?;
        Some(Ran::of(output.expect("it ends"), |text| text))
    }

    /// What has to be true at any time.
    async fn check(&self, when: &str) -> usize {
        let servers = self.playground.cloud.state().servers();
        let names: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names.len(), servers.len(), "{when}: two servers have one name: {servers:#?}");
        for server in &servers {
            for label in [
                "bootmachine-cluster",
                "bootmachine-server",
                "bootmachine-id",
                "bootmachine-host-key",
            ] {
                assert!(
                    server.metadata.get(label).is_some_and(|value| !value.is_empty()),
                    "{when}: `{}` lacks the label {label}",
                    server.name
                );
            }
        }

        let status = self.run(&["status", "--format", "json"]).await;
        assert_eq!(status.status, 0, "{when}: {status}");
        let plan: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
        assert_eq!(plan["conflicts"], serde_json::json!([]), "{when}: {status}");
        let done: BTreeSet<String> = plan["servers"]
            .as_array()
            .expect("servers")
            .iter()
            .filter(|server| server["standing"] == "done")
            .map(|server| server["name"].as_str().expect("a name").to_owned())
            .collect();
        // What the machines themselves remember is looked at, too: nobody may be lied to by either.
        let remembered: BTreeSet<String> = self
            .playground
            .machines
            .machines()
            .into_iter()
            .filter(|machine| {
                let (status, marker, _) = machine.script("cat /var/lib/bootmachine/state.json");
                let marker: serde_json::Value = serde_json::from_str(&marker).unwrap_or_default();
                status == 0 && marker["passed"] == "verify"
            })
            .map(|machine| machine.spec.name.clone())
            .collect();
        assert_eq!(done, remembered, "{when}: {status}");
        if !done.is_empty() {
            let mut arguments = vec!["verify"];
            arguments.extend(done.iter().map(String::as_str));
            let verified = self.run(&arguments).await;
            assert_eq!(verified.status, 0, "{when}: {done:?} are called done: {verified}");
        }
        done.len()
    }

    /// Nothing is missing, nothing is there twice, and nothing was ever asked for twice.
    async fn check_the_end(&self, when: &str) {
        assert_eq!(self.check(when).await, SERVERS.len(), "{when}");
        let state = self.playground.cloud.state();
        let names: BTreeSet<String> = state.servers().into_iter().map(|server| server.name).collect();
        assert_eq!(names, SERVERS.iter().map(|(name, ..)| (*name).to_owned()).collect(), "{when}");
        assert_eq!(state.count("POST", "/compute/v2.1/servers"), SERVERS.len() as u64, "{when}");
        let again = self.run(&["up"]).await;
        assert_eq!(again.status, 0, "{when}: {again}");
        assert!(again.stderr.contains("nothing to do"), "{when}: {again}");
    }
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is `{text}`, which is no number")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_it_goes_on_where_it_stopped() {
    let seed = number("BOOTMACHINE_KILL_SEED").unwrap_or_else(rand::random::<u64>);
    let rounds = number("BOOTMACHINE_KILL_ROUNDS").unwrap_or(ROUNDS);
    println!("BOOTMACHINE_KILL_SEED={seed} BOOTMACHINE_KILL_ROUNDS={rounds}");
    let mut rng = StdRng::seed_from_u64(seed);

    let undisturbed = Scene::start(&SERVERS).await;
    // What plugins compile to is kept from now on, and does not count.
    let ran = undisturbed.run(&["plan"]).await;
    assert_eq!(ran.status, 0, "{ran}");
    let begun = Instant::now();
    let ran = undisturbed.run(&["up"]).await;
    let whole = begun.elapsed();
    assert_eq!(ran.status, 0, "{ran}");
    undisturbed.check_the_end("undisturbed").await;
    drop(undisturbed);
    println!("undisturbed, it takes {whole:?}");

    for round in 0..rounds {
        let scene = Scene::start(&SERVERS).await;
        let kills = rng.random_range(1..=KILLS);
        for kill in 0..kills {
            // The first kills of all rounds are spread evenly over the whole way; the others come as they come.
            let share = match kill {
                0 => (f64::from(u32::try_from(round).unwrap_or(0)) + rng.random::<f64>()) / f64::from(u32::try_from(rounds).unwrap_or(1)),
                _ => rng.random::<f64>(),
            };
            let instant = whole.mul_f64(share);
            let forgets = rng.random_bool(0.3);
            let when = format!("seed {seed}, round {round}, kill {kill} after {instant:?}");
            if let Some(ran) = scene.up_until(instant).await {
                assert_eq!(ran.status, 0, "{when}: {ran}");
                break;
            }
            if forgets {
                scene.lose_what_is_known();
            }
            let done = scene.check(&when).await;
            let made = scene.playground.cloud.state().servers().len();
            println!(
                "{when}: {made} servers, {done} done{}",
                if forgets { ", and what was known of them is lost" } else { "" }
            );
        }
        let when = format!("seed {seed}, the end of round {round}");
        let ran = scene.run(&["up"]).await;
        assert_eq!(ran.status, 0, "{when}: {ran}");
        scene.check_the_end(&when).await;
    }
}

#[test]
fn two_at_once_do_not_cross() {
    let program = Program::new();
    // A cloud that takes the connection and then says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let key = bootmachine_broker::ssh::keys::generate("sam").expect("a key");
    program.write("key", &key.private_pem);
    let text = SOUND
        .replace("127.0.0.1:9", &format!("127.0.0.1:{port}"))
        .replace("[[users]]", "[ssh]\nidentity = \"key\"\n\n[[users]]");
    program.write("bootmachine.toml", &text);
    let mut first = program
        .command(&["up"])
        .env("CLOUD_PASSWORD", "secret")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // It asks: it is in the middle of its work.
    let connection = listener.accept().expect("it asks the cloud");

    let second = program.finish(program.command(&["up"]).env("CLOUD_PASSWORD", "secret"));
    first.kill().expect("it was alive");
    first.wait().expect("it ends");
    drop(connection);
    assert_eq!(second.status, 1, "{second}");
    assert!(
        second.stderr.ends_with(
            "error: another bootmachine is at work on this cluster\nhint: wait for it to end; ./.bootmachine/lock is held by it\n"
        ),
        "{second}"
    );

    // A killed one leaves the lock's file, and that keeps nobody out: the third gets as far as asking.
    let mut third = program
        .command(&["up"])
        .env("CLOUD_PASSWORD", "secret")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    listener.accept().expect("it asks the cloud");
    third.kill().expect("it was alive");
    third.wait().expect("it ends");
}
