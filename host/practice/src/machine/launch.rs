//! Starting a program by its file: found in `PATH`, checked for the execute bit, then run by what the file says. A simulated program's
//! file begins with a marker that names it; so a program is there exactly where its package put its file, and goes when the file goes.

use super::model::files::{Errno, split};
use super::process::Exec;
use super::shell;

/// How the file of a simulated program begins.
pub const MARKER: &str = "\u{7f}ELF simulated program: ";

/// The content of a simulated program's file.
pub fn program_file(name: &str) -> Vec<u8> {
    format!("{MARKER}{name}\n").into_bytes()
}

/// The plain search path of services and of SSH commands.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStarted {
    /// No such file: status 127.
    NotFound,
    /// It may not be run: status 126.
    Denied(Errno),
}

/// The path of a command's file, as `execvp` finds it.
pub fn find(ctx: &Exec, command: &str) -> Result<String, NotStarted> {
    let system = ctx.system();
    let check = |path: &str| -> Result<(), Errno> {
        let stat = system.files.stat(&ctx.user, path, true)?;
        if stat.is_dir() || !stat.allows(&ctx.user, 1) {
            Err(Errno::Access)
        } else {
            Ok(())
        }
    };
    if command.contains('/') {
        let path = ctx.path(command);
        return match check(&path) {
            Ok(()) => Ok(path),
            Err(Errno::NotFound | Errno::NotDirectory) => Err(NotStarted::NotFound),
            Err(error) => Err(NotStarted::Denied(error)),
        };
    }
    let mut denied = None;
    let path = ctx.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    for dir in path.split(':').filter(|d| !d.is_empty()) {
        let candidate = format!("{dir}/{command}");
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::Access) if system.files.stat(&ctx.user, &candidate, true).is_ok_and(|s| !s.is_dir()) => {
                denied = Some(Errno::Access);
            }
            Err(_) => {}
        }
    }
    Err(denied.map_or(NotStarted::NotFound, NotStarted::Denied))
}

/// Runs `ctx.argv`; 127 or 126, with the usual words, where it can not be.
pub fn run(ctx: &mut Exec) -> i32 {
    let Some(command) = ctx.argv.first().cloned() else { return 0 };
    match find(ctx, &command) {
        Ok(path) => run_file(ctx, &path),
        Err(NotStarted::NotFound) => {
            ctx.errln(format!("{command}: No such file or directory"));
            127
        }
        Err(NotStarted::Denied(error)) => {
            ctx.errln(format!("{command}: {error}"));
            126
        }
    }
}

/// Runs the program in the file at `path` with `ctx.argv`.
pub fn run_file(ctx: &mut Exec, path: &str) -> i32 {
    if let Some(status) = ctx.cancel.status() {
        return status;
    }
    let base = split(path).1.to_owned();
    if let Some(fault) = ctx.machine.command_fault(&base) {
        ctx.errln(&fault.text);
        return fault.status;
    }
    // Read as root: a program may be run without being readable.
    let content = ctx.system().files.read(&super::model::users::Credentials::root(), path);
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            ctx.errln(format!("{path}: {error}"));
            return 126;
        }
    };
    if let Some(rest) = content.strip_prefix(MARKER.as_bytes()) {
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        let name = String::from_utf8_lossy(line).into_owned();
        let Some(program) = ctx.machine.program(&name) else {
            ctx.errln(format!("{path}: cannot execute binary file: Exec format error"));
            return 126;
        };
        let status = program.run(ctx);
        return finish(ctx, status);
    }
    let text = String::from_utf8_lossy(&content);
    if let Some(line) = text.strip_prefix("#!") {
        let line = line.lines().next().unwrap_or_default().trim();
        let (interpreter, argument) = line
            .split_once(char::is_whitespace)
            .map_or((line, None), |(a, b)| (a, Some(b.trim().to_owned())));
        let mut argv = vec![interpreter.to_owned()];
        argv.extend(argument);
        argv.push(path.to_owned());
        argv.extend(ctx.argv.iter().skip(1).cloned());
        let called = ctx.argv.first().cloned().unwrap_or_default();
        ctx.argv = argv;
        return match find(ctx, interpreter) {
            Ok(file) => run_file(ctx, &file),
            Err(_) => {
                ctx.errln(format!("{called}: {interpreter}: bad interpreter: No such file or directory"));
                126
            }
        };
    }
    if content.contains(&0) {
        ctx.errln(format!("{path}: cannot execute binary file: Exec format error"));
        return 126;
    }
    // ENOEXEC: a shell runs it as a script.
    let mut argv = vec!["sh".to_owned(), path.to_owned()];
    argv.extend(ctx.argv.iter().skip(1).cloned());
    ctx.argv = argv;
    shell::program(ctx)
}

fn finish(ctx: &mut Exec, status: i32) -> i32 {
    if let Some(ended) = ctx.cancel.status() {
        return ended;
    }
    match ctx.write_error.take() {
        None => status,
        // SIGPIPE ends a program without a word.
        Some(Errno::Pipe) => 141,
        Some(error) => ctx.fail(if status == 0 { 1 } else { status }, format!("write error: {error}")),
    }
}
