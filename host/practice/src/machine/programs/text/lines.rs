//! `head`, `tail`, `wc`, `tr`, `cut`, `uniq`: a line at a time.

use super::{inputs, lines};
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

pub(super) fn count(text: &str) -> Option<usize> {
    let text = text.trim_start_matches('+');
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(d) => (d, 1024),
        None => text.strip_suffix('M').map_or((text, 1), |d| (d, 1 << 20)),
    };
    digits.parse::<usize>().ok().map(|n| n * factor)
}

/// `-3` is `-n 3`.
pub(super) fn old_style(args: Vec<String>) -> Vec<String> {
    args.into_iter()
        .map(|a| {
            if a.len() > 1 && a.starts_with('-') && a[1..].chars().all(|c| c.is_ascii_digit()) {
                format!("-n{}", &a[1..])
            } else {
                a
            }
        })
        .collect()
}

pub(super) fn head(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&old_style(ctx.args()), "nc");
    let bytes = value(&flags, &["c", "--bytes"]).map(str::to_owned);
    let wanted = value(&flags, &["n", "--lines"]).unwrap_or("10").to_owned();
    if files.is_empty() {
        // Takes no more of standard input than asked for, so that what follows can be read by others.
        if let Some(text) = bytes {
            let Some(n) = count(&text) else {
                return ctx.fail(1, format!("invalid number of bytes: '{text}'"));
            };
            let data = ctx.stdin.exactly(n, &ctx.cancel);
            ctx.out(data);
        } else {
            let Some(n) = count(&wanted) else {
                return ctx.fail(1, format!("invalid number of lines: '{wanted}'"));
            };
            for _ in 0..n {
                let line = ctx.stdin.line(&ctx.cancel);
                if line.is_empty() {
                    break;
                }
                ctx.out(line);
            }
        }
        return 0;
    }
    let (contents, status) = inputs(ctx, &files);
    for (_, content) in contents {
        if let Some(n) = bytes.as_deref().and_then(count) {
            ctx.out(&content[..n.min(content.len())]);
        } else {
            let n = count(&wanted).unwrap_or(10);
            let part: Vec<u8> = content.split_inclusive(|b| *b == b'\n').take(n).flatten().copied().collect();
            ctx.out(part);
        }
    }
    status
}

pub(super) fn tail(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&old_style(ctx.args()), "nc");
    let (contents, status) = inputs(ctx, &files);
    for (_, content) in contents {
        let (text, by_bytes) =
            value(&flags, &["c", "--bytes"]).map_or((value(&flags, &["n", "--lines"]).unwrap_or("10"), false), |v| (v, true));
        let n = count(text.trim_start_matches('-')).unwrap_or(10);
        let from_start = text.starts_with('+');
        let pieces: Vec<&[u8]> = if by_bytes {
            content.chunks(1).collect()
        } else {
            content.split_inclusive(|b| *b == b'\n').collect()
        };
        let start = if from_start {
            n.saturating_sub(1).min(pieces.len())
        } else {
            pieces.len().saturating_sub(n)
        };
        ctx.out(pieces[start..].concat());
    }
    status
}

pub(super) fn wc(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let (contents, status) = inputs(ctx, &files);
    for (name, content) in contents {
        let text = String::from_utf8_lossy(&content);
        let mut fields = Vec::new();
        let all = flags.is_empty();
        if all || has(&flags, &["l"]) {
            fields.push(memchr::memchr_iter(b'\n', &content).count());
        }
        if all || has(&flags, &["w"]) {
            fields.push(text.split_whitespace().count());
        }
        if has(&flags, &["m"]) {
            fields.push(text.chars().count());
        }
        if all || has(&flags, &["c"]) {
            fields.push(content.len());
        }
        let width = if fields.len() > 1 { 7 } else { 0 };
        let mut line = fields.iter().map(|n| format!("{n:>width$}")).collect::<Vec<_>>().join(" ");
        if name != "-" {
            line.push_str(&format!(" {name}"));
        }
        ctx.outln(line);
    }
    status
}

