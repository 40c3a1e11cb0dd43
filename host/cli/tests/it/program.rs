//! Runs the program in a directory and an environment of its own, and shows everything that came of it.

use std::path::Path;
use std::process::{Command, Stdio};

/// A directory to run the program in, which is its home, too.
pub struct Program {
    directory: tempfile::TempDir,
}

/// What a run came to.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs_err::write(self.path().join(name), text).expect("a file");
    }

    /// The command, nothing of this process's environment in it. What plugins compile to is shared between tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootmachine"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env("TMPDIR", self.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.finish(&mut self.command(arguments))
    }

    pub fn finish(&self, command: &mut Command) -> Ran {
        let output = command.output().expect("the program starts");
        // Where the test runs is of no interest.
        let real = fs_err::canonicalize(self.path()).expect("a directory");
        Ran::of(output, |text| {
            text.replace(&real.display().to_string(), "[DIR]")
                .replace(&self.path().display().to_string(), "[DIR]")
        })
    }
}

impl Ran {
    pub fn of(output: std::process::Output, settle: impl Fn(String) -> String) -> Self {
        let text = |bytes: Vec<u8>| settle(String::from_utf8(bytes).expect("UTF-8"));
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n--- stdout\n{}--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}

/// A configuration that is sound, for a cloud that does not answer.
pub const SOUND: &str = r#"[cluster]
name = "test"
master = "kailash"

[cm]
tool = "salt"

[[users]]
name = "sam"
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkZT3KfWG5iFUFpGSSqJPUUxyYQv6NSRJ0f0p0kf9E sam"]
sudo = true

[providers.cloud]
plugin = "openstack"
auth-url = "http://127.0.0.1:9/v3"
username = "sam"
password = { env = "CLOUD_PASSWORD" }

[[servers]]
name = "kailash"
distro = "arch"
image = "arch"
size = "small"
"#;
