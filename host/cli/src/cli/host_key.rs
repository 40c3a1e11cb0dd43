//! Host keys of machines that nobody made for us: the operator vouches for them, once, by the fingerprint.

use std::sync::Arc;

use bootmachine_broker::ssh::{PublicKey, keys};

use crate::ui::Ui;

/// How many letters a SHA-256 fingerprint has, in base64 without padding.
const LETTERS: usize = 43;

/// `SHA256:…`, as ssh shows it.
pub fn fingerprint(text: &str) -> Result<String, String> {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/');
    match text.strip_prefix("SHA256:").map(|print| print.trim_end_matches('=')) {
        Some(print) if print.len() == LETTERS && print.chars().all(letters) => Ok(format!("SHA256:{print}")),
        Some(_) => Err("the fingerprint is cut off or mistyped".to_owned()),
        None => Err("expected a fingerprint as `ssh-keygen -l` shows it, `SHA256:…`".to_owned()),
    }
}

/// `NAME=SHA256:…`.
pub fn named(text: &str) -> Result<(String, String), String> {
    let (name, print) = text.split_once('=').ok_or("expected `NAME=SHA256:…`")?;
    Ok((name.to_owned(), fingerprint(print)?))
}

/// Shows a key and asks whether it is the right one. No, where nobody can be asked.
pub async fn ask(ui: &Arc<Ui>, whose: &str, key: &PublicKey) -> bool {
    ui.say(&format!(
        "the host key of {whose} is not known yet; on its own console this shows it:\n    ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub",
        file(key)
    ));
    // The question says it all: what is said before may be hushed.
    let question = format!("is {} ({}) the host key of {whose}?", keys::fingerprint(key), key.algorithm());
    ui.confirm(&question).await == Some(true)
}

/// The part of the name of the file that sshd keeps a key of this type in.
pub fn file(key: &PublicKey) -> &'static str {
    if key.algorithm().is_ecdsa() {
        "ecdsa"
    } else if key.algorithm().is_rsa() {
        "rsa"
    } else {
        "ed25519"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let print = "SHA256:Q6p6eEq2uFtFICJhQm/ueszCJphfUDhRVYMC5Z9hoMc";
        assert_eq!(fingerprint(print), Ok(print.to_owned()));
        assert_eq!(fingerprint(&format!("{print}=")), Ok(print.to_owned()));
        assert_eq!(named(&format!("web={print}")), Ok(("web".to_owned(), print.to_owned())));
        for wrong in ["", "SHA256:", "SHA256:short", "MD5:00", &print[..49], &format!("{print}x")] {
            assert!(fingerprint(wrong).is_err(), "{wrong}");
        }
        assert!(named(print).is_err());
    }
}
