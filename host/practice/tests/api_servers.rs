//! The life of a server, as Nova tells it.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod common;

use common::{Lab, quick, settled};
use serde_json::json;

#[tokio::test]
async fn a_server_is_built_shown_and_gone() {
    let lab = Lab::new(quick()).await;
    let _settled = settled();
    let mut body = lab.server("web-1").await;
    body["server"]["metadata"] = json!({ "bootmachine-cluster": "demo" });
    body["server"]["tags"] = json!(["b", "a"]);
    let created = lab.post("/compute/v2.1/servers", body).await;
    insta::assert_snapshot!("created", created.shown());
    let id = created.json()["server"]["id"].as_str().unwrap().to_owned();
    let path = format!("/compute/v2.1/servers/{id}");
    insta::assert_snapshot!("building", lab.get(&path).await.shown());
    insta::assert_snapshot!("active", lab.get(&path).await.shown());

    let gone = lab.delete(&path).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    let leaving = lab.get(&path).await.json();
    assert_eq!(
        (&leaving["server"]["status"], &leaving["server"]["OS-EXT-STS:task_state"]),
        (&json!("ACTIVE"), &json!("deleting"))
    );
    let missing = lab.get(&path).await;
    assert_eq!(missing.nova(), format!("404 itemNotFound: Instance {id} could not be found."));
    assert_eq!(lab.delete(&path).await.status, 404);
    assert!(lab.state.servers().is_empty());
    assert_eq!(lab.state.count("GET", "/compute/v2.1/servers/{id}"), 4);
    assert_eq!(lab.state.count("POST", "/compute/v2.1/servers"), 1);
}
