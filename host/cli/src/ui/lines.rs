//! The output of one command on several servers: whole lines, each with the name of the server that it comes from.

use std::sync::Arc;

use super::style::{OF_SERVERS, paint};
use super::{Ui, clean};

/// The longest line that is kept together; a longer one is shown in parts.
const LONGEST: usize = 16 << 10;

/// Where a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Cuts the output of one server into lines and prints them.
pub struct Lines {
    ui: Arc<Ui>,
    server: String,
    out: String,
    err: String,
    pending: [Vec<u8>; 2],
}

impl Lines {
    /// For the server that is the `index`-th of several; names are padded to `width`.
    pub fn new(ui: &Arc<Ui>, server: &str, index: usize, width: usize) -> Self {
        let style = OF_SERVERS[index % OF_SERVERS.len()];
        let prefix = |color: bool| format!("{} ", paint(color, style, &format!("{server:<width$} |")));
        Self {
            ui: Arc::clone(ui),
            server: server.to_owned(),
            out: prefix(ui.color()),
            err: prefix(ui.color_of_talk()),
            pending: [Vec::new(), Vec::new()],
        }
    }

    /// Takes a piece of output.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let pending = &mut self.pending[stream as usize];
        pending.extend_from_slice(bytes);
        let whole = whole_lines(pending);
        for line in whole {
            self.print(stream, &line);
        }
    }

    /// Nothing more will come: a last line without a line feed is one, too.
    pub fn finish(mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.pending[stream as usize]);
            if !rest.is_empty() {
                self.print(stream, &rest);
            }
        }
    }

    fn print(&self, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches('\r');
        if self.ui.is_json() {
            return self
                .ui
                .json_line(&serde_json::json!({ "event": "output", "server": self.server, "stream": stream, "line": line }));
        }
        // Tabs stay: they are how columns are printed.
        let line = clean::text(line);
        match stream {
            Stream::Stdout => self.ui.out(&format!("{}{line}", self.out)),
            Stream::Stderr => self.ui.raw_error(format!("{}{line}\n", self.err).as_bytes()),
        }
    }
}

/// Takes the lines that are complete, or too long to wait for their end, from what was received.
fn whole_lines(pending: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
        let mut line: Vec<u8> = pending.drain(..=end).collect();
        line.pop();
        lines.push(line);
    }
    while pending.len() > LONGEST {
        lines.push(pending.drain(..LONGEST).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut pending = b"on".to_vec();
        assert!(whole_lines(&mut pending).is_empty());
        pending.extend_from_slice(b"e\n\ntwo");
        assert_eq!(whole_lines(&mut pending), [b"one".to_vec(), Vec::new()]);
        assert_eq!(pending, b"two");
    }

    #[test]
    fn an_endless_line_is_not_kept_for_ever() {
        let mut pending = vec![b'x'; LONGEST * 2 + 1];
        assert_eq!(whole_lines(&mut pending).len(), 2);
        assert_eq!(pending.len(), 1);
    }
}
