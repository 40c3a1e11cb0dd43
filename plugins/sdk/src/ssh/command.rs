//! Builders for commands and files, and what became of them.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::time::Duration;

use super::{Command, File, Output, Step, StepOutcome, Variable};
use crate::{Error, Result};

/// How much of what a failed command wrote stands in an error.
const LAST_LINES: usize = 6;

impl Command {
    /// A program, looked up in `PATH` unless it is an absolute path.
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: None,
            user: None,
            timeout_ms: None,
        }
    }

    /// A POSIX shell script, on the standard input of `sh -s`. What varies belongs into arguments (`$1`, …), not into the text.
    pub fn script(text: &str) -> Self {
        Self::new("sh").arg("-s").arg("--").stdin(text)
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: Into<String>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push(Variable {
            name: name.to_owned(),
            value: value.into(),
        });
        self
    }

    /// What the command reads.
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(content.into());
        self
    }

    /// The user it runs as, instead of root.
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// How long it may run, instead of ten minutes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        self
    }
}

/// As one would type it: `DEBIAN_FRONTEND=noninteractive apt-get install nginx`. For transcripts and messages, not for a shell to run.
impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Variable { name, value } in &self.environment {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+~^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

impl From<Command> for Step {
    fn from(command: Command) -> Self {
        Self::Run(command)
    }
}

impl From<File> for Step {
    fn from(file: File) -> Self {
        Self::WriteFile(file)
    }
}

impl Output {
    /// Whether the status is 0.
    pub fn is_success(&self) -> bool {
        self.status == 0
    }

    /// What it wrote to standard output, as text, without white space at the end.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// What it wrote to standard error, as text, without white space at the end.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }

    /// The output of a command that succeeded. Else an error of kind `failed` in the command's own words: the last lines that it wrote.
    /// `doing` is what it was run for: `installing nginx`.
    pub fn success_or(self, doing: impl Display) -> Result<Self> {
        if self.is_success() {
            Ok(self)
        } else {
            Err(Error::failed(self.last_words()).context(doing))
        }
    }

    /// The last lines of standard error, or of standard output where that is empty, in one line; the status where there is neither.
    pub fn last_words(&self) -> String {
        let (stderr, stdout) = (self.stderr_text(), self.stdout_text());
        let text = if stderr.trim().is_empty() { stdout } else { stderr };
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            [] => format!("ended with status {}", self.status),
            lines => lines[lines.len().saturating_sub(LAST_LINES)..].join("; "),
        }
    }
}

impl StepOutcome {
    /// The output of a command; none for a file.
    pub fn output(&self) -> Option<&Output> {
        match self {
            Self::Ran(output) => Some(output),
            Self::Wrote(_) => None,
        }
    }

    /// Whether it is a file that was changed.
    pub fn wrote(&self) -> bool {
        matches!(self, Self::Wrote(true))
    }
}

impl File {
    /// A file of root that everybody can read.
    pub fn new(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.to_owned(),
            content: content.into(),
            mode: 0o644,
            owner: "root".to_owned(),
            group: "root".to_owned(),
        }
    }

    /// Other permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Another owner and group.
    pub fn owner(mut self, owner: &str, group: &str) -> Self {
        self.owner = owner.to_owned();
        self.group = group.to_owned();
        self
    }
}
