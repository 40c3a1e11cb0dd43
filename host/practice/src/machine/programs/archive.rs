//! Archives: plain `tar` as the real format has it, and the onedir tarball, whose compression is only marked.

use std::io::Read;

use sha2::Digest;

use super::{has, options, value};
use crate::machine::launch::program_file;
use crate::machine::process::Exec;

/// How a file begins that stands for something compressed with xz: the real magic, then a marker.
pub const XZ: &[u8] = b"\xfd7zXZ\0simulated\n";

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "tar" => tar,
        _ => return None,
    })
}

/// The hexadecimal digest.
pub fn sha256(data: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(data))
}

/// The onedir tarball of Salt.
pub fn onedir() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in [
        "salt",
        "salt-call",
        "salt-minion",
        "salt-master",
        "salt-key",
        "salt-run",
        "salt-pip",
    ] {
        let content = program_file(name);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        // Writing to memory can not fail, and the names are short.
        let _ = builder.append_data(&mut header, format!("salt/{name}"), &content[..]);
    }
    [XZ, &builder.into_inner().unwrap_or_default()].concat()
}

fn tar(ctx: &mut Exec) -> i32 {
    let mut args = ctx.args();
    if let Some(first) = args.first_mut()
        && !first.starts_with('-')
    {
        first.insert(0, '-');
    }
    let (flags, names) = options(&args, "fC");
    let dir = value(&flags, &["C", "--directory"]).map_or_else(|| ctx.cwd.clone(), |d| ctx.path(d));
    let file = value(&flags, &["f", "--file"]).unwrap_or("-").to_owned();
    let strip: usize = value(&flags, &["--strip-components"]).and_then(|n| n.parse().ok()).unwrap_or(0);
    if !ctx.system().files.stat(&ctx.user, &dir, true).is_ok_and(|s| s.is_dir()) {
        ctx.fail(2, format!("{dir}: Cannot open: No such file or directory"));
        return ctx.fail(2, "Error is not recoverable: exiting now");
    }
    if has(&flags, &["c", "--create"]) {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut child = ctx.child(vec!["find".into(), name.clone()]);
            child.cwd.clone_from(&dir);
            let (out, bytes) = crate::machine::process::Output::buffer();
            child.stdout = out;
            if crate::machine::launch::run(&mut child) != 0 {
                return 2;
            }
            let listed = String::from_utf8_lossy(&crate::machine::process::lock(&bytes)).into_owned();
            for path in listed.lines() {
                let full = crate::machine::model::files::absolute(&dir, path);
                let system = ctx.system();
                let Ok(stat) = system.files.stat(&ctx.user, &full, false) else {
                    continue;
                };
                let mut header = tar::Header::new_gnu();
                header.set_mode(stat.mode);
                header.set_uid(u64::from(stat.uid));
                header.set_gid(u64::from(stat.gid));
                let content = if stat.is_file() {
                    system.files.read(&ctx.user, &full).map(|c| c.to_vec()).unwrap_or_default()
                } else {
                    Vec::new()
                };
                header.set_size(content.len() as u64);
                if stat.is_dir() {
                    header.set_entry_type(tar::EntryType::Directory);
                }
                drop(system);
                if let Err(error) = builder.append_data(&mut header, path.trim_start_matches('/'), &content[..]) {
                    return ctx.fail(2, format!("{path}: {error}"));
                }
            }
        }
        let data = builder.into_inner().unwrap_or_default();
        if file == "-" {
            ctx.out(data);
        } else if let Err(error) = ctx.write_file(&file, data, 0o666) {
            return ctx.fail(2, format!("{file}: Cannot open: {error}"));
        }
        return 0;
    }
    let data = match ctx.read_file(&file) {
        Ok(data) => data,
        Err(error) => {
            ctx.fail(2, format!("{file}: Cannot open: {error}"));
            return ctx.fail(2, "Error is not recoverable: exiting now");
        }
    };
    let data = data.strip_prefix(XZ).map(<[u8]>::to_vec).unwrap_or(data);
    let mut archive = tar::Archive::new(&data[..]);
    let Ok(entries) = archive.entries() else {
        return ctx.fail(2, "This does not look like a tar archive");
    };
    let mut seen = false;
    for entry in entries {
        let Ok(mut entry) = entry else {
            return ctx.fail(2, "This does not look like a tar archive");
        };
        seen = true;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if has(&flags, &["t", "--list"]) {
            ctx.outln(name);
            continue;
        }
        let kept: Vec<&str> = name
            .split('/')
            .filter(|p| !p.is_empty() && *p != "." && *p != "..")
            .skip(strip)
            .collect();
        if kept.is_empty() {
            continue;
        }
        let path = crate::machine::model::files::absolute(&dir, &kept.join("/"));
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        let mut content = Vec::new();
        if entry.read_to_end(&mut content).is_err() {
            return ctx.fail(2, "Unexpected EOF in archive");
        }
        let parent = crate::machine::model::files::split(&path).0.to_owned();
        if ctx.call(&["mkdir", "-p", &parent]) != 0 {
            return 2;
        }
        let written = {
            let mut system = ctx.system();
            if entry.header().entry_type().is_dir() {
                if system.files.exists(&path) {
                    Ok(())
                } else {
                    system.files.mkdir(&ctx.user, &path, mode).map(|_| ())
                }
            } else {
                system
                    .files
                    .write(&ctx.user, &path, content, mode)
                    .and_then(|()| system.files.chmod(&ctx.user, &path, mode))
            }
        };
        if let Err(error) = written {
            return ctx.fail(2, format!("{name}: Cannot open: {error}"));
        }
    }
    if seen || data.is_empty() || data.iter().all(|b| *b == 0) {
        0
    } else {
        ctx.fail(2, "This does not look like a tar archive")
    }
}
