//! Public keys of users: lines as in authorized_keys (sshd(8)), written in the configuration or read from the files it names.

use std::{borrow::Cow, fs::File, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::{
    located::Located,
    reader::{Reader, Section, Value, describe},
};

/// Key types that sshd takes by default on every supported distribution (sshd_config(5), PubkeyAcceptedAlgorithms).
/// With the number of fields in their blobs, the type included (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4; OpenSSH's
/// PROTOCOL.u2f).
const TYPES: [(&str, usize); 7] = [
    ("ssh-ed25519", 2),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("ssh-rsa", 3),
    ("sk-ssh-ed25519@openssh.com", 3),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
];

/// One line as in authorized_keys: type, base64 and comment, options before them where there are any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PublicKey(String);

impl PublicKey {
    /// The whole line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks one line. The error says what is wrong with it.
    fn parse(line: &str) -> Result<Self, Cow<'static, str>> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
            return Err("this is a private key, which never belongs here".into());
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err("a key is one line of printable characters".into());
        }
        let mut rest = line;
        let mut kind = word(&mut rest);
        if !looks_like_type(kind) {
            // Options come first, with blanks only inside quotes.
            rest = after_options(line);
            kind = word(&mut rest);
        }
        let data = word(&mut rest);
        let Some((_, expected)) = TYPES.iter().find(|(name, _)| *name == kind) else {
            return Err(match kind {
                "" => "this is no public key: expected `TYPE BASE64 COMMENT`".into(),
                "ssh-dss" => "DSA keys are refused by every current sshd".into(),
                kind if kind.contains("-cert-v01@") => "this is a certificate, not a public key".into(),
                kind if looks_like_type(kind) => format!("the key type `{kind}` is not known").into(),
                _ => "this is no public key: expected `TYPE BASE64 COMMENT`".into(),
            });
        };
        let blob = STANDARD
            .decode(data)
            .map_err(|_| format!("what follows `{kind}` is not the base64 of a key; was it cut off?"))?;
        let fields = fields(&blob).ok_or("the key is cut off")?;
        match fields.as_slice() {
            [own, ..] if *own != kind.as_bytes() => Err(format!("the key says `{kind}` and holds a key of another type").into()),
            // An ed25519 key is always as long (RFC 8032); the others' sizes vary.
            [_, key] if key.len() != 32 => Err("the key has a wrong length".into()),
            all if all.len() == *expected => Ok(Self(line.to_owned())),
            _ => Err("the key is cut off".into()),
        }
    }

    /// The keys of one element of `keys`.
    pub(crate) fn read(r: &mut Reader, user: &str, value: &Value<'_>) -> Vec<Located<Self>> {
        let span = value.span();
        if let Some(line) = value.get_ref().as_str() {
            return match Self::parse(line) {
                Ok(key) => vec![Located::new(key, span)],
                Err(fault) => {
                    let help = if fault.contains("private") {
                        "remove it from this file and name the public half: `{ file = \"~/.ssh/id_ed25519.pub\" }`"
                    } else {
                        "paste the one line of a `.pub` file, or name the file: `{ file = \"~/.ssh/id_ed25519.pub\" }`"
                    };
                    let error = r.error(span, format!("a key of user `{user}` can not be used"));
                    // What was pasted may be a private key, or a piece of one.
                    let error = if looks_like_type(line.trim()) {
                        error
                    } else {
                        error.with_secret_text()
                    };
                    r.push(error.with_label(fault).with_help(help));
                    Vec::new()
                }
            };
        }
        let Some(table) = value.get_ref().as_table() else {
            let found = describe(value.get_ref());
            let error = r.error(
                span,
                format!("a key of user `{user}` must be a line as in authorized_keys or `{{ file = \"…\" }}`, not {found}"),
            );
            r.push(error.with_label("expected a string or a table"));
            return Vec::new();
        };
        let mut section = Section::new(table, span.clone(), format!("a key of user `{user}`"));
        let file = section.required(r, "file", "\"~/.ssh/id_ed25519.pub\"");
        section.finish(r);
        if file.is_empty() {
            return Vec::new();
        }
        Self::read_file(r, user, &file)
    }

    fn read_file(r: &mut Reader, user: &str, file: &Located<String>) -> Vec<Located<Self>> {
        let Some(path) = r.path(file) else { return Vec::new() };
        let fault = |r: &mut Reader, label: String, help: &str| {
            let error = r.error(file.span.clone(), format!("the key file of user `{user}` can not be used"));
            r.push(error.with_label(label).with_help(help));
        };
        // Key files are a line or a few; a limit keeps a wrong name (a disk image, a device) from being read into memory.
        let text = match read_small(&path, 1 << 20) {
            Ok(text) => text,
            Err(error) => {
                fault(r, error, "make a key with `ssh-keygen -t ed25519`, or name the file that has it");
                return Vec::new();
            }
        };
        let mut keys = Vec::new();
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        for (number, line) in lines {
            match Self::parse(line) {
                Ok(key) => keys.push(Located::new(key, file.span.clone())),
                Err(problem) if problem.contains("private") => {
                    fault(r, problem.into_owned(), "name the public half, which ends in `.pub`");
                    return Vec::new();
                }
                Err(problem) => fault(
                    r,
                    format!("line {} of it: {problem}", number + 1),
                    "a key file holds lines `TYPE BASE64 COMMENT`",
                ),
            }
        }
        if keys.is_empty() && text.trim().is_empty() {
            fault(r, "it is empty".to_owned(), "a key file holds lines `TYPE BASE64 COMMENT`");
        }
        keys
    }
}

