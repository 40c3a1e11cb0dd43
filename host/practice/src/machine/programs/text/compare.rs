//! `cmp` and `diff`.

use crate::machine::process::Exec;
use crate::machine::programs::{has, options};

pub(super) fn cmp(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let [a, b] = &files[..] else {
        return ctx.fail(2, "missing operand");
    };
    let mut read = |file: &str| -> Result<Vec<u8>, i32> {
        let content = ctx.read_file(file);
        content.map_err(|error| {
            if has(&flags, &["s"]) {
                2
            } else {
                ctx.fail(2, format!("{file}: {error}"))
            }
        })
    };
    let (x, y) = match (read(a), read(b)) {
        (Ok(x), Ok(y)) => (x, y),
        (Err(status), _) | (_, Err(status)) => return status,
    };
    if x == y {
        return 0;
    }
    if !has(&flags, &["s"]) {
        match x.iter().zip(&y).position(|(p, q)| p != q) {
            Some(at) => {
                let line = memchr::memchr_iter(b'\n', &x[..at]).count() + 1;
                ctx.outln(format!("{a} {b} differ: byte {}, line {line}", at + 1));
            }
            None => {
                let (short, n) = if x.len() < y.len() { (a, x.len()) } else { (b, y.len()) };
                ctx.errln(format!("cmp: EOF on {short} after byte {n}"));
            }
        }
    }
    1
}
