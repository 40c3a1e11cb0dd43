//! What the plugin says of itself.

use bootmachine_sdk::Plugin;
use bootmachine_sdk::manifest::SettingSource;
use openstack::OpenStack;
use std::fmt::Write as _;

#[test]
fn the_whole_manifest() {
    let manifest = OpenStack::describe();
    let mut text = format!("{} {:?} {}\n", manifest.name, manifest.kind, manifest.summary);
    for origin in &manifest.origins {
        let _ = writeln!(text, "origin {} - {}", origin.pattern, origin.reason);
    }
    let _ = writeln!(text, "secret headers {:?}", manifest.secret_headers);
    for setting in &manifest.settings {
        let marks = [(setting.required, " required"), (setting.secret, " secret")]
            .map(|(is, mark)| if is { mark } else { "" })
            .concat();
        let _ = writeln!(
            text,
            "\n{}{marks} {:?} default={:?} - {}",
            setting.name, setting.format, setting.default, setting.summary
        );
        for source in &setting.sources {
            let _ = match source {
                SettingSource::Env(name) => writeln!(text, "  ${name}"),
                SettingSource::File(file) => writeln!(text, "  {} in {}", file.pointer, file.paths.join(" ")),
            };
        }
    }
    insta::assert_snapshot!(text);
}

/// A secret without a binding would go wherever a URL of the settings leads.
#[test]
fn secrets_are_bound_to_the_identity_service() {
    let manifest = OpenStack::describe();
    let secrets: Vec<_> = manifest.settings.iter().filter(|setting| setting.secret).collect();
    assert_eq!(secrets.len(), 4);
    assert!(secrets.iter().all(|setting| setting.secret_origins == ["{auth-url}"]));
}
