//! The engine: one for a process. It compiles components, keeps what it compiled, and ticks so that no plugin can spin for ever.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config};

/// How often a running plugin is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What one call of a plugin may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of an instance, in bytes. Python's interpreter alone takes about 20 MiB.
    pub memory: usize,
    /// Time that a call may compute, not counting what it waits for the brokers.
    pub cpu: Duration,
    /// Time that a call may take, waiting included.
    pub wall: Duration,
    /// Data that one call across the border may carry, in bytes.
    pub hostcall_data: usize,
    /// Handles that an instance may hold.
    pub handles: usize,
    /// Log lines of one call; more are counted and left out.
    pub log_lines: usize,
    /// Bytes of one log line.
    pub log_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            cpu: Duration::from_secs(20),
            // A full upgrade of a slow machine behind a slow mirror is one call.
            wall: Duration::from_secs(90 * 60),
            hostcall_data: 48 << 20,
            handles: 4096,
            log_lines: 1000,
            log_line_bytes: 4096,
        }
    }
}

/// Compiles and runs components. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: wasmtime::Engine,
    /// Where compiled code is kept, for those who want to know whether it was found there.
    pub(crate) cache: Option<Cache>,
    /// What calls may use unless they are given other limits.
    pub limits: Arc<Limits>,
}

impl Engine {
    /// Starts the engine. `cache` is a directory that only the user can write (it is made so): compiled code is kept there.
    ///
    /// # Errors
    /// Where the directory can not be made, or the processor lacks what the compiler needs.
    pub fn new(cache: Option<PathBuf>, limits: Limits) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(1 << 20)
            .async_stack_size(2 << 20)
            // Sync contract, async host: this machinery would be paid for and not used.
            .concurrency_support(false)
            .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
        let mut kept = None;
        if let Some(directory) = cache {
            private_directory(&directory)?;
            let mut cache = CacheConfig::new();
            cache.with_directory(directory);
            kept = Some(Cache::new(cache)?);
            config.cache(kept.clone());
        }
        let inner = wasmtime::Engine::new(&config)?;
        tick(&inner);
        Ok(Self {
            inner,
            cache: kept,
            limits: Arc::new(limits),
        })
    }
}

/// Makes the directory 0700: whoever can write there can have code run as the user.
fn private_directory(directory: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs_err::create_dir_all(directory.parent().unwrap_or(directory))?;
    match std::fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if fs_err::metadata(directory)?.permissions().mode() & 0o077 != 0 {
        fs_err::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Advances the epoch until the last engine is gone.
fn tick(engine: &wasmtime::Engine) {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("plugin-epoch".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .unwrap_or_else(|error| tracing::error!(%error, "the plugin clock can not be started"));
}
