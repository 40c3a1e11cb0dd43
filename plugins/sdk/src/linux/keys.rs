//! Signing keys of package repositories: fetched by the machine, looked at before anything trusts them.

use crate::ssh::{Command, Session};
use crate::system::{KeySource, SigningKey};
use crate::{Error, Result, log};

/// What armoured keys begin with (RFC 9580, section 6.2).
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// A key that has been looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct SigningKeyFile {
    /// As it is to be written to a file.
    pub content: Vec<u8>,
    /// The fingerprints of the primary keys in it, in upper-case hexadecimal digits. Empty where none was to be compared and no gpg asked.
    pub fingerprints: Vec<String>,
}

impl SigningKeyFile {
    /// Whether it is text, ASCII-armoured.
    pub fn is_armored(&self) -> bool {
        self.content.trim_ascii_start().starts_with(ARMOR)
    }
}

/// Brings in the signing key of the repository `name`. Where the machine has the right key already, at one of the paths `kept_at`, nothing
/// is fetched. Needs curl and gpg on the machine.
pub fn signing_key(on: &Session, name: &str, key: &SigningKey, kept_at: &[&str]) -> Result<SigningKeyFile> {
    let doing = format!("checking the key of {name}");
    if let (KeySource::Url(_), Some(_)) = (&key.source, &key.fingerprint) {
        for path in kept_at {
            let Some(content) = on.read_file(path)? else { continue };
            if let Ok(file) = checked(on, content, key) {
                return Ok(file);
            }
        }
    }
    let content = match &key.source {
        KeySource::Armored(text) => text.clone().into_bytes(),
        KeySource::Url(url) => {
            log::step(format!("fetching the key of {name}"));
            fetch(on, url, key.fingerprint.is_some()).map_err(|error| error.context(format!("fetching the key of {name} from {url}")))?
        }
    };
    log::step(&doing);
    checked(on, content, key).map_err(|error| error.context(doing))
}

fn fetch(on: &Session, url: &str, compared: bool) -> Result<Vec<u8>> {
    // A key that is compared may come from anywhere, such as a mirror in a closed network.
    let protocols = if compared { "=https,http" } else { "=https" };
    let secure = url.starts_with("https://");
    if !secure && (!compared || !url.starts_with("http://")) {
        return Err(Error::invalid_setting(
            "a key without a fingerprint must come from an https address",
        ));
    }
    let options = [
        "--fail",
        "--silent",
        "--show-error",
        "--location",
        "--retry",
        "3",
        "--max-time",
        "60",
        "--proto",
        protocols,
        "--",
        url,
    ];
    let output = on.run(Command::new("curl").args(options))?;
    match output.status {
        0 => Ok(output.stdout),
        // curl(1): 22 is an answer of 400 and above; 6, 7, 28, 35, 52, 56 are names, connections and time-outs.
        6 | 7 | 28 | 35 | 52 | 56 => Err(Error::unavailable(output.last_words())),
        22 if output.stderr_text().contains("404") => Err(Error::not_found(output.last_words())),
        _ => Err(Error::failed(output.last_words())),
    }
}

fn checked(on: &Session, content: Vec<u8>, key: &SigningKey) -> Result<SigningKeyFile> {
    let command = Command::new("gpg")
        .args(["--batch", "--show-keys", "--with-colons"])
        .stdin(content.clone());
    let listing = on.run(command)?.success_or("this is no key")?.stdout_text();
    let fingerprints = primary_fingerprints(&listing);
    if fingerprints.is_empty() {
        return Err(Error::failed("there is no public key in it"));
    }
    if let Some(wanted) = &key.fingerprint {
        // Every key in the file would be trusted, not just the one that was asked for.
        if let Some(other) = fingerprints.iter().find(|own| !own.eq_ignore_ascii_case(wanted)) {
            return Err(Error::failed(format!("its fingerprint is {other}, not {wanted}"))
                .hint("compare it with what the repository's owner publishes; never go on without knowing why it changed"));
        }
    }
    Ok(SigningKeyFile { content, fingerprints })
}

/// The fingerprints of the primary keys in a listing of `gpg --with-colons`: the `fpr` record after each `pub`.
fn primary_fingerprints(listing: &str) -> Vec<String> {
    let mut primary = false;
    let mut fingerprints = Vec::new();
    for line in listing.lines() {
        let fields: Vec<_> = line.split(':').collect();
        match fields[0] {
            "pub" => primary = true,
            "sub" => primary = false,
            "fpr" if primary => {
                fingerprints.extend(fields.get(9).map(|text| text.to_ascii_uppercase()));
                primary = false;
            }
            _ => {}
        }
    }
    fingerprints
}
