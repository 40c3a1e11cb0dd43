//! The inner life of bootmachine on standard error: warnings always, more with `--verbose`.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::style::{BAD, DIM, ODD, paint};
use super::{Ui, clean};

/// The variable that chooses what is logged, in the syntax of tracing's filters.
pub const VARIABLE: &str = "BOOTMACHINE_LOG";

/// Starts logging. A second start in one process does nothing.
pub fn start(ui: &Arc<Ui>) {
    let default = match (ui.quiet, ui.verbose) {
        (true, 0) => "error",
        (false, 0) => "warn",
        (_, 1) => "warn,bootmachine=debug",
        _ => "info,bootmachine=trace",
    };
    let chosen = std::env::var(VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = match chosen.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => filter,
        Some(Err(error)) => {
            ui.warn(&format!("`{VARIABLE}` is no filter: {error}"), Some("`bootmachine=debug` is one"));
            EnvFilter::new(default)
        }
        None => EnvFilter::new(default),
    };
    let format = Lines {
        begun: Instant::now(),
        color: ui.color_err,
        verbose: ui.verbose > 0 || chosen.is_some(),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(format)
        .with_writer(Above(Arc::clone(ui)))
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// `warning: message field=value`, and when (in seconds since the start) and who says so where that was asked for.
struct Lines {
    begun: Instant,
    color: bool,
    verbose: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let (style, word) = match *metadata.level() {
            Level::ERROR => (BAD, "error:"),
            Level::WARN => (ODD, "warning:"),
            Level::INFO => (DIM, "info:"),
            Level::DEBUG => (DIM, "debug:"),
            Level::TRACE => (DIM, "trace:"),
        };
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        write!(writer, "{} ", paint(self.color, style, word))?;
        if self.verbose {
            let seconds = self.begun.elapsed().as_secs_f64();
            write!(
                writer,
                "{} ",
                paint(self.color, DIM, &format!("{seconds:.3} {}:", metadata.target()))
            )?;
        }
        writer.write_str(&clean::line(&fields))
    }
}

/// Writes whole lines above the live display.
struct Above(Arc<Ui>);

struct Line<'a> {
    ui: &'a Ui,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Above {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            ui: &self.0,
            text: Vec::new(),
        }
    }
}

impl std::io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.ui.screen.print(text);
        }
    }
}
