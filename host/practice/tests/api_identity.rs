//! Logging in, tokens and what becomes of them.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use std::time::Duration;

use bootmachine_practice::{PracticeOptions, Profile};
use common::{Lab, quick, settled};
use serde_json::{Value, json};

const TOKENS: &str = "/identity/v3/auth/tokens";

#[tokio::test]
async fn versions_are_discovered_without_a_token() {
    let mut lab = Lab::new(quick()).await;
    let _settled = settled();
    lab.token.clear();
    lab.version.clear();
    insta::assert_snapshot!("identity_versions", lab.get("/identity").await.shown());
    insta::assert_snapshot!("identity_v3", lab.get("/identity/v3").await.shown());
    insta::assert_snapshot!("compute_versions", lab.get("/compute/").await.shown());
    insta::assert_snapshot!("compute_v21", lab.get("/compute/v2.1/").await.shown());
    insta::assert_snapshot!("network_versions", lab.get("/network/").await.shown());
    assert_eq!(lab.get("/image").await.status, 300);
}

#[tokio::test]
async fn a_password_gives_a_token_with_the_catalogue() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let user = lab.practice.credentials();
    let by_id = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": { "id": user.user_id, "password": user.password } } },
        "scope": { "project": { "id": user.project_id } },
    } });
    insta::assert_snapshot!("password_token", lab.post(TOKENS, by_id).await.shown());
}

#[tokio::test]
async fn an_application_credential_is_as_good() {
    let mut lab = Lab::new(quick()).await;
    let user = lab.practice.credentials();
    let by_id = json!({ "id": user.app_credential_id, "secret": user.app_credential_secret });
    let by_name = json!({
        "name": user.app_credential_name, "secret": user.app_credential_secret,
        "user": { "name": user.user_name, "domain": { "id": "default" } },
    });
    for credential in [by_id, by_name] {
        let got = lab
            .post(
                TOKENS,
                json!({ "auth": { "identity": { "methods": ["application_credential"], "application_credential": credential } } }),
            )
            .await;
        assert_eq!(got.status, 201, "{}", got.text);
        let token = &got.json()["token"];
        assert_eq!(
            token["application_credential"],
            json!({ "id": user.app_credential_id, "name": "bootmachine", "restricted": true })
        );
        assert_eq!(token["catalog"].as_array().unwrap().len(), 4);
        lab.token = got.header("x-subject-token");
        assert_eq!(lab.get("/compute/v2.1/servers").await.status, 200);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_not_told() {
    let mut lab = Lab::new(quick()).await;
    let _settled = settled();
    lab.token.clear();
    let user = lab.practice.credentials();
    let login = |user: Value| json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": user } } } });
    let domain = json!({ "name": "Default" });
    let wrong = lab
        .post(
            TOKENS,
            login(json!({ "name": user.user_name, "domain": domain, "password": "wrong" })),
        )
        .await;
    insta::assert_snapshot!(wrong.shown(), @r#"
    401
    www-authenticate: Keystone uri="http://CLOUD/identity/v3"
    {
      "error": {
        "code": 401,
        "message": "The request you have made requires authentication.",
        "title": "Unauthorized"
      }
    }
    "#);
    let nobody = lab
        .post(
            TOKENS,
            login(json!({ "name": "nobody", "domain": domain, "password": user.password })),
        )
        .await;
    assert_eq!(nobody.shown(), wrong.shown());
    let elsewhere = lab
        .post(
            TOKENS,
            login(json!({ "name": user.user_name, "domain": { "name": "Other" }, "password": user.password })),
        )
        .await;
    assert_eq!(elsewhere.shown(), wrong.shown());
    let unnamed = lab.post(TOKENS, login(json!({ "password": user.password }))).await;
    assert_eq!(
        unnamed.json()["error"]["message"],
        "Invalid input for field identity/password/user: id or name must be present."
    );
    assert_eq!(lab.post(TOKENS, json!({})).await.status, 400);
}

#[tokio::test]
async fn an_unscoped_token_opens_nothing_until_it_is_exchanged() {
    let mut lab = Lab::new(quick()).await;
    let user = lab.practice.credentials();
    let unscoped = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": { "id": user.user_id, "password": user.password } } },
        "scope": "unscoped",
    } });
    let got = lab.post(TOKENS, unscoped).await;
    assert!(got.json()["token"].get("catalog").is_none());
    lab.token = got.header("x-subject-token");
    assert_eq!(lab.get("/compute/v2.1/servers").await.status, 401);
    let exchange = json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": lab.token } },
        "scope": { "project": { "id": user.project_id } },
    } });
    let scoped = lab.post(TOKENS, exchange).await;
    assert_eq!(scoped.json()["token"]["methods"], json!(["token", "password"]));
    assert_eq!(
        scoped.json()["token"]["expires_at"],
        got.json()["token"]["expires_at"],
        "it lives no longer than what it was made from"
    );
    lab.token = scoped.header("x-subject-token");
    assert_eq!(lab.get("/compute/v2.1/servers").await.status, 200);
}

#[tokio::test]
async fn tokens_expire_and_are_revoked() {
    let mut lab = Lab::new(PracticeOptions {
        token_life: Duration::from_mins(10),
        ..quick()
    })
    .await;
    let _settled = settled();
    lab.state.advance(Duration::from_secs(599));
    assert_eq!(lab.get("/network/v2.0/ports").await.status, 200);
    lab.state.advance(Duration::from_secs(2));
    for path in ["/compute/v2.1/servers", "/network/v2.0/ports", "/image/v2/images"] {
        let got = lab.get(path).await;
        assert_eq!(
            (got.status, got.header("www-authenticate")),
            (401, format!("Keystone uri=\"{}/identity\"", lab.practice.endpoint())),
            "{path}"
        );
    }
    lab.log_in().await;
    assert_eq!(lab.get("/compute/v2.1/servers").await.status, 200);
    lab.state.revoke_tokens();
    assert_eq!(lab.get("/compute/v2.1/servers").await.status, 401);
}

#[tokio::test]
async fn rackspace_has_its_own_login_catalogue_and_paths() {
    let mut lab = Lab::new(PracticeOptions {
        profile: Profile::Rackspace,
        ..quick()
    })
    .await;
    let _settled = settled();
    let user = lab.practice.credentials();
    let login = |key: &str| json!({ "auth": { "RAX-KSKEY:apiKeyCredentials": { "username": user.user_name, "apiKey": key } } });
    let got = lab.post("/identity/v2.0/tokens", login(&user.api_key)).await;
    insta::assert_snapshot!("rackspace_token", got.shown());
    assert_eq!(lab.post("/identity/v2.0/tokens", login("wrong")).await.status, 401);
    lab.token = got.json()["access"]["token"]["id"].as_str().unwrap().to_owned();
    // The API of before microversions does not mind what it does not know.
    let body = json!({ "server": { "name": "web", "imageRef": lab.image("Debian 13").await, "flavorRef": "2", "unknown": 1 } });
    let made = lab.post("/compute/v2/915177/servers", body).await;
    assert_eq!((made.status, made.header("openstack-api-version")), (202, String::new()));
    let id = made.json()["server"]["id"].as_str().unwrap().to_owned();
    let server = lab.until(&id, "ACTIVE").await;
    let networks: Vec<&String> = server["addresses"].as_object().unwrap().keys().collect();
    assert_eq!(networks, ["public", "private"]);
    let other = lab.get("/compute/v2/123/servers").await;
    assert_eq!(
        other.nova(),
        "400 badRequest: Malformed request URL: URL's project_id '123' doesn't match Context's project_id '915177'"
    );
}
