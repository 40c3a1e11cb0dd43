//! `sed`.

use super::grep::expression;
use super::inputs;
use crate::machine::process::Exec;
use crate::machine::programs::{has, options};

pub(super) enum Address {
    Line(usize),
    Last,
    Pattern(regex::Regex),
}

pub(super) struct Edit {
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

pub(super) fn delimited(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) -> String {
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

pub(super) fn edits(script: &str, extended: bool) -> Result<Vec<Edit>, String> {
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

pub(super) fn replacement(text: &str, captures: &regex::Captures<'_>) -> String {
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

pub(super) fn transform(text: &str, edits: &mut [Edit], quiet: bool) -> String {
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

pub(super) fn sed(ctx: &mut Exec) -> i32 {
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
