//! What a cloud may do when it is asked for anything at all: each test compares the whole of what the operator is told.

use std::time::Duration;

use bootmachine_practice::{Effect, Rule};
use bootmachine_tests::{Operator, World};

const CREATE: &str = "/compute/v2.1/servers";

/// An operator who wants one server without a master.
async fn one_server(world: &World) -> Operator {
    let operator = Operator::new(world);
    operator.write(&(operator.head(world, None) + &Operator::server("shasta", "ubuntu", "Ubuntu 26.04")));
    operator.configure().await;
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_the_providers_word_and_names_where_it_came_from() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    insta::assert_snapshot!(operator.up_with(&world, "hunter2").await, @r#"
    up
      provider `practice`: identity service: The request you have made requires authentication (HTTP 401)
      hint: check `username`, `user-domain-name`, `password`, `project-name` and `project-domain-name`
    "#);
    assert!(world.servers().is_empty());
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_asks_to_wait_is_waited_for_and_the_wait_is_told() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let busy = |status: u16| Effect::Answer {
        status,
        headers: [("Retry-After".to_owned(), "1".to_owned())].into(),
        body: None,
    };
    let create = world.break_requests(Rule::new("POST", "/servers$", busy(429)).times(1));
    let list = world.break_requests(Rule::new("GET", "/servers/detail", busy(429)).times(1));
    let begun = std::time::Instant::now();
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 1
    "#);
    assert!(begun.elapsed() >= Duration::from_secs(2), "two answers asked for a second each");
    insta::assert_snapshot!(operator.told(&world), @r#"shasta: compute service: This request was rate-limited (HTTP 429)"#);
    let waits: Vec<String> = operator
        .events
        .steps()
        .into_iter()
        .filter(|step| step.contains("waiting 1"))
        .collect();
    assert!(!waits.is_empty(), "{:#?}", operator.events.steps());
    for rule in [create, list] {
        assert_eq!(world.playground.cloud.state().tally(rule).unwrap().done, 1);
    }
    assert_eq!(world.servers(), ["shasta"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_named_with_what_it_said() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let body = Some("<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>".to_owned());
    world.break_requests(Rule::new(
        "GET",
        "/servers/detail",
        Effect::Answer {
            status: 503,
            headers: [].into(),
            body,
        },
    ));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      provider `practice`: compute service: 503 Service Unavailable No server is available to handle this request (HTTP 503)
      hint: it was tried 5 times; `bootmachine up` tries again and continues from here
    "#);
    world.mend();
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_in_the_middle_are_renewed() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let revoked = world.break_requests(Rule::new("GET", "/servers/detail", Effect::Revoke).after(1).times(1));
    let at_create = world.break_requests(Rule::new("POST", "/servers$", Effect::Revoke).times(1));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 1
    "#);
    assert_eq!(world.playground.cloud.state().tally(revoked).unwrap().done, 1);
    assert_eq!(world.playground.cloud.state().tally(at_create).unwrap().done, 1);
    assert_eq!(operator.told(&world), "");
    assert_eq!(world.servers(), ["shasta"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let away = Effect::Answer {
        status: 302,
        headers: [("Location".to_owned(), "https://elsewhere.example/v3/auth/tokens".to_owned())].into(),
        body: None,
    };
    world.break_requests(Rule::new("POST", "/auth/tokens", away.clone()));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      provider `practice`: identity service redirects POST http://CLOUD/identity/v3/auth/tokens to https://elsewhere.example/v3/auth/tokens (HTTP 302), which is not followed
      hint: is `auth-url` the address that the cloud's operator names, https and without a proxy's login page in between?
    "#);
    world.mend();
    world.break_requests(Rule::new("GET", "/servers/detail", away));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      provider `practice`: compute service redirects GET http://CLOUD/compute/v2.1/servers/detail to https://elsewhere.example/v3/auth/tokens (HTTP 302), which is not followed
      hint: is `auth-url` the address that the cloud's operator names, https and without a proxy's login page in between?
    "#);
    world.mend();
    operator.assert_mended(&world, &["shasta"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_leads_elsewhere_is_refused_with_the_line_that_would_allow_it() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let endpoint = |id: &str, url: &str| serde_json::json!({ "id": id, "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url });
    let service = |kind: &str, name: &str, url: &str| serde_json::json!({ "type": kind, "id": kind, "name": name, "endpoints": [endpoint(kind, url)] });
    let token = serde_json::json!({ "token": {
        "methods": ["password"],
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "expires_at": "2036-01-01T00:00:00.000000Z",
        "user": { "id": "u", "name": "u", "domain": { "id": "default", "name": "Default" } },
        "project": { "id": "p", "name": "p", "domain": { "id": "default", "name": "Default" } },
        "catalog": [
            service("compute", "nova", "https://elsewhere.example/compute/v2.1"),
            service("image", "glance", "https://elsewhere.example/image"),
            service("network", "neutron", "https://elsewhere.example:9696"),
        ],
    }});
    let headers = [
        ("X-Subject-Token".to_owned(), "gAAAA-practice".to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ]
    .into();
    world.break_requests(Rule::new(
        "POST",
        "/auth/tokens",
        Effect::Answer {
            status: 201,
            headers,
            body: Some(token.to_string()),
        },
    ));
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    up
      provider `practice`: plugin `openstack` asks for https://elsewhere.example (the compute, image and network endpoints of the cloud's service catalogue), which was not granted
      hint: add allow = ["https://elsewhere.example"] to [providers.practice] in bootmachine.toml
    "#);
    let asked: Vec<String> = world
        .playground
        .cloud
        .state()
        .call_log()
        .into_iter()
        .map(|call| call.route)
        .filter(|route| !route.starts_with("/identity"))
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_off_makes_no_second_server() {
    for effect in [Effect::DropAfter, Effect::Truncate, Effect::Garbage, Effect::Drop] {
        let world = World::start().await;
        let operator = one_server(&world).await;
        let rule = world.break_requests(Rule::new("POST", "/servers$", effect.clone()).times(1));
        let text = operator.up(&world).await;
        assert_eq!(
            text,
            "shasta: done\ncreated: 1",
            "{effect:?}\n{}",
            operator.events.lines().join("\n")
        );
        assert_eq!(world.playground.cloud.state().tally(rule).unwrap().done, 1, "{effect:?}");
        assert_eq!(world.servers(), ["shasta"], "{effect:?}");
        let asked = world.playground.cloud.state().count("POST", CREATE);
        assert_eq!(asked, if matches!(effect, Effect::Drop) { 2 } else { 1 }, "{effect:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_answer_after_the_server_was_made_adopts_it() {
    let world = World::start().await;
    let operator = one_server(&world).await;
    let rule = world.break_requests(
        Rule::new(
            "POST",
            "/servers$",
            Effect::AnswerAfter {
                status: 503,
                headers: [].into(),
                body: None,
            },
        )
        .times(1),
    );
    insta::assert_snapshot!(operator.up(&world).await, @r#"
    shasta: done
    created: 1
    "#);
    assert_eq!(world.playground.cloud.state().tally(rule).unwrap().done, 1);
    assert_eq!(
        world.playground.cloud.state().count("POST", CREATE),
        1,
        "it was looked for, and not asked for again"
    );
    assert_eq!(world.servers(), ["shasta"]);
}
