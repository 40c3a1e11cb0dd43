//! `sort`.

use super::inputs;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

pub(super) fn sort(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "kto");
    let (contents, status) = inputs(ctx, &files);
    let zero = has(&flags, &["z"]);
    let separator = if zero { 0u8 } else { b'\n' };
    let joined: Vec<u8> = contents
        .iter()
        .flat_map(|(_, c)| {
            if c.is_empty() || c.last() == Some(&separator) {
                c.clone()
            } else {
                [&c[..], &[separator]].concat()
            }
        })
        .collect();
    let mut all: Vec<Vec<u8>> = joined.split(|b| *b == separator).map(<[u8]>::to_vec).collect();
    all.pop();
    let key = value(&flags, &["k"]).and_then(|k| {
        k.split([',', '.'])
            .next()?
            .trim_end_matches(char::is_alphabetic)
            .parse::<usize>()
            .ok()
    });
    let delimiter = value(&flags, &["t"]).map(str::to_owned);
    let numeric = has(&flags, &["n"]) || value(&flags, &["k"]).is_some_and(|k| k.ends_with('n'));
    let pick = |line: &[u8]| -> String {
        let line = String::from_utf8_lossy(line).into_owned();
        match (key, &delimiter) {
            (None, _) => line,
            (Some(k), Some(d)) => line.split(d.as_str()).skip(k - 1).collect::<Vec<_>>().join(d),
            (Some(k), None) => line.split_whitespace().skip(k - 1).collect::<Vec<_>>().join(" "),
        }
    };
    let number = |t: &str| {
        t.trim_start()
            .chars()
            .enumerate()
            .take_while(|(i, c)| c.is_ascii_digit() || (*i == 0 && *c == '-'))
            .map(|(_, c)| c)
            .collect::<String>()
            .parse::<i64>()
            .unwrap_or(0)
    };
    all.sort_by(|a, b| {
        let (x, y) = (pick(a), pick(b));
        if numeric {
            number(&x).cmp(&number(&y)).then_with(|| a.cmp(b))
        } else {
            x.cmp(&y).then_with(|| a.cmp(b))
        }
    });
    if has(&flags, &["r"]) {
        all.reverse();
    }
    if has(&flags, &["u"]) {
        all.dedup();
    }
    let out: Vec<u8> = all
        .into_iter()
        .flat_map(|mut l| {
            l.push(separator);
            l
        })
        .collect();
    match value(&flags, &["o"]) {
        Some(path) => {
            if let Err(error) = ctx.write_file(path, out, 0o666) {
                return ctx.fail(2, format!("open failed: {path}: {error}"));
            }
        }
        None => ctx.out(out),
    }
    if status == 0 { 0 } else { 2 }
}
