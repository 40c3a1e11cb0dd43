//! Reads what a file is, and what it asks for, before anything of it runs.

use wasmparser::{Chunk, Encoding, Parser, Payload};

use crate::manifest::Kind;

/// The version of the contract that this host offers. Plugins built against any 0.1 load.
pub const CONTRACT: semver::Version = semver::Version::new(0, 1, 0);

/// What a component imports and implements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it is for, by the interface that it exports.
    pub kind: Kind,
    /// The interfaces that it imports, as they stand in the file.
    pub imports: Vec<String>,
    /// Whether it brings a language runtime that wants WASI.
    pub wants_wasi: bool,
}

/// Why a file is no plugin, in words for the one who wants to use it, and for its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Reads the imports and exports of a component.
///
/// # Errors
/// Where the file is no component, implements no world of the contract, or imports what is never given.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Refusal> {
    let (imports, exports) = names(bytes)?;
    let kind = kind(&exports)?;
    let mut wants_wasi = false;
    for import in &imports {
        wants_wasi |= check_import(import, kind)?;
    }
    Ok(Inspection { kind, imports, wants_wasi })
}

/// The names of a component's own imports and exports, those of the components inside it left out.
fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), Refusal> {
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::new(
            "it is not a WebAssembly file",
            "a plugin is a component: its first bytes are `\\0asm`; was a web page saved in its place?",
        ));
    }
    let mut parser = Parser::new(0);
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    let broken = |error: wasmparser::BinaryReaderError| {
        Refusal::new(
            format!("it is damaged: {}", error.message()),
            "was the download cut off? compare its SHA-256 with the one its author publishes",
        )
    };
    loop {
        let (payload, consumed) = match parser.parse(rest, true).map_err(broken)? {
            Chunk::NeedMoreData(_) => return Err(Refusal::new("it is damaged: it ends in the middle", "was the download cut off?")),
            Chunk::Parsed { consumed, payload } => (payload, consumed),
        };
        match payload {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } => {
                return Err(Refusal::new(
                    "it is a core module, not a component",
                    "its author makes a component of it: `wasm-tools component new`, or a target such as wasm32-wasip2 that does so by itself",
                ));
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            // What is nested is the component's own business: its bytes are passed over.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                let inside = unchecked_range.end - unchecked_range.start;
                let skip = consumed.saturating_add(inside);
                rest = rest
                    .get(skip..)
                    .ok_or_else(|| Refusal::new("it is damaged: it ends in the middle", "was the download cut off?"))?;
                continue;
            }
            Payload::End(_) => break,
            _ => {}
        }
        rest = &rest[consumed..];
    }
    Ok((imports, exports))
}

fn kind(exports: &[String]) -> Result<Kind, Refusal> {
    let mut found = None;
    let mut describes = false;
    for export in exports {
        let Some((interface, version)) = export.strip_prefix("bootmachine:plugin/").and_then(|rest| rest.split_once('@')) else {
            continue;
        };
        check_version(export, version)?;
        let kind = match interface {
            "provider" => Kind::Provider,
            "distro" => Kind::Distro,
            "cm-tool" => Kind::CmTool,
            "plugin" => {
                describes = true;
                continue;
            }
            _ => continue,
        };
        if let Some(other) = found.replace(kind) {
            return Err(Refusal::new(
                format!("it claims to be both a {other} and a {kind}"),
                "a plugin implements one world of the contract",
            ));
        }
    }
    match found {
        Some(kind) if describes => Ok(kind),
        Some(kind) => Err(Refusal::new(
            format!("it is a {kind} that does not export `bootmachine:plugin/plugin`, so it can not say what it wants"),
            format!("its author builds it against the world `{}` of wit/worlds.wit", kind.world()),
        )),
        None => Err(Refusal::new(
            "it is a component of another world: it exports no `bootmachine:plugin/provider`, `distro` or `cm-tool`",
            "is this a plugin for another program?",
        )),
    }
}

fn check_version(name: &str, version: &str) -> Result<(), Refusal> {
    let Ok(version) = semver::Version::parse(version) else {
        return Err(Refusal::new(
            format!("`{name}` has no version that can be read"),
            "its author builds it against an unchanged wit/",
        ));
    };
    if (version.major, version.minor) != (CONTRACT.major, CONTRACT.minor) {
        let newer = version > CONTRACT;
        return Err(Refusal::new(
            format!("it is built for version {version} of the contract, and this bootmachine offers {CONTRACT}"),
            if newer {
                "a newer bootmachine will run it"
            } else {
                "its author builds it against the present contract"
            },
        ));
    }
    Ok(())
}

/// Which of the contract's interfaces a world imports (`wit/worlds.wit`).
fn imports_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Provider => &["types", "log", "http"],
        Kind::Distro => &["types", "system", "log", "ssh"],
        Kind::CmTool => &["types", "system", "log", "ssh", "machine"],
    }
}

/// Whether the import is of WASI; an error where it is never given.
fn check_import(import: &str, kind: Kind) -> Result<bool, Refusal> {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(interface) = path.strip_prefix("bootmachine:plugin/") {
        check_version(import, version)?;
        if imports_of(kind).contains(&interface) {
            return Ok(false);
        }
        return Err(Refusal::new(
            format!("it is a {kind} and imports `{import}`, which a {kind} is not given"),
            format!("the world `{}` offers {}", kind.world(), imports_of(kind).join(", ")),
        ));
    }
    let package = path.split('/').next().unwrap_or(path);
    let meaning = match package {
        "wasi:cli" | "wasi:io" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" if version.starts_with("0.2.") => return Ok(true),
        "wasi:sockets" => "it would open network connections of its own; plugins reach the network through `bootmachine:plugin/http` alone",
        "wasi:http" => "it would send HTTP requests past the broker; plugins use `bootmachine:plugin/http`",
        package if package.starts_with("wasi:") => "bootmachine does not give this to plugins",
        _ => "bootmachine does not know it",
    };
    Err(Refusal::new(
        format!("it imports `{}`: {meaning}", crate::manifest::printable(import)),
        "its author leaves it out: in Python and JavaScript by stubbing WASI (`--stub-wasi`), elsewhere by not linking what uses it",
    ))
}

/// What an import lets a plugin do, in plain words for the one who installs it.
pub fn in_plain_words(import: &str) -> &'static str {
    let path = import.split('@').next().unwrap_or(import);
    match path {
        "bootmachine:plugin/types" | "bootmachine:plugin/system" => "words of the contract, no powers",
        "bootmachine:plugin/log" => "write lines to your log, capped and scrubbed of secrets",
        "bootmachine:plugin/http" => "send HTTP requests to the origins listed above, once you granted them",
        "bootmachine:plugin/ssh" => "run commands as root on the one machine it is handed",
        "bootmachine:plugin/machine" => "act on the machines it is handed: packages, services, your configuration directory",
        _ if path.starts_with("wasi:filesystem") => "WASI, empty: it sees no file",
        _ if path.starts_with("wasi:clocks") => "WASI: read the clock",
        _ if path.starts_with("wasi:random") => "WASI: random numbers",
        _ => "WASI, empty: no arguments, no environment, no input",
    }
}
