//! A provider that breaks down while it makes servers: what was made all the same is taken over, and nothing is asked for without an end.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use bootmachine_tests::{Operator, World, guests, shown};
use serde_json::Value;

/// A service that keeps what it is sent.
#[derive(Clone, Default)]
struct Memory {
    servers: Arc<Mutex<Vec<Value>>>,
    checks: Arc<Mutex<Vec<Value>>>,
}

impl Memory {
    /// Serves it on a port of its own for as long as the test runs.
    async fn serve(&self) -> String {
        let keep = |list: fn(&Self) -> &Arc<Mutex<Vec<Value>>>| {
            post(move |State(memory): State<Self>, Json(value): Json<Value>| async move {
                list(&memory).lock().expect("unpoisoned").push(value);
                Json(Value::Null)
            })
        };
        let tell = get(|State(memory): State<Self>| async move { Json(memory.servers.lock().expect("unpoisoned").clone()) });
        let router = Router::new()
            .route("/servers", tell.merge(keep(|memory| &memory.servers)))
            .route("/checks", keep(|memory| &memory.checks))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        format!("http://{address}")
    }

    fn names(&self) -> Vec<String> {
        let servers = self.servers.lock().expect("unpoisoned");
        servers
            .iter()
            .map(|server| server["name"].as_str().expect("a name").to_owned())
            .collect()
    }
}

struct Scene {
    world: World,
    operator: Operator,
    memory: Memory,
}

impl Scene {
    /// An operator whose servers each meet with a mishap.
    async fn set(servers: &[(&str, &str)]) -> Self {
        let world = World::start().await;
        let operator = Operator::new(&world);
        let memory = Memory::default();
        let endpoint = memory.serve().await;
        let head = operator.head(&world, None);
        let (head, _) = head.split_once("[providers.practice]").expect("the head names a provider");
        let mut text = format!("{head}[providers.clumsy]\nplugin = \"./clumsy.wasm\"\nendpoint = \"{endpoint}\"\n");
        for (name, mishap) in servers {
            text += &format!("[[servers]]\nname = \"{name}\"\ndistro = \"arch\"\noptions = {{ mishap = \"{mishap}\" }}\n");
        }
        fs_err::write(operator.path().join("clumsy.wasm"), guests::CLUMSY).expect("a file");
        operator.write(&text);
        operator.configure().await;
        Self { world, operator, memory }
    }

    /// Runs `up`: how it ended, what was said on the way, and what stands in the journal.
    async fn up(&self) -> String {
        let ended = self.operator.up(&self.world).await;
        let journal = fs_err::read_to_string(self.operator.path().join(".bootmachine/journal.jsonl")).expect("a journal");
        let mut journal: Vec<String> = journal
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", text("what"), text("server"), text("reason"))
                    .trim_end()
                    .to_owned()
            })
            .collect();
        // Which of them fails first is up to chance.
        let is_failure = |line: &String| line.starts_with("failed ");
        for failures in journal.chunk_by_mut(|one, next| is_failure(one) && is_failure(next)) {
            failures.sort();
        }
        let told = self.operator.told(&self.world);
        let text = shown::steady(&self.world, &self.operator, &format!("{ended}\n{told}\n{}", journal.join("\n")));
        // The functions that a trap names depend on what the compiler inlines.
        let frames = regex::Regex::new(r", in `[^\n]*?`(;|\n|$)").expect("a pattern");
        frames.replace_all(&text, ", in [functions]$1").into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_a_breakdown_is_taken_over() {
    let scene = Scene::set(&[("web-1", "after"), ("web-2", "")]).await;
    insta::assert_snapshot!("made_before_a_breakdown", scene.up().await);
    // `web-1` was there when it was looked for, and only `web-2` asked for again.
    assert_eq!(scene.memory.names(), ["web-1", "web-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakdown_is_tried_again_once() {
    let scene = Scene::set(&[("web-1", "before")]).await;
    let text = scene.up().await;
    assert_eq!(text.matches("will-create web-1").count(), 2, "{text}");
    insta::assert_snapshot!("a_breakdown_each_time", text);
    assert!(scene.memory.names().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_in_spite_of_a_failure_is_taken_over() {
    let scene = Scene::set(&[("web-1", "failed after")]).await;
    let text = scene.up().await;
    assert_eq!(text.matches("will-create web-1").count(), 1, "{text}");
    insta::assert_snapshot!("made_in_spite_of_a_failure", text);
    assert_eq!(scene.memory.names(), ["web-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_exist_are_not_checked() {
    let scene = Scene::set(&[("web-1", ""), ("web-2", ""), ("web-3", "")]).await;
    let cluster = serde_json::json!(["bootmachine-cluster", "test"]);
    let server = serde_json::json!({ "name": "web-2", "labels": [cluster, ["bootmachine-server", "web-2"]] });
    scene.memory.servers.lock().expect("unpoisoned").push(server);
    let fleet = scene.operator.fleet(&scene.world).await.expect("a fleet");
    assert!(
        fleet
            .check_what_is_missing(&["clumsy".to_owned()])
            .await
            .expect("an answer")
            .is_empty()
    );
    // Together, in one call.
    let checks = scene.memory.checks.lock().expect("unpoisoned").clone();
    assert_eq!(checks, [serde_json::json!(["web-1", "web-3"])]);
}
