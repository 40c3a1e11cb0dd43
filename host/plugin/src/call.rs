//! One instance of a plugin in its store: what it holds, what it may use, and what became of a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, Trap, UpdateDeadline};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::engine::{Engine, Limits, TICK};
use crate::error::{PluginError, Who};
use crate::manifest::printable;
use crate::reach::{Http, Listener};

/// What the store of an instance holds.
pub(crate) struct Ctx {
    pub(crate) table: ResourceTable,
    pub(crate) who: Who,
    /// None while `describe` runs, and for plugins that are no providers.
    pub(crate) http: Option<Arc<dyn Http>>,
    pub(crate) listener: Arc<dyn Listener>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) log_lines: usize,
    meter: Meter,
    store_limits: StoreLimits,
    wasi: WasiCtx,
    stderr: MemoryOutputPipe,
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// How long the guest itself has computed. Neither figure is exact: the clock also counts time in which other tasks had the processor, and
/// the ticks also count short work after long waits. Each errs upwards, so the smaller one is fair.
struct Meter {
    began: Instant,
    in_host: Duration,
    ticks: u32,
}

impl Meter {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            in_host: Duration::ZERO,
            ticks: 0,
        }
    }

    fn computed(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.in_host).min(TICK * self.ticks)
    }
}

impl Ctx {
    /// Time that the host spent on the guest's behalf, which is not the guest's.
    pub(crate) fn spent_in_host(&mut self, since: Instant) {
        self.meter.in_host += since.elapsed();
    }

    fn begin(&mut self) {
        self.meter = Meter::new();
        self.log_lines = 0;
    }
}

/// Makes a store in which nothing has run yet.
pub(crate) fn store(engine: &Engine, who: Who, http: Option<Arc<dyn Http>>, listener: Arc<dyn Listener>) -> Store<Ctx> {
    let limits = Arc::clone(&engine.limits);
    // Standard error is kept for the message about a trap; more than this nobody reads.
    let stderr = MemoryOutputPipe::new(64 << 10);
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles);
    let context = Ctx {
        table,
        who,
        http,
        listener,
        log_lines: 0,
        meter: Meter::new(),
        store_limits: StoreLimitsBuilder::new()
            .memory_size(limits.memory)
            .instances(64)
            .memories(16)
            .trap_on_grow_failure(true)
            .build(),
        // No arguments, no environment, no directories, no sockets, no standard input: what a language's runtime needs to start, empty.
        wasi: WasiCtx::builder().stderr(stderr.clone()).build(),
        stderr,
        limits: Arc::clone(&limits),
    };
    let mut store = Store::new(&engine.inner, context);
    store.limiter(|context| &mut context.store_limits);
    store.set_hostcall_fuel(limits.hostcall_data);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        let context = store.data_mut();
        context.meter.ticks += 1;
        let limit = context.limits.cpu;
        if context.meter.computed() > limit {
            wasmtime::bail!("it computed for more than {} s without an answer", limit.as_secs_f32());
        }
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

/// Runs one call in a store, under its bounds. After anything but `Ok` the instance must be thrown away.
///
/// A macro, since the call's future borrows the store that the message about its end is read from.
macro_rules! bounded {
    ($store:expr, $operation:expr, $call:expr) => {{
        let limit = $crate::call::begin(&mut $store);
        let outcome = tokio::time::timeout(limit, async { $call }).await;
        $crate::call::end(&$store, $operation, limit, outcome)
    }};
}
pub(crate) use bounded;

/// Starts the meter of a call and returns how long it may take.
pub(crate) fn begin(store: &mut Store<Ctx>) -> Duration {
    store.data_mut().begin();
    store.data().limits.wall
}

/// What became of a call.
pub(crate) fn end<T>(
    store: &Store<Ctx>,
    operation: &'static str,
    limit: Duration,
    outcome: Result<wasmtime::Result<T>, tokio::time::error::Elapsed>,
) -> Result<T, PluginError> {
    let context = store.data();
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(
        plugin = context.who.name,
        cpu_ms = milliseconds(context.meter.computed()),
        ms = milliseconds(context.meter.began.elapsed()),
        "`{operation}` {}",
        match &outcome {
            Ok(Ok(_)) => "returned",
            Ok(Err(_)) => "broke down",
            Err(_) => "took too long",
        }
    );
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(trapped(store.data(), operation, &error)),
        Err(_) => Err(PluginError::TimedOut {
            who: store.data().who.clone(),
            operation,
            limit,
        }),
    }
}

