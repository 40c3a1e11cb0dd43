//! Check sums and base64.

use sha2::Digest;

use super::inputs;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

pub(super) fn sums(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let long = ctx.name() == "sha512sum";
    let digest = |data: &[u8]| {
        if long {
            hex::encode(sha2::Sha512::digest(data))
        } else {
            hex::encode(sha2::Sha256::digest(data))
        }
    };
    let (contents, mut status) = inputs(ctx, &files);
    for (name, content) in contents {
        if !has(&flags, &["c", "--check"]) {
            ctx.outln(format!("{}  {name}", digest(&content)));
            continue;
        }
        let mut failed = 0;
        for line in String::from_utf8_lossy(&content).lines() {
            let Some((sum, file)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            let file = file.trim_start_matches([' ', '*']);
            let data = ctx.read_file(file);
            match data {
                Ok(data) if digest(&data) == sum => {
                    if !has(&flags, &["--status", "--quiet"]) {
                        ctx.outln(format!("{file}: OK"));
                    }
                }
                Ok(_) => {
                    failed += 1;
                    if !has(&flags, &["--status"]) {
                        ctx.outln(format!("{file}: FAILED"));
                    }
                }
                Err(error) => {
                    failed += 1;
                    ctx.fail(1, format!("{file}: {error}"));
                }
            }
        }
        if failed > 0 {
            status = 1;
            if !has(&flags, &["--status"]) {
                ctx.fail(1, format!("WARNING: {failed} computed checksum did NOT match"));
            }
        }
    }
    status
}

pub(super) fn base64(ctx: &mut Exec) -> i32 {
    use base64::Engine;
    let (flags, files) = options(&ctx.args(), "w");
    let (contents, status) = inputs(ctx, &files);
    for (_, content) in contents {
        if has(&flags, &["d", "--decode"]) {
            let text: Vec<u8> = content.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
            match base64::engine::general_purpose::STANDARD.decode(&text) {
                Ok(data) => ctx.out(data),
                Err(_) => return ctx.fail(1, "invalid input"),
            }
        } else {
            let text = base64::engine::general_purpose::STANDARD.encode(&content);
            let width: usize = value(&flags, &["w", "--wrap"]).and_then(|w| w.parse().ok()).unwrap_or(76);
            if width == 0 {
                ctx.out(text);
            } else {
                for part in text.as_bytes().chunks(width) {
                    ctx.outln(String::from_utf8_lossy(part));
                }
            }
        }
    }
    status
}