pub(super) fn set_of(text: &str) -> Vec<u8> {
    let (bytes, _) = crate::machine::shell::escapes(text, false);
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = String::from_utf8_lossy(&bytes[at..]).into_owned();
        if let Some(end) = rest.strip_prefix("[:").and_then(|r| r.find(":]")) {
            let name = &rest[2..2 + end];
            out.extend((0u8..128).filter(|b| crate::machine::shell::pattern::class(name, *b as char)));
            at += end + 4;
        } else if at + 2 < bytes.len() && bytes[at + 1] == b'-' && bytes[at] <= bytes[at + 2] {
            out.extend(bytes[at]..=bytes[at + 2]);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

pub(super) fn tr(ctx: &mut Exec) -> i32 {
    let (flags, sets) = options(&ctx.args(), "");
    let Some(first) = sets.first() else {
        return ctx.fail(1, "missing operand");
    };
    let from = set_of(first);
    let to = sets.get(1).map(|s| set_of(s)).unwrap_or_default();
    let (delete, squeeze, complement) = (has(&flags, &["d"]), has(&flags, &["s"]), has(&flags, &["c", "C"]));
    let mut last = None;
    loop {
        let part = ctx.stdin.read(1 << 14, &ctx.cancel);
        if part.is_empty() || ctx.ended() {
            return 0;
        }
        let mut out = Vec::with_capacity(part.len());
        for b in part {
            let found = if complement {
                (!from.contains(&b)).then_some(usize::MAX)
            } else {
                from.iter().position(|f| *f == b)
            };
            if found.is_some() && delete {
                continue;
            }
            let mapped = match found {
                Some(index) if !to.is_empty() => to[index.min(to.len() - 1)],
                _ => b,
            };
            let squeezable = if to.is_empty() { found.is_some() } else { to.contains(&mapped) };
            if squeeze && squeezable && last == Some(mapped) {
                continue;
            }
            last = Some(mapped);
            out.push(mapped);
        }
        ctx.out(out);
    }
}

pub(super) fn ranges(text: &str) -> Vec<(usize, usize)> {
    text.split(',')
        .filter_map(|part| match part.split_once('-') {
            Some((a, b)) => Some((a.parse().unwrap_or(1), b.parse().unwrap_or(usize::MAX))),
            None => part.parse().ok().map(|n| (n, n)),
        })
        .collect()
}

pub(super) fn cut(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "dfcb");
    let delimiter = value(&flags, &["d"]).unwrap_or("\t").to_owned();
    let Some(list) = value(&flags, &["f", "c", "b"]).map(ranges) else {
        return ctx.fail(1, "you must specify a list of bytes, characters, or fields");
    };
    let by_field = has(&flags, &["f"]);
    let (contents, status) = inputs(ctx, &files);
    for (_, content) in contents {
        for line in lines(&content) {
            let line = String::from_utf8_lossy(line).into_owned();
            let wanted = |i: usize| list.iter().any(|(a, b)| (*a..=*b).contains(&(i + 1)));
            if !by_field {
                ctx.outln(
                    line.chars()
                        .enumerate()
                        .filter(|(i, _)| wanted(*i))
                        .map(|(_, c)| c)
                        .collect::<String>(),
                );
            } else if line.contains(&delimiter) {
                let fields: Vec<&str> = line
                    .split(&delimiter)
                    .enumerate()
                    .filter(|(i, _)| wanted(*i))
                    .map(|(_, f)| f)
                    .collect();
                ctx.outln(fields.join(&delimiter));
            } else if !has(&flags, &["s"]) {
                ctx.outln(line);
            }
        }
    }
    status
}

pub(super) fn uniq(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let (contents, status) = inputs(ctx, &files);
    for (_, content) in contents {
        let mut groups: Vec<(usize, Vec<u8>)> = Vec::new();
        for line in lines(&content) {
            match groups.last_mut() {
                Some((n, last)) if last == line => *n += 1,
                _ => groups.push((1, line.to_vec())),
            }
        }
        for (n, line) in groups {
            if (has(&flags, &["d"]) && n < 2) || (has(&flags, &["u"]) && n > 1) {
                continue;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            ctx.outln(if has(&flags, &["c"]) { format!("{n:>7} {line}") } else { line });
        }
    }
    status
}
