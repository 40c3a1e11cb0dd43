//! `echo` and `printf`.

use super::super::{Shell, Step};

pub(super) fn echo(sh: &mut Shell, argv: &[String]) -> Step {
    let mut args = &argv[1..];
    let mut newline = true;
    let mut escaped = !sh.bash;
    while let Some(first) = args.first() {
        match first.as_str() {
            "-n" => newline = false,
            "-e" if sh.bash => escaped = true,
            "-E" if sh.bash => escaped = false,
            _ => break,
        }
        args = &args[1..];
    }
    let text = args.join(" ");
    let (mut bytes, stop) = if escaped {
        escapes(&text, true)
    } else {
        (text.into_bytes(), false)
    };
    if newline && !stop {
        bytes.push(b'\n');
    }
    sh.ctx.out(bytes);
    Ok(0)
}

/// Backslash escapes as `echo` (octal only after `\0`) and `printf` have them; whether `\c` ended the output.
pub(crate) fn escapes(text: &str, echo: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' || at + 1 == bytes.len() {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        at += 2;
        match bytes[at - 1] {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'\'' if !echo => out.push(b'\''),
            b'"' if !echo => out.push(b'"'),
            b'e' if !echo => out.push(27),
            b'c' => return (out, true),
            b'0'..=b'7' if !echo || bytes[at - 1] == b'0' => {
                let first = if echo { at } else { at - 1 };
                let mut n = 0u32;
                let mut end = first;
                while end < bytes.len() && end < first + 3 && (b'0'..=b'7').contains(&bytes[end]) {
                    n = n * 8 + u32::from(bytes[end] - b'0');
                    end += 1;
                }
                out.push(n as u8);
                at = end;
            }
            b'x' if !echo => {
                let mut end = at;
                while end < bytes.len() && end < at + 2 && bytes[end].is_ascii_hexdigit() {
                    end += 1;
                }
                match u8::from_str_radix(&text[at..end], 16) {
                    Ok(n) => out.push(n),
                    Err(_) => out.extend(b"\\x"),
                }
                at = end;
            }
            other => {
                out.push(b'\\');
                out.push(other);
            }
        }
    }
    (out, false)
}

pub(super) fn printf(sh: &mut Shell, argv: &[String]) -> Step {
    let status = format_arguments(&mut sh.ctx, &argv[1..]);
    if status == 2 {
        sh.complain("printf: usage: printf format [arg ...]");
    }
    Ok(status)
}

/// `printf`, for the builtin and the program.
pub(crate) fn format_arguments(ctx: &mut crate::machine::Exec, args: &[String]) -> i32 {
    let args = if args.first().is_some_and(|a| a == "--") {
        &args[1..]
    } else {
        args
    };
    let Some((format, mut rest)) = args.split_first() else { return 2 };
    let mut status = 0;
    let mut out: Vec<u8> = Vec::new();
    loop {
        let before = rest.len();
        let mut plain = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\\' {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            if c != '%' {
                plain.push(c);
                continue;
            }
            let (bytes, stop) = escapes(&std::mem::take(&mut plain), false);
            out.extend(bytes);
            if stop {
                ctx.out(out);
                return status;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                out.push(b'%');
                continue;
            }
            let mut flags = String::new();
            while let Some(f) = chars.next_if(|c| "-+ #0".contains(*c)) {
                flags.push(f);
            }
            let take = |rest: &mut &[String]| -> Option<String> {
                let (first, more) = rest.split_first()?;
                *rest = more;
                Some(first.clone())
            };
            let size = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, rest: &mut &[String]| -> Option<i64> {
                if chars.next_if_eq(&'*').is_some() {
                    return take(rest).and_then(|a| a.parse().ok());
                }
                let mut digits = String::new();
                while let Some(d) = chars.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                digits.parse().ok()
            };
            let width = size(&mut chars, &mut rest);
            let precision = if chars.next_if_eq(&'.').is_some() {
                Some(size(&mut chars, &mut rest).unwrap_or(0))
            } else {
                None
            };
            let mut argument = || -> Option<String> {
                let (first, more) = rest.split_first()?;
                rest = more;
                Some(first.clone())
            };
            let left = flags.contains('-') || width.is_some_and(|w| w < 0);
            let width = usize::try_from(width.unwrap_or(0).abs()).unwrap_or(0);
            let mut stop = false;
            let conversion = chars.next();
            let numeric;
            let text: Vec<u8> = match conversion {
                Some('s') => {
                    let mut text = argument().unwrap_or_default().into_bytes();
                    if let Some(p) = precision {
                        text.truncate(usize::try_from(p).unwrap_or(0));
                    }
                    text
                }
                Some('b') => {
                    let (text, ends) = escapes(&argument().unwrap_or_default(), true);
                    stop = ends;
                    text
                }
                Some('c') => argument()
                    .and_then(|a| a.chars().next())
                    .map(String::from)
                    .unwrap_or_default()
                    .into_bytes(),
                Some(kind @ ('d' | 'i' | 'u' | 'o' | 'x' | 'X')) => {
                    numeric = precision.is_none();
                    let text = argument().unwrap_or_default();
                    let n = integer(&text).unwrap_or_else(|| {
                        ctx.errln(format!("{}: {text}: expected numeric value", ctx.name()));
                        status = 1;
                        0
                    });
                    let mut digits = match kind {
                        'o' => format!("{n:o}"),
                        'x' => format!("{n:x}"),
                        'X' => format!("{n:X}"),
                        'u' => n.cast_unsigned().to_string(),
                        _ => n.unsigned_abs().to_string(),
                    };
                    if let Some(p) = precision {
                        digits = format!(
                            "{}{digits}",
                            "0".repeat(usize::try_from(p).unwrap_or(0).saturating_sub(digits.len()))
                        );
                    }
                    let sign = match kind {
                        'd' | 'i' if n < 0 => "-",
                        'd' | 'i' if flags.contains('+') => "+",
                        'd' | 'i' if flags.contains(' ') => " ",
                        'o' if flags.contains('#') => "0",
                        'x' if flags.contains('#') && n != 0 => "0x",
                        'X' if flags.contains('#') && n != 0 => "0X",
                        _ => "",
                    };
                    if numeric && flags.contains('0') && !left {
                        digits = format!("{}{digits}", "0".repeat(width.saturating_sub(digits.len() + sign.len())));
                    }
                    format!("{sign}{digits}").into_bytes()
                }
                other => {
                    ctx.errln(format!(
                        "{}: %{}: invalid directive",
                        ctx.name(),
                        other.map(String::from).unwrap_or_default()
                    ));
                    ctx.out(out);
                    return 1;
                }
            };
            let pad = vec![b' '; width.saturating_sub(text.len())];
            if left {
                out.extend(text);
                out.extend(pad);
            } else {
                out.extend(pad);
                out.extend(text);
            }
            if stop {
                ctx.out(out);
                return status;
            }
        }
        let (bytes, stop) = escapes(&plain, false);
        out.extend(bytes);
        if stop || rest.is_empty() || rest.len() == before {
            break;
        }
    }
    ctx.out(out);
    status
}

pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    if let Some(c) = text.strip_prefix(['\'', '"']) {
        return c.chars().next().map(|c| i64::from(c as u32));
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.trim_start_matches('+')), |d| (true, d));
    let n = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -n } else { n })
}
