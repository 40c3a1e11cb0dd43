//! Ten and a hundred servers, from nothing to proved, against the practice cloud: wall, CPU, peak memory and the cloud's own count of the
//! requests that came.
//!
//! `cargo bench -p bootmachine-tests` for figures; `cargo test -p bootmachine-tests --bench scale -- 10` for the counts alone. bootmachine
//! and the cloud (with its simulated machines) run in processes of their own, and the figures are bootmachine's; but both share the
//! computer, so the wall time is that of both. Only counts are asserted: creates, and that polling does not grow with the servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails says where")]
#![allow(clippy::explicit_write, reason = "a closed pipe is told apart from a panic of the print macros")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bootmachine_fleet::up::ServerResult;
use bootmachine_practice::{PracticeOptions, Wait};
use bootmachine_tests::world::Facts;
use bootmachine_tests::{Operator, World};
use serde::{Deserialize, Serialize};

/// One run.
#[derive(Serialize, Deserialize)]
struct Figures {
    servers: usize,
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
    calls: BTreeMap<String, u64>,
    /// A second `up`, with nothing to do.
    again: Duration,
    again_calls: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve"] => runtime().block_on(serve()),
        ["--run", servers] => runtime().block_on(run(servers.parse().expect("a number of servers"))),
        _ => drive(&arguments),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// The cloud: its facts on the first line, then its counts whenever a line comes in, until there are no more.
async fn serve() {
    let mut options = PracticeOptions {
        seed: Some(1),
        ..PracticeOptions::default()
    };
    options.floating_pool = 1000;
    let world = World::with(options).await;
    // As long in the making for a hundred as for one: what is measured is how they are waited for.
    world
        .playground
        .cloud
        .state()
        .with(|cloud| cloud.options.build = Wait::Millis(1500));
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&world.facts()).unwrap()).unwrap();
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lock().lines() {
            let calls = world.playground.cloud.state().calls();
            world.playground.cloud.state().forget_calls();
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&calls).unwrap()).unwrap();
        }
    })
    .await
    .unwrap();
}

/// bootmachine: boots that many servers at a cloud of its own, and writes its figures.
async fn run(servers: usize) {
    let mut cloud = Command::new(std::env::current_exe().unwrap())
        .arg("--serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = cloud.stdin.take().unwrap();
    let mut answers = BufReader::new(cloud.stdout.take().unwrap()).lines();
    let facts: Facts = serde_json::from_str(&answers.next().expect("the cloud starts").unwrap()).unwrap();
    let mut counts = || -> BTreeMap<String, u64> {
        writeln!(ask).unwrap();
        serde_json::from_str(&answers.next().expect("the cloud answers").unwrap()).unwrap()
    };

    let operator = Operator::of(facts);
    let images = [
        ("arch", "Arch Linux"),
        ("debian", "Debian 13"),
        ("fedora", "Fedora 44"),
        ("ubuntu", "Ubuntu 26.04"),
    ];
    let list = (0..servers).map(|at| {
        let (distro, image) = images[at % images.len()];
        Operator::server(&format!("node-{at}"), distro, image)
    });
    operator.write(&(operator.head_with(Some("node-0")) + &list.collect::<String>()));
    operator.configure().await;
    let (begun, cpu_before) = (Instant::now(), cpu());
    let outcome = operator.fleet_here().await.expect("a fleet").up().await.expect("a run");
    let (wall, cpu) = (begun.elapsed(), cpu().saturating_sub(cpu_before));
    for server in &outcome.servers {
        if let ServerResult::Failed { stage, problem } = &server.result {
            panic!("{} failed at {stage}: {problem}", server.name);
        }
    }
    let calls = counts();
    let begun = Instant::now();
    let second = operator.fleet_here().await.expect("a fleet").up().await.expect("a run");
    assert!(second.nothing_to_do(), "a second run finds nothing to do");
    let again = begun.elapsed();
    let again_calls = counts().values().sum();
    drop(ask);
    cloud.wait().unwrap();
    let figures = Figures {
        servers,
        wall,
        cpu,
        peak_kib: peak_kib(),
        calls,
        again,
        again_calls,
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&figures).unwrap()).unwrap();
}

/// Runs each size in a process of its own, so that one's memory is not another's, and shows the table.
fn drive(arguments: &[String]) {
    let sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10, 100] } else { sizes };
    let mut all = Vec::new();
    for servers in sizes {
        let output = Command::new(std::env::current_exe().unwrap())
            .arg("--run")
            .arg(servers.to_string())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the run with {servers} servers failed");
        let figures: Figures = serde_json::from_slice(&output.stdout).expect("figures");
        assert_eq!(
            figures.calls.get("POST /compute/v2.1/servers"),
            Some(&(servers as u64)),
            "each server is asked for once"
        );
        all.push(figures);
    }
    let mut out = std::io::stdout();
    writeln!(out, "servers    wall s     cpu s  peak MiB  api calls  second up s  its calls").unwrap();
    for figures in &all {
        let total: u64 = figures.calls.values().sum();
        writeln!(
            out,
            "{:>7} {:>9.2} {:>9.2} {:>9.1} {:>10} {:>12.2} {:>10}",
            figures.servers,
            figures.wall.as_secs_f64(),
            figures.cpu.as_secs_f64(),
            figures.peak_kib as f64 / 1024.0,
            total,
            figures.again.as_secs_f64(),
            figures.again_calls,
        )
        .unwrap();
    }
    let routes: std::collections::BTreeSet<&String> = all.iter().flat_map(|figures| figures.calls.keys()).collect();
    writeln!(out).unwrap();
    for route in routes {
        write!(out, "{route:<60}").unwrap();
        for figures in &all {
            write!(out, " {:>6}", figures.calls.get(route).copied().unwrap_or_default()).unwrap();
        }
        writeln!(out).unwrap();
    }
    if let [first, .., last] = &all[..] {
        // The servers take as long to be made however many they are, so there are as many ticks; a slow computer has a few more.
        let lists = |figures: &Figures| figures.calls.get("GET /compute/v2.1/servers/detail").copied().unwrap_or_default();
        assert!(
            lists(last) <= lists(first) * 2 + 5,
            "{} list calls for {} servers and {} for {}: polling grows with the servers",
            lists(first),
            first.servers,
            lists(last),
            last.servers,
        );
    }
}

/// User and system time of this process so far (proc(5), fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu() -> Duration {
    let stat = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the name in parentheses, which may hold anything.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The most memory that was resident at a time.
fn peak_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}
