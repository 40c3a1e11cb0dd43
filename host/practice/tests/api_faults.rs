//! Breaking the cloud: every effect does what it says, as often as it was told.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use bootmachine_practice::{Effect, PracticeOptions, RateLimit, Rule, ServerEffect, ServerRule};
use common::{Lab, quick, settled};
use reqwest::Method;
use serde_json::json;

const SERVERS: &str = "/compute/v2.1/servers";

fn headers(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn break_it(lab: &Lab, rule: Rule) -> u64 {
    lab.state.faults(|faults| faults.add(rule)).unwrap()
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let rule = break_it(
        &lab,
        Rule::new(
            "GET",
            "/servers$",
            Effect::Answer {
                status: 429,
                headers: headers("Retry-After", "3"),
                body: None,
            },
        )
        .times(1),
    );
    insta::assert_snapshot!(lab.get(SERVERS).await.shown(), @r#"
    429
    retry-after: 3
    {
      "overLimit": {
        "code": 429,
        "message": "This request was rate-limited."
      }
    }
    "#);
    assert_eq!(lab.get(SERVERS).await.status, 200);
    let tally = lab.state.tally(rule).unwrap();
    assert_eq!((tally.matched, tally.done), (2, 1));
}

#[tokio::test]
async fn a_server_is_made_and_nobody_is_told() {
    let lab = Lab::new(quick()).await;
    let body = lab.server("web").await;
    break_it(
        &lab,
        Rule::new(
            "POST",
            "/servers$",
            Effect::AnswerAfter {
                status: 503,
                headers: BTreeMap::new(),
                body: None,
            },
        )
        .times(1),
    );
    assert_eq!(
        lab.post(SERVERS, body.clone()).await.nova(),
        "503 serviceUnavailable: The server is currently unavailable. Please try again at a later time."
    );
    assert_eq!(lab.state.servers().len(), 1);
    break_it(&lab, Rule::new("POST", "/servers$", Effect::DropAfter).times(1));
    assert!(lab.try_send(Method::POST, SERVERS, Some(body.clone())).await.is_err());
    assert_eq!(lab.state.servers().len(), 2);
    break_it(&lab, Rule::new("POST", "/servers$", Effect::Drop).times(1));
    assert!(lab.try_send(Method::POST, SERVERS, Some(body)).await.is_err());
    assert_eq!(lab.state.servers().len(), 2, "this one was not carried out");
}

#[tokio::test]
async fn bodies_are_garbled_and_cut() {
    let lab = Lab::new(quick()).await;
    break_it(&lab, Rule::new("GET", "/flavors/detail", Effect::Garbage).times(1));
    let garbage = lab.get("/compute/v2.1/flavors/detail").await;
    assert_eq!(garbage.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&garbage.text).is_err());
    break_it(&lab, Rule::new("GET", "/flavors/detail", Effect::Truncate).times(1));
    assert!(lab.try_send(Method::GET, "/compute/v2.1/flavors/detail", None).await.is_err());
    assert_eq!(
        lab.get("/compute/v2.1/flavors/detail").await.json()["flavors"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
}

#[tokio::test]
async fn a_token_is_revoked_in_the_middle() {
    let mut lab = Lab::new(quick()).await;
    break_it(&lab, Rule::new("GET", "/servers$", Effect::Revoke).after(1).times(1));
    let statuses = [
        lab.get(SERVERS).await.status,
        lab.get(SERVERS).await.status,
        lab.get(SERVERS).await.status,
    ];
    assert_eq!(statuses, [200, 401, 401]);
    lab.log_in().await;
    assert_eq!(lab.get(SERVERS).await.status, 200);
}

#[tokio::test]
async fn a_request_is_echoed_and_delayed() {
    let lab = Lab::new(quick()).await;
    break_it(&lab, Rule::new("POST", "/echo", Effect::Delay { millis: 30 }));
    break_it(&lab, Rule::new("POST", "/echo", Effect::Echo));
    let before = std::time::Instant::now();
    let echo = lab.post("/compute/v2.1/echo?a=b", json!({ "secret": "s" })).await.json();
    assert!(before.elapsed() >= Duration::from_millis(30));
    assert_eq!(
        (&echo["method"], &echo["query"], &echo["body"]),
        (&json!("POST"), &json!("a=b"), &json!("{\"secret\":\"s\"}"))
    );
    assert_eq!(echo["headers"]["x-auth-token"], lab.token);
}

#[tokio::test]
async fn servers_fail_in_every_way() {
    let mut lab = Lab::new(quick()).await;
    let _settled = settled();
    let rule = |name: &str, effect| ServerRule {
        name: name.into(),
        after: 0,
        times: Some(1),
        effect,
    };
    let effects = [
        ("stuck", ServerEffect::StayInBuild),
        (
            "failed",
            ServerEffect::Error {
                message: "No valid host was found. ".into(),
                code: 500,
            },
        ),
        ("lonely", ServerEffect::NoAddress),
        ("eternal", ServerEffect::Undeletable),
    ];
    for (name, effect) in effects {
        lab.state.faults(|f| f.add_server(rule(name, effect))).unwrap();
    }
    let stuck = lab.boot("stuck").await;
    for _ in 0..5 {
        assert_eq!(lab.get(&format!("{SERVERS}/{stuck}")).await.json()["server"]["status"], "BUILD");
    }
    lab.state.advance(Duration::from_hours(24));
    lab.log_in().await;
    assert_eq!(lab.get(&format!("{SERVERS}/{stuck}")).await.json()["server"]["status"], "BUILD");
    let failed = lab.boot("failed").await;
    let server = lab.until(&failed, "ERROR").await;
    insta::assert_snapshot!(serde_json::to_string(&server["fault"]).unwrap(), @r#"{"code":500,"created":"TIME","message":"No valid host was found. "}"#);
    let lonely = lab.boot("lonely").await;
    assert_eq!(lab.until(&lonely, "ACTIVE").await["addresses"], json!({}));
    let eternal = lab.boot("eternal").await;
    lab.until(&eternal, "ACTIVE").await;
    assert_eq!(lab.delete(&format!("{SERVERS}/{eternal}")).await.status, 204);
    lab.until(&eternal, "ERROR").await;
    let fine = lab.boot("failed").await;
    lab.until(&fine, "ACTIVE").await;
}

#[tokio::test]
async fn a_limit_on_requests_holds_and_time_lifts_it() {
    let lab = Lab::new(PracticeOptions {
        rate_limit: Some(RateLimit { per_second: 1, burst: 3 }),
        ..quick()
    })
    .await;
    let statuses = [lab.get(SERVERS).await.status, lab.get(SERVERS).await.status];
    assert_eq!(statuses, [200, 200], "the login was the first");
    let refused = lab.get(SERVERS).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1".into()));
    lab.state.advance(Duration::from_secs(1));
    assert_eq!(lab.get(SERVERS).await.status, 200);
}

#[tokio::test]
async fn the_control_api_does_the_same() {
    let lab = Lab::new(quick()).await;
    lab.state.forget_calls();
    let rule = json!({ "method": "GET", "path": "/servers$", "times": 1, "effect": { "do": "answer", "status": 503 } });
    let number = lab.post("/practice/faults", rule).await.json()["number"].as_u64().unwrap();
    assert_eq!([lab.get(SERVERS).await.status, lab.get(SERVERS).await.status], [503, 200]);
    let listed = lab.get("/practice/faults").await.json();
    assert_eq!(listed["faults"][0]["tally"], json!({ "matched": 2, "done": 1 }));
    assert_eq!(lab.delete(&format!("/practice/faults/{number}")).await.status, 204);
    assert_eq!(lab.delete(&format!("/practice/faults/{number}")).await.status, 404);
    let bad = lab
        .post("/practice/faults", json!({ "path": "(", "effect": { "do": "drop" } }))
        .await;
    assert!(bad.status == 400 && bad.text.contains("unclosed group"), "{}", bad.text);
    assert_eq!(
        lab.post("/practice/faults", json!({ "path": "x", "effect": { "do": "explode" } }))
            .await
            .status,
        400
    );
    let server_rule = json!({ "name": "^web", "times": 1, "effect": { "do": "error", "message": "No valid host was found. " } });
    assert_eq!(lab.post("/practice/server-faults", server_rule).await.status, 201);
    let id = lab.boot("web-1").await;
    lab.until(&id, "ERROR").await;
    assert_eq!(lab.get("/practice/calls").await.json()["counts"]["GET /compute/v2.1/servers"], 2);
    lab.post("/practice/clock", json!({ "advance-seconds": 7200 })).await;
    assert_eq!(lab.get(SERVERS).await.status, 401, "the token expired");
    assert_eq!(lab.get("/practice").await.json()["password"], "practice-password");
}

#[tokio::test]
async fn the_cloud_ends_when_it_is_told_to() {
    let lab = Lab::new(quick()).await;
    let endpoint = lab.practice.endpoint();
    lab.practice.shutdown().await;
    assert!(lab.client.get(format!("{endpoint}/practice")).send().await.is_err());
}
