//! The host's side of the contract's imports: each turns a plugin's request into one for a broker, and the answer back.
//!
//! Nothing that a plugin hands over is trusted: texts are capped and cleaned here, the brokers check the rest.

mod http;
mod log;
mod machine;
mod ssh;

use bootmachine_broker::{BrokerError, ErrorKind};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{self, types};
use crate::call::Ctx;
use crate::manifest::{Kind, printable};

impl types::Host for Ctx {}
impl bindings::system::Host for Ctx {}

/// Links what the world of this kind imports, and WASI where a language's runtime wants it.
pub(crate) fn linker(engine: &wasmtime::Engine, kind: Kind, wasi: bool) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    types_and_log(&mut linker)?;
    match kind {
        Kind::Provider => bindings::http::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?,
        Kind::Distro => {
            bindings::system::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?;
            bindings::ssh::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?;
        }
        Kind::CmTool => {
            bindings::system::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?;
            bindings::ssh::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?;
            bindings::machine::add_to_linker::<_, HasSelf<Ctx>>(&mut linker, |context| context)?;
        }
    }
    if wasi {
        empty_wasi(&mut linker)?;
    }
    Ok(linker)
}

fn types_and_log(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<Ctx>>(linker, |context| context)?;
    bindings::log::add_to_linker::<_, HasSelf<Ctx>>(linker, |context| context)
}

/// WASI without sockets. The context behind it has no arguments, environment, directories or input.
fn empty_wasi(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    use wasmtime_wasi::WasiView as _;
    use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
    use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
    use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
    use wasmtime_wasi::random::WasiRandom;

    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    filesystem::types::add_to_linker::<Ctx, WasiFilesystem>(linker, Ctx::filesystem)?;
    filesystem::preopens::add_to_linker::<Ctx, WasiFilesystem>(linker, Ctx::filesystem)?;
    random::insecure::add_to_linker::<Ctx, WasiRandom>(linker, |context| context.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<Ctx, WasiRandom>(linker, |context| context.ctx().ctx.random())?;
    cli::exit::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::environment::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_input::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_output::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stdin::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stdout::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stderr::add_to_linker::<Ctx, WasiCli>(linker, Ctx::cli)
}

impl From<BrokerError> for types::Error {
    fn from(error: BrokerError) -> Self {
        Self {
            kind: match error.kind {
                ErrorKind::InvalidSetting => types::ErrorKind::InvalidSetting,
                ErrorKind::Unauthenticated => types::ErrorKind::Unauthenticated,
                ErrorKind::PermissionDenied => types::ErrorKind::PermissionDenied,
                ErrorKind::NotFound => types::ErrorKind::NotFound,
                ErrorKind::AlreadyExists => types::ErrorKind::AlreadyExists,
                ErrorKind::QuotaExceeded => types::ErrorKind::QuotaExceeded,
                ErrorKind::RateLimited => types::ErrorKind::RateLimited,
                ErrorKind::Unavailable => types::ErrorKind::Unavailable,
                ErrorKind::Unsupported => types::ErrorKind::Unsupported,
                ErrorKind::Failed => types::ErrorKind::Failed,
            },
            message: error.message,
            hint: error.hint,
            retry_after_ms: error.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// What a plugin says of a failure, made safe for a terminal.
impl From<types::Error> for BrokerError {
    fn from(error: types::Error) -> Self {
        let kind = match error.kind {
            types::ErrorKind::InvalidSetting => ErrorKind::InvalidSetting,
            types::ErrorKind::Unauthenticated => ErrorKind::Unauthenticated,
            types::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            types::ErrorKind::NotFound => ErrorKind::NotFound,
            types::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            types::ErrorKind::QuotaExceeded => ErrorKind::QuotaExceeded,
            types::ErrorKind::RateLimited => ErrorKind::RateLimited,
            types::ErrorKind::Unavailable => ErrorKind::Unavailable,
            types::ErrorKind::Unsupported => ErrorKind::Unsupported,
            types::ErrorKind::Failed => ErrorKind::Failed,
        };
        Self {
            kind,
            message: readable(&error.message),
            hint: error.hint.as_deref().map(readable),
            retry_after: error.retry_after_ms.map(std::time::Duration::from_millis),
        }
    }
}

/// Several lines of a plugin's words (a tool's standard error, say) stay lines; everything else that moves a terminal's cursor goes.
pub(crate) fn readable(text: &str) -> String {
    const LONGEST: usize = 4096;
    let mut cleaned: String = text.lines().take(40).map(printable_line).collect::<Vec<_>>().join("\n");
    if cleaned.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| cleaned.is_char_boundary(*at)).unwrap_or(0);
        cleaned.truncate(cut);
        cleaned.push('…');
    }
    cleaned
}

/// One line without control characters, C1 controls and the marks that turn the direction of writing around.
pub(crate) fn printable_line(line: &str) -> String {
    line.chars()
        .map(|character| match character {
            '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => char::REPLACEMENT_CHARACTER,
            character if character.is_control() => char::REPLACEMENT_CHARACTER,
            character => character,
        })
        .collect()
}

/// A short text of a plugin for a column or a progress line.
pub(crate) fn short(text: &str) -> String {
    printable(&printable_line(text))
}
