//! Programs that read text and write text.

use sha2::Digest;

use super::{has, options, value};
use crate::machine::process::Exec;

pub(super) fn find(name: &str) -> Option<fn(&mut Exec) -> i32> {
    Some(match name {
        "cat" => cat,
        "head" => head,
        "tail" => tail,
        "wc" => wc,
        "tr" => tr,
        "cut" => cut,
        "sort" => sort,
        "uniq" => uniq,
        "grep" | "egrep" | "fgrep" => grep,
        "sed" => sed,
        "tee" => tee,
        "cmp" => cmp,
        "sha256sum" | "sha512sum" => sums,
        "base64" => base64,
        "printf" => |ctx| {
            let args = ctx.args();
            crate::machine::shell::format_arguments(ctx, &args)
        },
        "echo" => |ctx| {
            let mut args = ctx.args();
            let newline = args.first().map(String::as_str) != Some("-n");
            if !newline {
                args.remove(0);
            }
            ctx.out(args.join(" ") + if newline { "\n" } else { "" });
            0
        },
        "true" => |_| 0,
        "false" => |_| 1,
        "seq" => |ctx| {
            let n: Vec<i64> = ctx.args().iter().filter_map(|a| a.parse().ok()).collect();
            let (from, step, to) = match n[..] {
                [to] => (1, 1, to),
                [from, to] => (from, 1, to),
                [from, step, to] if step != 0 => (from, step, to),
                _ => return ctx.fail(1, "missing operand"),
            };
            let mut at = from;
            while if step > 0 { at <= to } else { at >= to } {
                ctx.outln(at.to_string());
                at += step;
                if ctx.ended() {
                    break;
                }
            }
            0
        },
        "yes" => |ctx| {
            while !ctx.ended() {
                ctx.out("y\n");
            }
            0
        },
        "test" | "[" => |ctx| {
            let mut args = ctx.args();
            if ctx.name() == "[" {
                args.pop();
            }
            match super::test_expression(ctx, &args) {
                Ok(met) => i32::from(!met),
                Err(words) => ctx.fail(2, words),
            }
        },
        _ => return None,
    })
}

/// Reads each operand (standard input if none), reporting what can not be read.
fn inputs(ctx: &mut Exec, files: &[String]) -> (Vec<(String, Vec<u8>)>, i32) {
    let stdin = vec!["-".to_owned()];
    let mut status = 0;
    let mut out = Vec::new();
    for file in if files.is_empty() { &stdin } else { files } {
        let content = ctx.read_file(file);
        match content {
            Ok(content) => out.push((file.clone(), content)),
            Err(error) => {
                status = ctx.fail(1, format!("{file}: {error}"));
            }
        }
    }
    (out, status)
}

fn lines(data: &[u8]) -> Vec<&[u8]> {
    let mut all: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    if all.last().is_some_and(|l| l.is_empty()) {
        all.pop();
    }
    all
}

fn cat(ctx: &mut Exec) -> i32 {
    let (_, files) = options(&ctx.args(), "");
    let files = if files.is_empty() { vec!["-".to_owned()] } else { files };
    let mut status = 0;
    for file in files {
        if file == "-" {
            loop {
                let part = ctx.stdin.read(1 << 16, &ctx.cancel);
                if part.is_empty() || ctx.ended() {
                    break;
                }
                ctx.out(part);
            }
            continue;
        }
        let content = ctx.read_file(&file);
        match content {
            Ok(content) => ctx.out(content),
            Err(error) => status = ctx.fail(1, format!("{file}: {error}")),
        }
    }
    status
}

fn count(text: &str) -> Option<usize> {
    let text = text.trim_start_matches('+');
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(d) => (d, 1024),
        None => text.strip_suffix('M').map_or((text, 1), |d| (d, 1 << 20)),
    };
    digits.parse::<usize>().ok().map(|n| n * factor)
}

