//! `grep`, and the regular expressions that it shares with `sed`.

use super::lines;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options, value};

/// A POSIX basic (or extended) regular expression in the syntax of the `regex` crate.
pub(super) fn expression(pattern: &str, extended: bool, ignore_case: bool, word: bool) -> Result<regex::Regex, regex::Error> {
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

pub(super) fn grep(ctx: &mut Exec) -> i32 {
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
