//! `bootmachine:plugin/log`.

use crate::bindings::log::{Host, Level};
use crate::call::Ctx;
use crate::host::{printable_line, short};

impl Host for Ctx {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.log_lines += 1;
        if self.log_lines > self.limits.log_lines {
            if self.log_lines == self.limits.log_lines + 1 {
                self.listener.log(
                    tracing::Level::WARN,
                    &self.who.name,
                    "more log lines than one call may write: the rest is left out",
                );
            }
            return Ok(());
        }
        let level = match level {
            Level::Trace => tracing::Level::TRACE,
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        let mut message = self.scrubbed(message);
        if message.len() > self.limits.log_line_bytes {
            let cut = (0..=self.limits.log_line_bytes)
                .rev()
                .find(|at| message.is_char_boundary(*at))
                .unwrap_or(0);
            message.truncate(cut);
            message.push('…');
        }
        for line in message.lines().take(40) {
            self.listener.log(level, &self.who.name, &printable_line(line));
        }
        Ok(())
    }

    fn step(&mut self, text: String) -> wasmtime::Result<()> {
        let text = self.scrubbed(text);
        self.listener.step(&short(&text));
        Ok(())
    }
}

impl Ctx {
    fn scrubbed(&self, text: String) -> String {
        match &self.http {
            Some(http) => http.scrub(&text),
            None => text,
        }
    }
}
