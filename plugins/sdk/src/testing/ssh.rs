//! Commands on a machine that a test plays.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Result;
use crate::ssh::{Command, File, Output};

/// The answer of a command that succeeds and writes this to standard output.
pub fn ok(stdout: &str) -> Output {
    Output {
        status: 0,
        stdout: stdout.as_bytes().to_vec(),
        stderr: Vec::new(),
        truncated: false,
    }
}

/// The answer of a command that fails and writes this to standard error.
pub fn fail(status: u32, stderr: &str) -> Output {
    Output {
        status,
        stdout: Vec::new(),
        stderr: stderr.as_bytes().to_vec(),
        truncated: false,
    }
}

/// What the machine's commands do: a function of the command and the machine's files.
pub type Shell = Box<dyn FnMut(&Command, &mut BTreeMap<String, File>) -> Result<Output>>;

/// Writes a command with what it reads: the input indented below.
pub(super) fn write_command(transcript: &mut String, command: &Command) {
    let user = command.user.as_ref().map(|user| format!("[{user}] ")).unwrap_or_default();
    let _ = writeln!(transcript, "$ {user}{command}");
    if let Some(stdin) = &command.stdin {
        indent(transcript, stdin);
    }
}

/// Writes what a command answered, where it says anything or failed.
pub(super) fn write_output(transcript: &mut String, result: &Result<Output>) {
    match result {
        Ok(output) => {
            indent(transcript, &output.stdout);
            indent(transcript, &output.stderr);
            if output.status != 0 {
                let _ = writeln!(transcript, "=> {}", output.status);
            }
        }
        Err(error) => {
            let _ = writeln!(transcript, "=> {:?}: {}", error.kind, error.message);
        }
    }
}

/// Writes a file that was written.
pub(super) fn write_file(transcript: &mut String, file: &File, changed: bool) {
    let same = if changed { "" } else { " (same)" };
    let _ = writeln!(transcript, "> {} {:04o} {}:{}{same}", file.path, file.mode, file.owner, file.group);
    if changed {
        indent(transcript, &file.content);
    }
}

fn indent(transcript: &mut String, bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        let _ = writeln!(transcript, "  {line}");
    }
}
