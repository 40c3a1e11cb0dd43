//! Looking for a secret wherever it could have gone, in every form in which programs write text down.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Which forms of a secret stand in a text; none, if all is well.
pub fn forms_in(text: &str, secret: &str) -> Vec<&'static str> {
    forms(secret)
        .into_iter()
        .filter(|(_, form)| text.contains(form.as_str()))
        .map(|(name, _)| name)
        .collect()
}

/// A secret as programs write it down. The beginning alone counts: a text that was cut off in the middle of a secret tells most of it.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let begin: String = secret.chars().take(12).collect();
    let json = serde_json::to_string(&begin).expect("text is JSON");
    let percent = utf8_percent_encode(&begin, NON_ALPHANUMERIC).to_string();
    let unicode: String = begin.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let xml = begin
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut forms = vec![
        ("raw", begin.clone()),
        ("JSON", json.trim_matches('"').to_owned()),
        (
            "JSON twice",
            serde_json::to_string(json.trim_matches('"'))
                .expect("text is JSON")
                .trim_matches('"')
                .to_owned(),
        ),
        ("percent", percent.to_lowercase()),
        ("form", percent.replace("%20", "+")),
        ("percent", percent),
        ("unicode escapes", unicode),
        ("xml", xml),
        ("hex", hex::encode(&begin)),
        ("hex", hex::encode_upper(&begin)),
        ("debug", format!("{begin:?}").trim_matches('"').to_owned()),
        ("bytes", format!("{:?}", begin.as_bytes()).trim_matches(['[', ']']).to_owned()),
        ("reversed", begin.chars().rev().collect()),
    ];
    // Wherever in a group of three bytes it begins.
    for alignment in 0..3 {
        let shifted = [vec![0; alignment], begin.as_bytes().to_vec()].concat();
        let inside = |encoded: String| encoded[(alignment * 8).div_ceil(6)..shifted.len() * 8 / 6].to_owned();
        forms.push(("base64", inside(STANDARD_NO_PAD.encode(&shifted))));
        forms.push(("base64url", inside(URL_SAFE_NO_PAD.encode(&shifted))));
    }
    forms
}

/// Panics where a form of the secret stands in the text.
pub fn assert_absent(what: &str, text: &str, secret: &str) {
    let found = forms_in(text, secret);
    if found.is_empty() {
        return;
    }
    let lines: Vec<&str> = text.lines().filter(|line| !forms_in(line, secret).is_empty()).take(5).collect();
    panic!("the secret stands in {what}: as {}\n{}", found.join(", "), lines.join("\n"));
}

/// Panics where a form of the secret stands in a file of the directory or in its name. Returns the names of the files that were read.
pub fn assert_absent_in_directory(directory: &Path, secret: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs_err::read_dir(next).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).expect("it is inside").display().to_string();
            let content = fs_err::read(&path).expect("a file");
            assert_absent(&name, &format!("{name}\n{}", String::from_utf8_lossy(&content)), secret);
            names.push(name);
        }
    }
    names.sort();
    names
}

/// Everything that is traced in this process, at every level and by every crate.
#[derive(Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// The process's tape, which runs from the first call on.
    pub fn running() -> Self {
        static TAPE: OnceLock<Tape> = OnceLock::new();
        TAPE.get_or_init(|| {
            let tape = Self::default();
            let writer = tape.clone();
            tracing_subscriber::fmt()
                // The compiler's notes fill gigabytes, and all it ever sees are components.
                .with_env_filter("trace,cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime_internal_cranelift=warn,wasmtime=warn,wasmtime_environ=warn")
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            tape
        })
        .clone()
    }

    /// What is on it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no test panics while it holds this")).into_owned()
    }
}

impl io::Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics while it holds this").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let secret = "p\"ss wörd/+&<>";
        assert!(forms_in("nothing of it, not even p or ss", secret).is_empty());
        for (name, form) in forms(secret) {
            assert!(forms_in(&format!("before {form} after"), secret).contains(&name), "{name}");
        }
        assert!(!forms_in(&base64::engine::general_purpose::STANDARD.encode(format!("user:{secret}")), secret).is_empty());
    }
}
