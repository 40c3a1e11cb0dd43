//! Servers that are not made, or not made well: each test compares the whole of what the operator is told, mends the cause and runs again.

use bootmachine_practice::{Effect, PracticeOptions, Quotas, Rule, ServerEffect};
use bootmachine_tests::{Operator, World};

/// A configuration of one server of this image and size.
fn wants(operator: &Operator, world: &World, image: &str, size: &str) {
    let server = Operator::server("shasta", "ubuntu", image).replace("m1.small", size);
    operator.write(&(operator.head(world, None) + "[limits]\nboot-timeout = \"1s\"\n" + &server));
}

/// An operator who wants one server without a master, and does not wait long for it.
async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    wants(&operator, world, "Ubuntu 26.04", "m1.small");
    operator.configure().await;
    operator
}

/// The same, who wants two.
async fn two_servers(world: &World) -> Operator {
    let operator = Operator::new(world);
    let servers = [
        Operator::server("fuji", "fedora", "Fedora 44"),
        Operator::server("shasta", "ubuntu", "Ubuntu 26.04"),
    ];
    operator.write(&(operator.head(world, None) + &servers.concat()));
    operator.configure().await;
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_image_costs_nothing_and_is_answered_with_near_names() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    wants(&operator, &world, "Ubuntu 26.4", "m1.small");
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      nothing was created: `shasta`: there is no image `Ubuntu 26.4`
      hint: near names: Ubuntu 26.04, Ubuntu 24.04, Ubuntu 24.04 LTS
    "#);
    assert_eq!(world.playground.cloud.state().count("POST", "/compute/v2.1/servers"), 0);
    wants(&operator, &world, "Ubuntu 26.04", "m1.small");
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_name_that_two_images_have_is_not_guessed() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    wants(&operator, &world, "Ubuntu 24.04 LTS", "m1.small");
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      nothing was created: `shasta`: 2 images are named `Ubuntu 24.04 LTS`: UUID (created TIME), UUID (created TIME)
      hint: name the image by its id
    "#);
    assert!(world.servers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_size_is_answered_with_the_sizes_there_are() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    wants(&operator, &world, "Ubuntu 26.04", "m2.small");
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      nothing was created: `shasta`: there is no size `m2.small`
      hint: near names: m1.small
    "#);
    assert!(world.servers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_that_can_not_be_made_is_named_at_once() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    let servers = [
        Operator::server("fuji", "fedora", "Fedora 45"),
        Operator::server("kailash", "arch", "Arch Linux"),
        Operator::server("shasta", "ubuntu", "Ubuntu 26.04").replace("m1.small", "small"),
    ];
    operator.write(&(operator.head(&world, None) + &servers.concat()));
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      nothing was created: `fuji`: there is no image `Fedora 45`
      `shasta`: there is no size `small`
      hint: fuji: near names: Fedora 43, Fedora 44; shasta: near names: m1.small
    "#);
    assert!(world.servers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_too_small_is_found_before_anything_is_made() {
    let quotas = Quotas {
        instances: 1,
        ..Quotas::default()
    };
    let world = World::with(PracticeOptions {
        quotas,
        ..PracticeOptions::default()
    })
    .await;
    let operator = two_servers(&world).await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      nothing was created: `shasta`: quota exceeded for instances: needs 1, 0 of 1 are left
      hint: destroy what is no longer needed, choose smaller sizes, or ask the cloud's operator for more
    "#);
    assert!(world.servers().is_empty());
    world.playground.cloud.state().with(|cloud| cloud.options.quotas.instances = 2);
    operator.assert_mended(&world, &["fuji", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_somebody_else_used_up_meanwhile_stops_one_server_only() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    let words =
        r#"{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 20 of 20 instances"}}"#;
    let headers = [("Content-Type".to_owned(), "application/json".to_owned())].into();
    world.break_requests(
        Rule::new(
            "POST",
            "/servers$",
            Effect::Answer {
                status: 403,
                headers,
                body: Some(words.to_owned()),
            },
        )
        .after(1),
    );
    let text = operator.up(&world).await;
    // Both are asked for at the same time: which one came too late is chance.
    let (lucky, late) = if text.starts_with("fuji: done") {
        ("fuji", "shasta")
    } else {
        ("shasta", "fuji")
    };
    assert_eq!(world.servers(), [lucky]);
    let (mut lines, mut other) = (text.replace(late, "LATE"), format!("{lucky}: done\n"));
    lines = lines.replace(&other, "");
    other.clear();
    insta::assert_snapshot!(lines + &other, @r#"
    LATE: failed at boot
      compute service: Quota exceeded for instances: Requested 1, but already used 20 of 20 instances (HTTP 403)
      hint: destroy what is no longer needed, choose smaller sizes, or ask the cloud's operator for more
    created: 1
    "#);
    world.mend();
    operator.assert_mended(&world, &["fuji", "shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_to_error_is_named_with_its_fault() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.break_servers(
        "shasta",
        ServerEffect::Error {
            message: "No valid host was found. There are not enough hosts available.".into(),
            code: 500,
        },
    );
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      ERROR: No valid host was found. There are not enough hosts available
      hint: `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew
    created: 1
    "#);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      ERROR: No valid host was found. There are not enough hosts available
      hint: `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew
    created: 0
    "#);
    world.mend();
    operator.destroy(&world, "shasta").await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_in_build_is_waited_for_as_long_as_configured() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.break_servers("shasta", ServerEffect::StayInBuild);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      after 1 s it is still waiting for the provider: BUILD (spawning)
      hint: `bootmachine up` goes on waiting; `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew; `[limits] boot-timeout` sets how long to wait
    created: 1
    "#);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      after 1 s it is still waiting for the provider: BUILD (spawning)
      hint: `bootmachine up` goes on waiting; `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew; `[limits] boot-timeout` sets how long to wait
    created: 0
    "#);
    assert_eq!(world.servers(), ["shasta"], "the second run waits for the server of the first");
    world.mend();
    operator.destroy(&world, "shasta").await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_an_address_is_named() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    world.break_servers("shasta", ServerEffect::NoAddress);
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      after 1 s it is still waiting for an address
      hint: `bootmachine up` goes on waiting; `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew; `[limits] boot-timeout` sets how long to wait
    created: 1
    "#);
    // It is waited for where its address shows, and not knocked at where it has none.
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      after 1 s it is still waiting for an address
      hint: `bootmachine up` goes on waiting; `bootmachine destroy shasta` removes it; then `bootmachine up` makes it anew; `[limits] boot-timeout` sets how long to wait
    created: 0
    "#);
    world.mend();
    operator.destroy(&world, "shasta").await;
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_of_one_name_are_touched_by_nobody() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    operator.assert_mended(&world, &["shasta"]).await;
    // Somebody copied it at the provider, labels and all.
    world.playground.cloud.state().with(|cloud| {
        let mut copy = cloud.servers[0].clone();
        copy.id = "00000000-0000-4000-8000-000000000000".into();
        cloud.servers.push(copy);
    });
    world.playground.cloud.state().forget_calls();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at boot
      2 servers carry this name: practice/UUID, practice/UUID
      hint: look which one is the right one, and remove the other at the provider; bootmachine touches neither
    created: 0
    "#);
    let calls = world.playground.cloud.state().calls();
    let changes: Vec<&String> = calls
        .keys()
        .filter(|call| !call.starts_with("GET") && !call.contains("/auth/tokens"))
        .collect();
    assert!(changes.is_empty(), "{changes:?}");
    world.playground.cloud.state().with(|cloud| cloud.servers.truncate(1));
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_asks_for_any_more_is_named_and_kept() {
    let world = World::start().await;
    let operator = two_servers(&world).await;
    operator.assert_mended(&world, &["fuji", "shasta"]).await;
    operator.write(&(operator.head(&world, None) + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    orphan: fuji (practice/UUID)
    created: 0
    "#);
    assert_eq!(world.servers(), ["fuji", "shasta"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_distribution_is_refused() {
    let world = World::start().await;
    let operator = Operator::new(&world);
    operator.write(&(operator.head(&world, None) + &Operator::server("shasta", "ubuntu", "Debian 13")));
    operator.configure().await;
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: failed at bootstrap
      the image `Debian 13` runs Debian GNU/Linux 13 (trixie), and the configuration says `ubuntu`
      hint: change `distro` or `image` of `shasta`; `bootmachine images` lists the images
    created: 1
    "#);
    operator.write(&(operator.head(&world, None) + &Operator::server("shasta", "debian", "Debian 13")));
    operator.assert_mended(&world, &["shasta"]).await;
}
