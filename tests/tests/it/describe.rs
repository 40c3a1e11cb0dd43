//! `describe` runs before anybody granted a plugin anything, and has no authority at all.

use bootmachine_plugin::{Engine, Limits, Plugin};
use bootmachine_tests::{Echo, Stage, guests};

/// The component, with the listener's port in the place of the zeros.
fn aimed_at(component: &[u8], echo: &Echo) -> Vec<u8> {
    const ZEROS: &[u8] = b"http://127.0.0.1:00000/early";
    let aim = format!("http://127.0.0.1:{:05}/early", echo.address.port());
    let mut component = component.to_vec();
    let mut aimed = 0;
    for at in 0..component.len() - ZEROS.len() {
        if component[at..].starts_with(ZEROS) {
            component[at..at + ZEROS.len()].copy_from_slice(aim.as_bytes());
            aimed += 1;
        }
    }
    assert!(aimed > 0, "the address is not in the component");
    component
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_sent_in_describe() {
    let echo = Echo::start("").await;
    let component = aimed_at(guests::EARLY, &echo);
    let (stage, provider) = Stage::enter("early.wasm", &component, Limits::default()).await.expect("it loads");
    let manifest = provider.plugin().manifest();
    insta::assert_snapshot!(
        manifest.summary,
        @"ErrorKind::PermissionDenied: `describe` runs with no authority: nothing can be sent yet"
    );
    assert_eq!(echo.heard(), Vec::<String>::new());
    assert_eq!(stage.asked(), Vec::<String>::new());

    // The same request, once it may: it is not for want of trying.
    provider.list_servers(&[]).await.expect("it is granted");
    assert_eq!(stage.asked(), [format!("GET http://127.0.0.1:{:05}/early", echo.address.port())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_of_machines_can_not_be_made_up_in_describe() {
    let engine = Engine::new(None, Limits::default()).expect("an engine");
    let error = Plugin::load(&engine, "forger.wasm", guests::FORGER)
        .await
        .err()
        .expect("it is refused");
    // The functions that it names depend on what the compiler inlines.
    let text = error.to_string();
    let (what, _) = text.split_once(", in `").expect("it says where");
    insta::assert_snapshot!(what, @"plugin `forger.wasm` broke down in `describe`: unknown handle index 1");
}
