//! What Salt needs of the machine that it runs on.

/// What a program did.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// Its exit status.
    pub status: i32,
    /// What it printed, without white space at the end.
    pub stdout: String,
    /// What it complained of, likewise.
    pub stderr: String,
}

/// The machine that Salt runs on, as root.
pub trait Host {
    /// Runs a program.
    fn run(&mut self, argv: &[&str], stdin: &[u8]) -> Done;
    /// The content of a file; none where it cannot be read.
    fn read(&mut self, path: &str) -> Option<Vec<u8>>;
    /// Writes a file; its directory must be there. An existing file keeps its mode.
    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), String>;

    /// Whether a program ends with status 0.
    fn succeeds(&mut self, argv: &[&str]) -> bool {
        self.run(argv, b"").status == 0
    }

    /// Runs a program that must succeed; the error is what it said.
    fn must(&mut self, argv: &[&str]) -> Result<Done, String> {
        let done = self.run(argv, b"");
        if done.status == 0 {
            return Ok(done);
        }
        let words = if done.stderr.is_empty() { &done.stdout } else { &done.stderr };
        Err(if words.is_empty() {
            format!("{} ended with status {}", argv.join(" "), done.status)
        } else {
            words.clone()
        })
    }
}
