//! The bundled plugins, as they are embedded: what they are, and that they ask for nothing but the contract.

use bootmachine_plugin::{Engine, Limits, bundled};

async fn all() -> Vec<bootmachine_plugin::Plugin> {
    let engine = Engine::new(None, Limits::default()).expect("an engine");
    let mut plugins = Vec::new();
    for plugin in bundled::all() {
        plugins.push(bundled::load(&engine, plugin.name).await.expect("it is bundled").expect("it loads"));
    }
    plugins
}

#[tokio::test]
async fn they_are_what_their_folders_say() {
    let lines: Vec<String> = all()
        .await
        .iter()
        .map(|plugin| format!("{} {} {}", plugin.kind(), plugin.manifest().name, plugin.manifest().version))
        .collect();
    let folders: Vec<&str> = bundled::all().iter().map(|plugin| plugin.name).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    distro arch 0.1.0
    distro debian 0.1.0
    provider existing 0.1.0
    distro fedora 0.1.0
    provider incus 0.1.0
    provider openstack 0.1.0
    cm-tool salt 0.1.0
    distro ubuntu 0.1.0
    ");
    assert_eq!(
        folders,
        ["arch", "debian", "existing", "fedora", "incus", "openstack", "salt", "ubuntu"]
    );
}

#[tokio::test]
async fn they_import_nothing_but_the_contract() {
    for plugin in all().await {
        assert!(!plugin.imports().is_empty());
        for import in plugin.imports() {
            assert!(
                import.starts_with("bootmachine:plugin/"),
                "{} imports {import}",
                plugin.manifest().name
            );
        }
    }
}

#[tokio::test]
async fn a_starter_configuration_stays_in_its_directory() {
    let engine = Engine::new(None, Limits::default()).expect("an engine");
    let plugin = bundled::load(&engine, "salt").await.expect("it is bundled").expect("it loads");
    let files = bootmachine_plugin::cm_tool::CmTool::new(plugin)
        .expect("a cm-tool")
        .starter_files()
        .await
        .expect("files");
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.contains(&"states/top.sls") && paths.contains(&"pillar/top.sls"), "{paths:?}");
}

mod mutated {
    use bootmachine_plugin::bundled;
    use bootmachine_plugin::inspect::inspect;
    use proptest::prelude::*;

    proptest! {
        /// A damaged or forged file is refused or described, and never a panic.
        #[test]
        fn components_never_panic(cut in 0_usize..300_000, changes in prop::collection::vec((0_usize..300_000, any::<u8>()), 0..40)) {
            let mut bytes = bundled::all()[0].bytes.to_vec();
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            drop(inspect(&bytes));
            // Most of what the parser decides stands in the sections at both ends.
            bytes.truncate(cut.min(bytes.len()));
            drop(inspect(&bytes));
        }
    }

    #[test]
    fn what_is_no_plugin_is_told_apart() {
        let core: &[u8] = b"\0asm\x01\0\0\0";
        let component: &[u8] = b"\0asm\x0d\0\x01\0";
        let whole = bundled::all()[0].bytes;
        let reasons: Vec<String> = [b"<html>".as_slice(), core, component, &whole[..whole.len() / 2], b""]
            .iter()
            .map(|bytes| inspect(bytes).map(|_| String::new()).unwrap_or_else(|refusal| refusal.reason))
            .collect();
        insta::assert_snapshot!(reasons.join("\n"), @r"
        it is not a WebAssembly file
        it is a core module, not a component
        it is a component of another world: it exports no `bootmachine:plugin/provider`, `distro` or `cm-tool`
        it is damaged: it ends in the middle
        it is not a WebAssembly file
        ");
    }
}