fn trapped(context: &Ctx, operation: &'static str, error: &wasmtime::Error) -> PluginError {
    let written = context.stderr.contents();
    let written = String::from_utf8_lossy(&written);
    let last: Vec<&str> = written.lines().rev().take(5).collect();
    let stderr = printable(&last.into_iter().rev().collect::<Vec<_>>().join(" | "));
    PluginError::Trapped {
        who: context.who.clone(),
        operation,
        cause: cause(error, context.limits.memory),
        stderr,
    }
}

/// What the sandbox says of the end of a call, without the addresses.
fn cause(error: &wasmtime::Error, memory: usize) -> String {
    let mut text = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => "it gave up (a panic or an abort)".to_owned(),
        Some(Trap::StackOverflow) => "its call stack is exhausted: a recursion without an end?".to_owned(),
        Some(Trap::MemoryOutOfBounds) => "it reached outside its memory".to_owned(),
        Some(trap) => format!("{trap}"),
        None => error.root_cause().to_string(),
    };
    if let Some(requested) = text.strip_prefix("forcing trap when growing memory to ") {
        let bytes = requested.split_whitespace().next().and_then(|number| number.parse::<usize>().ok());
        let asked = bytes.map_or_else(|| requested.to_owned(), mebibytes);
        text = format!("it asked for {asked} of memory, and a plugin may have {}", mebibytes(memory));
    }
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        text = "it moved more data across its border in one call than a plugin may".to_owned();
    }
    let mut text = printable(&text);
    if let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() {
        let names: Vec<&str> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).collect();
        if gave_up_in_python(&names) {
            text.push_str(" (Python: most likely an exception that nobody caught or a value of the wrong type)");
        }
        let frames: Vec<String> = names
            .into_iter()
            .map(demangle)
            .filter(|name| !name.contains("panic") && !name.contains("rust_begin_unwind"))
            .take(3)
            .map(|name| format!("`{name}`"))
            .collect();
        if !frames.is_empty() {
            text.push_str(&format!(", in {}", frames.join(" < ")));
        }
    }
    text
}

/// Whether these are the frames, the innermost first, of an interpreter that wanted to print a traceback where its runtime was left out: it
/// looks for standard error and for source files, and finds functions that only give up. They say nothing to somebody who wrote Python.
fn gave_up_in_python(frames: &[&str]) -> bool {
    const STUBBED: [&str; 3] = ["stderr_get_stderr", "filesystem_preopens_get_directories", "__wasilibc"];
    frames.iter().take(3).any(|name| STUBBED.iter().any(|stub| name.starts_with(stub)))
}

fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// A function's name as its author wrote it, without the hash, and short enough to read.
fn demangle(name: &str) -> String {
    const LONGEST: usize = 60;
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let mut shown: String = printable(&name).chars().take(LONGEST).collect();
    if name.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_gave_up_is_known_by_its_frames() {
        // As componentize-py 0.25.1 leaves them: an exception that nobody caught, and a value of the wrong type.
        let exception = [
            "filesystem_preopens_get_directories",
            "__wasilibc_populate_preopens",
            "__wasilibc_find_abspath",
            "open",
        ];
        let value = ["stderr_get_stderr", "stdio_get_write_stream", "write", "_Py_write"];
        for frames in [&exception[..], &value] {
            assert!(gave_up_in_python(frames), "{frames:?}");
        }
        let panic = ["hog::attack", "hog::Hog::console_output", "main", "stderr_get_stderr"];
        for frames in [&panic[..], &[]] {
            assert!(!gave_up_in_python(frames), "{frames:?}");
        }
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(
            [mebibytes(1), mebibytes(32 << 20), mebibytes((32 << 20) + 1)],
            ["1 MiB", "32 MiB", "33 MiB"]
        );
    }
}