/// `-3` is `-n 3`.
fn old_style(args: Vec<String>) -> Vec<String> {
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

fn head(ctx: &mut Exec) -> i32 {
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

fn tail(ctx: &mut Exec) -> i32 {
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

fn wc(ctx: &mut Exec) -> i32 {
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

fn set_of(text: &str) -> Vec<u8> {
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

fn tr(ctx: &mut Exec) -> i32 {
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

fn ranges(text: &str) -> Vec<(usize, usize)> {
    text.split(',')
        .filter_map(|part| match part.split_once('-') {
            Some((a, b)) => Some((a.parse().unwrap_or(1), b.parse().unwrap_or(usize::MAX))),
            None => part.parse().ok().map(|n| (n, n)),
        })
        .collect()
}

fn cut(ctx: &mut Exec) -> i32 {
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

fn sort(ctx: &mut Exec) -> i32 {
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

fn uniq(ctx: &mut Exec) -> i32 {
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

/// A POSIX basic (or extended) regular expression in the syntax of the `regex` crate.
fn expression(pattern: &str, extended: bool, ignore_case: bool, word: bool) -> Result<regex::Regex, regex::Error> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut start = true;
    while let Some(c) = chars.next() {
        match c {
            '[' => {
                out.push('[');
                if let Some(n) = chars.next_if_eq(&'^') {
                    out.push(n);
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
                while let Some(c) = chars.next() {
                    match c {
                        ']' => break,
                        '[' if chars.peek() == Some(&':') => {
                            out.push('[');
                            for c in chars.by_ref() {
                                out.push(c);
                                if c == ']' {
                                    break;
                                }
                            }
                        }
                        '[' | '\\' | '&' | '~' => {
                            out.push('\\');
                            out.push(c);
                        }
                        c => out.push(c),
                    }
                }
                out.push(']');
            }
            '\\' => match chars.next() {
                Some(c @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) if !extended => out.push(c),
                Some('<') => out.push_str("\\b{start}"),
                Some('>') => out.push_str("\\b{end}"),
                Some(c @ ('s' | 'S' | 'w' | 'W' | 'b' | 'B' | 'n' | 't')) => {
                    out.push('\\');
                    out.push(c);
                }
                Some(c) => out.push_str(&regex::escape(&c.to_string())),
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' if !extended => {
                out.push('\\');
                out.push(c);
            }
            '*' if start => out.push_str("\\*"),
            c => out.push(c),
        }
        start = matches!(c, '^') && start;
    }
    if word {
        out = format!("\\b(?:{out})\\b");
    }
    regex::RegexBuilder::new(&out).case_insensitive(ignore_case).build()
}

fn grep(ctx: &mut Exec) -> i32 {
    let (flags, mut rest) = options(&ctx.args(), "efmABC");
    let mut patterns: Vec<String> = flags.iter().filter(|(f, _)| f == "e").map(|(_, v)| v.clone()).collect();
    if patterns.is_empty() {
        if rest.is_empty() {
            return ctx.fail(2, "no pattern");
        }
        patterns.push(rest.remove(0));
    }
    let fixed = has(&flags, &["F"]) || ctx.name() == "fgrep";
    let extended = has(&flags, &["E", "P"]) || ctx.name() == "egrep";
    let mut compiled = Vec::new();
    for pattern in patterns.iter().flat_map(|p| p.split('\n')) {
        let (mut text, mut ext) = (pattern.to_owned(), extended);
        if fixed {
            text = pattern
                .chars()
                .map(|c| {
                    if "\\.[]*^$+?(){}|".contains(c) {
                        format!("\\{c}")
                    } else {
                        c.to_string()
                    }
                })
                .collect();
            ext = true;
        }
        if has(&flags, &["x"]) {
            text = if ext { format!("^({text})$") } else { format!("^\\({text}\\)$") };
        }
        match expression(&text, ext, has(&flags, &["i", "y"]), has(&flags, &["w"])) {
            Ok(regex) => compiled.push(regex),
            Err(_) => return ctx.fail(2, format!("invalid regular expression: {pattern}")),
        }
    }
    let quiet = has(&flags, &["q", "--quiet", "--silent"]);
    let names = has(&flags, &["H"]) || (rest.len() > 1 && !has(&flags, &["h"]));
    let mut matched = false;
    let mut trouble = false;
    let files = if rest.is_empty() { vec!["-".to_owned()] } else { rest };
    for file in files {
        let content = ctx.read_file(&file);
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                trouble = true;
                if !has(&flags, &["s"]) {
                    ctx.errln(format!("grep: {file}: {error}"));
                }
                continue;
            }
        };
        let mut found = 0;
        for (index, line) in lines(&content).into_iter().enumerate() {
            let line = String::from_utf8_lossy(line).into_owned();
            let hit = compiled.iter().any(|r| r.is_match(&line)) != has(&flags, &["v"]);
            if !hit {
                continue;
            }
            matched = true;
            found += 1;
            if quiet {
                return 0;
            }
            if has(&flags, &["c", "l"]) {
                continue;
            }
            let mut prefix = if names { format!("{file}:") } else { String::new() };
            if has(&flags, &["n"]) {
                prefix.push_str(&format!("{}:", index + 1));
            }
            if has(&flags, &["o"]) {
                let parts: Vec<String> = compiled
                    .iter()
                    .flat_map(|r| r.find_iter(&line))
                    .map(|m| m.as_str().to_owned())
                    .collect();
                for part in parts {
                    ctx.outln(format!("{prefix}{part}"));
                }
            } else {
                ctx.outln(format!("{prefix}{line}"));
            }
            if value(&flags, &["m"])
                .and_then(|m| m.parse::<usize>().ok())
                .is_some_and(|m| found >= m)
            {
                break;
            }
        }
        if has(&flags, &["l"]) && found > 0 {
            ctx.outln(&file);
        } else if has(&flags, &["c"]) {
            ctx.outln(if names { format!("{file}:{found}") } else { found.to_string() });
        }
    }
    if trouble && !(matched && quiet) { 2 } else { i32::from(!matched) }
}

enum Address {
    Line(usize),
    Last,
    Pattern(regex::Regex),
}

struct Edit {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    command: char,
    regex: Option<regex::Regex>,
    text: String,
    global: bool,
    print: bool,
    inside: bool,
}

fn delimited(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> String {
    let mut out = String::new();
    while let Some(c) = chars.next() {
        if c == end {
            break;
        }
        if c == '\\' {
            match chars.next() {
                Some(n) if n == end => out.push(n),
                Some(n) => {
                    out.push('\\');
                    out.push(n);
                }
                None => out.push('\\'),
            }
            continue;
        }
        out.push(c);
    }
    out
}

fn edits(script: &str, extended: bool) -> Result<Vec<Edit>, String> {
    let mut out = Vec::new();
    let mut chars = script.chars().peekable();
    let compile = |text: &str, case: bool| {
        expression(text, extended, case, false).map_err(|_| "unterminated or invalid regular expression".to_owned())
    };
    let address = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> Result<Option<Address>, String> {
        Ok(match chars.peek() {
            Some('$') => {
                chars.next();
                Some(Address::Last)
            }
            Some('/') => {
                chars.next();
                Some(Address::Pattern(compile(&delimited(chars, '/'), false)?))
            }
            Some(c) if c.is_ascii_digit() => {
                let mut digits = String::new();
                while let Some(d) = chars.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                digits.parse().ok().map(Address::Line)
            }
            _ => None,
        })
    };
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ';').is_some() {}
        if chars.peek().is_none() {
            return Ok(out);
        }
        let from = address(&mut chars)?;
        let to = if chars.next_if_eq(&',').is_some() {
            address(&mut chars)?
        } else {
            None
        };
        while chars.next_if_eq(&' ').is_some() {}
        let negated = chars.next_if_eq(&'!').is_some();
        let command = chars.next().ok_or("missing command")?;
        let mut edit = Edit {
            from,
            to,
            negated,
            command,
            regex: None,
            text: String::new(),
            global: false,
            print: false,
            inside: false,
        };
        match command {
            's' => {
                let end = chars.next().ok_or("unterminated `s' command")?;
                let pattern = delimited(&mut chars, end);
                edit.text = delimited(&mut chars, end);
                let mut case = false;
                while let Some(flag) = chars.next_if(|c| c.is_ascii_alphanumeric()) {
                    match flag {
                        'g' => edit.global = true,
                        'p' => edit.print = true,
                        'i' | 'I' => case = true,
                        _ => return Err("unknown option to `s'".into()),
                    }
                }
                edit.regex = Some(compile(&pattern, case)?);
            }
            'd' | 'p' | 'q' | '=' => {}
            'a' | 'i' | 'c' => {
                let rest: String = std::iter::from_fn(|| chars.next_if(|c| *c != '\n')).collect();
                rest.trim_start().trim_start_matches('\\').trim_start().clone_into(&mut edit.text);
                if edit.text.is_empty() && chars.next_if_eq(&'\n').is_some() {
                    edit.text = std::iter::from_fn(|| chars.next_if(|c| *c != '\n')).collect();
                }
            }
            other => return Err(format!("unknown command: `{other}'")),
        }
        out.push(edit);
    }
}

fn replacement(text: &str, captures: &regex::Captures<'_>) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str(&captures[0]),
            '\\' => match chars.next() {
                Some(d) if d.is_ascii_digit() => out.push_str(captures.get(d as usize - '0' as usize).map_or("", |m| m.as_str())),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(c) => out.push(c),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

fn transform(text: &str, edits: &mut [Edit], quiet: bool) -> String {
    let all: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (index, line) in all.iter().enumerate() {
        let mut space = (*line).to_owned();
        let (mut deleted, mut after, mut quit) = (false, String::new(), false);
        for edit in edits.iter_mut() {
            let hit = |address: &Address, space: &str| match address {
                Address::Line(n) => index + 1 == *n,
                Address::Last => index + 1 == all.len(),
                Address::Pattern(regex) => regex.is_match(space),
            };
            let chosen = match (&edit.from, &edit.to) {
                (None, _) => true,
                (Some(from), None) => hit(from, &space),
                (Some(from), Some(to)) => {
                    if edit.inside {
                        edit.inside = !hit(to, &space);
                        true
                    } else if hit(from, &space) {
                        edit.inside = !matches!(to, Address::Line(n) if *n <= index + 1);
                        true
                    } else {
                        false
                    }
                }
            };
            if chosen == edit.negated {
                continue;
            }
            match edit.command {
                'd' => {
                    deleted = true;
                    break;
                }
                'p' => out.push_str(&format!("{space}\n")),
                'q' => {
                    quit = true;
                    break;
                }
                '=' => out.push_str(&format!("{}\n", index + 1)),
                'a' => after.push_str(&format!("{}\n", edit.text)),
                'i' => out.push_str(&format!("{}\n", edit.text)),
                'c' => {
                    out.push_str(&format!("{}\n", edit.text));
                    deleted = true;
                    break;
                }
                _ => {
                    if let Some(regex) = &edit.regex
                        && regex.is_match(&space)
                    {
                        let new = |c: &regex::Captures<'_>| replacement(&edit.text, c);
                        space = if edit.global {
                            regex.replace_all(&space, new).into_owned()
                        } else {
                            regex.replace(&space, new).into_owned()
                        };
                        if edit.print {
                            out.push_str(&format!("{space}\n"));
                        }
                    }
                }
            }
        }
        if !deleted && !quiet {
            out.push_str(&space);
            out.push('\n');
        }
        out.push_str(&after);
        if quit {
            break;
        }
    }
    if !text.ends_with('\n') && out.ends_with('\n') {
        out.pop();
    }
    out
}

fn sed(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    // `-i` takes its suffix only when attached.
    let in_place = args.iter().any(|a| a == "-i" || a.starts_with("-i.") || a == "--in-place");
    let args: Vec<String> = args
        .into_iter()
        .filter(|a| a != "-i" && !a.starts_with("-i.") && a != "--in-place")
        .collect();
    let (flags, mut rest) = options(&args, "e");
    let mut scripts: Vec<String> = flags.iter().filter(|(f, _)| f == "e").map(|(_, v)| v.clone()).collect();
    if scripts.is_empty() {
        if rest.is_empty() {
            return ctx.fail(1, "no script specified");
        }
        scripts.push(rest.remove(0));
    }
    let extended = has(&flags, &["E", "r"]);
    let script = scripts.join("\n");
    if let Err(error) = edits(&script, extended) {
        return ctx.fail(1, format!("-e expression #1, char 1: {error}"));
    }
    let (contents, status) = inputs(ctx, &rest);
    for (name, content) in contents {
        let Ok(mut parsed) = edits(&script, extended) else { return 1 };
        let result = transform(&String::from_utf8_lossy(&content), &mut parsed, has(&flags, &["n"]));
        if in_place {
            if let Err(error) = ctx.write_file(&name, result, 0o644) {
                return ctx.fail(4, format!("couldn't open file {name}: {error}"));
            }
        } else {
            ctx.out(result);
        }
    }
    if status == 0 { 0 } else { 2 }
}

fn tee(ctx: &mut Exec) -> i32 {
    let (flags, files) = options(&ctx.args(), "");
    let data = ctx.read_all();
    let mut status = 0;
    for file in files {
        let mut content = if has(&flags, &["a"]) {
            ctx.read_file(&file).unwrap_or_default()
        } else {
            Vec::new()
        };
        content.extend(&data);
        let written = ctx.write_file(&file, content, 0o666);
        if let Err(error) = written {
            status = ctx.fail(1, format!("{file}: {error}"));
        }
    }
    ctx.out(data);
    status
}

fn cmp(ctx: &mut Exec) -> i32 {
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

fn sums(ctx: &mut Exec) -> i32 {
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

fn base64(ctx: &mut Exec) -> i32 {
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
