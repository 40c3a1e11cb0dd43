//! `gpg`, as far as keys of package repositories need it: looking at key files, taking armour off and putting it on, listing a keyring.

use super::{has, options_with, value};
use crate::machine::model::openpgp::{self, Key};
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "gpg" | "gpg2" => gpg,
        _ => return None,
    })
}

/// The records of `--with-colons` (doc/DETAILS in GnuPG's sources) for one key. `validity` is empty, or `f` where the key is trusted.
pub(super) fn colons(key: &Key, validity: &str) -> String {
    let Key {
        fingerprint,
        created,
        algorithm,
        bits,
        names,
        ..
    } = key;
    let mut text = format!(
        "pub:{validity}:{bits}:{algorithm}:{}:{created}:::-:::scSC::::::23::0:\nfpr:::::::::{fingerprint}:\n",
        key.id()
    );
    for name in names {
        text.push_str(&format!(
            "uid:{validity}::::{created}::::{}::::::::::0:\n",
            name.replace(':', "\\x3a")
        ));
    }
    text
}

/// The listing for people.
pub(super) fn listing(key: &Key, validity: &str) -> String {
    let made = jiff::Timestamp::from_second(i64::from(key.created))
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default();
    let kind = if key.algorithm == 1 {
        format!("rsa{}", key.bits)
    } else {
        "ed25519".to_owned()
    };
    let mut text = format!("pub   {kind} {made} [SC]\n      {}\n", key.fingerprint);
    for name in &key.names {
        let shown = match validity {
            "f" => "[  full  ] ",
            "-" => "[ unknown] ",
            _ => "          ",
        };
        text.push_str(&format!("uid           {shown}{name}\n"));
    }
    text + "\n"
}

/// The keys of a keyring directory, each with its validity, `f` or `-`.
pub(super) fn keyring(ctx: &Exec, directory: &str) -> Option<Vec<(Key, &'static str)>> {
    let ring = ctx.read_file(&format!("{directory}/pubring.gpg")).ok()?;
    let trusted = ctx.read_file(&format!("{directory}/trustdb.gpg")).unwrap_or_default();
    let trusted = String::from_utf8_lossy(&trusted).into_owned();
    let keys = if ring.is_empty() { Vec::new() } else { openpgp::keys(&ring)? };
    Some(
        keys.into_iter()
            .map(|key| {
                let validity = if trusted.lines().any(|line| line == key.fingerprint) {
                    "f"
                } else {
                    "-"
                };
                (key, validity)
            })
            .collect(),
    )
}

fn gpg(ctx: &mut Exec) -> i32 {
    let (flags, mut operands) = options_with(
        &ctx.args(),
        "o",
        &["--homedir", "--output", "--keyring", "--status-fd", "--logger-fd"],
    );
    let colon = has(&flags, &["--with-colons"]);
    if has(&flags, &["--list-keys", "-k", "k"]) {
        let directory = value(&flags, &["--homedir"]).map_or_else(
            || format!("{}/.gnupg", ctx.env.get("HOME").cloned().unwrap_or_else(|| "/root".into())),
            str::to_owned,
        );
        let keys = keyring(ctx, &directory).unwrap_or_default();
        let wanted = |key: &Key| {
            operands.is_empty()
                || operands.iter().any(|text| {
                    let digits = text.trim_start_matches("0x").to_uppercase();
                    key.fingerprint.ends_with(&digits) || key.names.iter().any(|name| name.contains(text.as_str()))
                })
        };
        let found: Vec<_> = keys.iter().filter(|(key, _)| wanted(key)).collect();
        if found.is_empty() && !operands.is_empty() {
            return ctx.fail(2, "error reading key: No public key");
        }
        for (key, validity) in found {
            ctx.out(if colon { colons(key, validity) } else { listing(key, validity) });
        }
        return 0;
    }
    let looks = has(&flags, &["--show-keys"]);
    let (dearmor, enarmor) = (has(&flags, &["--dearmor"]), has(&flags, &["--enarmor"]));
    if !looks && !dearmor && !enarmor {
        ctx.errln(format!("{}: this command is not modelled: {}", ctx.name(), ctx.args().join(" ")));
        return 127;
    }
    // The output's name may follow its option or be attached to it.
    let output = match value(&flags, &["o", "--output"]) {
        Some("") if !operands.is_empty() => Some(operands.remove(0)),
        Some(path) => Some(path.to_owned()),
        None => None,
    };
    let source = operands.first().map_or("-", String::as_str).to_owned();
    let content = match ctx.read_file(&source) {
        Ok(content) => content,
        Err(error) => return ctx.fail(2, format!("can't open '{source}': {error}")),
    };
    if looks {
        return match openpgp::keys(&content) {
            Some(keys) if !keys.is_empty() => {
                for key in keys {
                    ctx.out(if colon { colons(&key, "-") } else { listing(&key, "") });
                }
                0
            }
            _ => ctx.fail(2, "no valid OpenPGP data found."),
        };
    }
    let data = if dearmor {
        let armored = content.trim_ascii_start().starts_with(b"-----BEGIN PGP");
        let Some(data) = openpgp::dearmor(&content).filter(|_| armored) else {
            return ctx.fail(2, "no valid OpenPGP data found.");
        };
        data
    } else {
        openpgp::armor(&content).into_bytes()
    };
    match output {
        Some(path) if ctx.system().files.exists(&ctx.path(&path)) && !has(&flags, &["--yes"]) => {
            ctx.fail(2, format!("File '{path}' exists.\n{}: dearmoring failed: File exists", ctx.name()))
        }
        Some(path) => {
            let written = ctx.write_file(&path, data, 0o666);
            written.map_or_else(|e| ctx.fail(2, format!("can't create '{path}': {e}")), |()| 0)
        }
        None => {
            ctx.out(data);
            0
        }
    }
}
