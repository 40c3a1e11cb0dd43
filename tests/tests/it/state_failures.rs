//! The operator's own directory: a second run at the same time, and a disk that takes nothing.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use bootmachine_practice::{Effect, Rule};
use bootmachine_tests::{Operator, World};

async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    operator.write(&(operator.head(world, None) + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")));
    operator.configure().await;
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_at_the_same_time_is_turned_away() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    // The first is held up at its first look at the cloud.
    let held = world.break_requests(Rule::new("GET", "/servers/detail", Effect::Delay { millis: 3_000 }).times(1));
    let first = operator.fleet(&world).await.unwrap();
    let first = tokio::spawn(async move { first.up().await });
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while world.playground.cloud.state().tally(held).unwrap().done == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the first run never asked");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      another bootmachine is at work on this cluster
      hint: wait for it to end; DIRECTORY/.bootmachine/lock is held by it
    "#);
    let first = first.await.unwrap();
    assert_eq!(bootmachine_tests::shown::run(&first), "shasta: done\ncreated: 1");
    assert_eq!(world.servers(), ["shasta"]);
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_the_intent_nothing_is_made() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let state = operator.path().join(".bootmachine");
    fs_err::create_dir_all(&state).unwrap();
    // Every write to it fails with `No space left on device`.
    symlink("/dev/full", state.join("journal.jsonl")).unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      the journal can not be written: No space left on device (os error 28)
      hint: is the disk full? nothing was created for it
    created: 0
    "#);
    assert_eq!(world.playground.cloud.state().count("POST", "/compute/v2.1/servers"), 0);
    assert!(world.servers().is_empty());
    fs_err::remove_file(state.join("journal.jsonl")).unwrap();
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_can_not_be_made_is_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    // A file stands where the directory belongs: that stops root, too.
    fs_err::write(operator.path().join(".bootmachine"), "").unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    refused
      the state directory can not be used: failed to create directory `DIRECTORY/.bootmachine`: File exists (os error 17)
      hint: DIRECTORY/.bootmachine has to be a directory that can be written to; removing it costs no server: what it holds is also at the provider and on the servers
    "#);
    fs_err::remove_file(operator.path().join(".bootmachine")).unwrap();
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_can_not_be_opened_is_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    fs_err::create_dir_all(operator.path().join(".bootmachine/journal.jsonl")).unwrap();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      the journal can not be opened: Is a directory (os error 21)
      hint: is DIRECTORY/.bootmachine writable, and the disk not full?
    "#);
    assert!(world.servers().is_empty());
    fs_err::remove_dir(operator.path().join(".bootmachine/journal.jsonl")).unwrap();
    operator.assert_mended(&world, &["shasta"]).await;
    let mode = fs_err::metadata(operator.path().join(".bootmachine/journal.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o002, 0, "{mode:o}");
}