/// The text of a regular file of at most `limit` bytes, or why it can not be had.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<String, String> {
    let mut text = String::new();
    // Asked first: opening a named pipe waits for somebody to write to it.
    if !std::fs::metadata(path).map_err(|error| reason(&error))?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| reason(&error))?;
    file.take(limit + 1).read_to_string(&mut text).map_err(|error| reason(&error))?;
    if text.len() as u64 > limit {
        Err(format!("it is larger than {} MiB", limit >> 20))
    } else {
        Ok(text)
    }
}

/// An operating-system error in lower case, without its number.
fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "it can not be read: permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => format!("it can not be read: {error}"),
    }
}

/// The fields of a key's blob, each with its length before it (RFC 4251, section 5); none where they do not fill it exactly.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}

fn looks_like_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix)) && !word.contains(['=', '"', ','])
}

/// Takes the next word.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let (word, tail) = text.split_at(text.find([' ', '\t']).unwrap_or(text.len()));
    *rest = tail;
    word
}

fn after_options(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return &line[at..],
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

impl JsonSchema for PublicKey {
    fn schema_name() -> Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A public key: one line as in authorized_keys (sshd(8)), or a file that holds such lines.",
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "file": { "type": "string", "description": "A file of public keys; `~/` is the home directory." } },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E sam";

    #[test]
    fn keys_are_taken_with_and_without_options() {
        for line in [
            KEY.to_owned(),
            format!("  {KEY}  "),
            format!("from=\"10.0.0.0/8, 192.168.0.1\",no-pty {KEY}"),
            format!("restrict\t{KEY}"),
        ] {
            assert_eq!(PublicKey::parse(&line).map(|k| k.0), Ok(line.trim().to_owned()));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (line, part) in [
            ("", "no public key"),
            ("hello", "no public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            ("ssh-dss AAAA", "DSA"),
            ("ssh-ed448 AAAA", "not known"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
            ("ssh-ed25519 AAAA…", "base64"),
            ("ssh-ed25519", "cut off"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "cut off"),
            (&KEY.replacen("ssh-ed25519", "ssh-rsa", 1), "another type"),
        ] {
            let fault = PublicKey::parse(line).expect_err(line);
            assert!(fault.contains(part), "{line}: {fault}");
        }
    }
}
