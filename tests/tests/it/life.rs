//! The main job, end to end: configuration to proved servers.

use bootmachine_fleet::up::ServerResult;
use bootmachine_tests::{Operator, World};

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_are_booted_secured_and_proved() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let servers = [
        Operator::server("kailash", "arch", "Arch Linux"),
        Operator::server("fuji", "fedora", "Fedora 44"),
        Operator::server("shasta", "ubuntu", "Ubuntu 26.04"),
    ];
    operator.write(&(operator.head(&world, Some("kailash")) + &servers.concat()));
    operator.configure().await;
    let fleet = operator.fleet(&world).await.expect("a fleet");
    let outcome = fleet.up().await.expect("a run");
    for server in &outcome.servers {
        if let ServerResult::Failed { stage, problem } = &server.result {
            panic!(
                "{} failed at {stage}: {problem}\nhint: {:?}\n{}",
                server.name,
                problem.hint,
                operator.events.lines().join("\n")
            );
        }
    }
    assert_eq!(outcome.created, 3);

    world.playground.cloud.state().forget_calls();
    let again = operator.fleet(&world).await.expect("a fleet").up().await.expect("a run");
    assert!(again.nothing_to_do(), "{again:?}");
    let creates = world.playground.cloud.state().count("POST", "/compute/v2.1/servers");
    assert_eq!(creates, 0);
}
