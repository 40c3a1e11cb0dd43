//! What sets variables, parameters and options: `export`, `local`, `set`, `shift`, `unset`, `read`, `getopts`.

use super::super::{Flow, Shell, Step, Variable};
use super::is_name;

pub(super) fn export(sh: &mut Shell, argv: &[String]) -> Step {
    let readonly = argv[0] == "readonly";
    let names: Vec<&String> = argv[1..].iter().filter(|a| *a != "-p").collect();
    if names.is_empty() {
        let lines: Vec<String> = sh
            .variables
            .iter()
            .filter(|(_, v)| if readonly { v.readonly } else { v.exported })
            .map(|(k, v)| format!("{} {k}='{}'", argv[0], v.value.replace('\'', "'\"'\"'")))
            .collect();
        for line in lines {
            sh.ctx.outln(line);
        }
        return Ok(0);
    }
    for item in names {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        if !is_name(name) {
            sh.complain(&format!("{}: {item}: bad variable name", argv[0]));
            return Err(Flow::Exit(2));
        }
        if let Some(value) = value {
            sh.set(name, value)?;
        }
        if let Some(variable) = sh.variables.get_mut(name) {
            if readonly {
                variable.readonly = true;
            } else {
                variable.exported = true;
            }
        }
    }
    Ok(0)
}

pub(super) fn local(sh: &mut Shell, argv: &[String]) -> Step {
    if sh.locals.is_empty() {
        sh.complain("local: not in a function");
        return Err(Flow::Exit(2));
    }
    for item in &argv[1..] {
        let (name, value) = item.split_once('=').map_or((item.as_str(), None), |(n, v)| (n, Some(v)));
        let old = sh.variables.get(name).cloned();
        if let Some(frame) = sh.locals.last_mut() {
            frame.push((name.to_owned(), old));
        }
        if let Some(value) = value {
            sh.variables.insert(
                name.to_owned(),
                Variable {
                    value: value.to_owned(),
                    exported: false,
                    readonly: false,
                },
            );
        } else if sh.bash {
            sh.variables.remove(name);
        }
    }
    Ok(0)
}

pub(super) fn set(sh: &mut Shell, argv: &[String]) -> Step {
    let mut at = 1;
    if argv.len() == 1 {
        let lines: Vec<String> = sh
            .variables
            .iter()
            .map(|(k, v)| format!("{k}='{}'", v.value.replace('\'', "'\"'\"'")))
            .collect();
        for line in lines {
            sh.ctx.outln(line);
        }
        return Ok(0);
    }
    while at < argv.len() {
        let arg = &argv[at];
        if arg == "--" {
            sh.positional = argv[at + 1..].to_vec();
            return Ok(0);
        }
        let on = arg.starts_with('-');
        if !(on || arg.starts_with('+')) || arg.len() < 2 {
            sh.positional = argv[at..].to_vec();
            return Ok(0);
        }
        for letter in arg[1..].chars() {
            if letter == 'o' {
                at += 1;
                let name = argv.get(at).cloned().unwrap_or_default();
                let bash = sh.bash;
                if !sh.options.named(&name, on, bash) {
                    sh.complain(&format!("set: Illegal option -o {name}"));
                    return Err(Flow::Exit(2));
                }
            } else if !sh.options.letter(letter, on) {
                sh.complain(&format!("set: Illegal option -{letter}"));
                return Err(Flow::Exit(2));
            }
        }
        at += 1;
    }
    Ok(0)
}

pub(super) fn shift(sh: &mut Shell, argv: &[String]) -> Step {
    let n: usize = argv.get(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    if n > sh.positional.len() {
        if sh.bash {
            return Ok(1);
        }
        sh.complain("shift: can't shift that many");
        return Err(Flow::Exit(2));
    }
    sh.positional.drain(..n);
    Ok(0)
}

pub(super) fn unset(sh: &mut Shell, argv: &[String]) -> Step {
    let mut functions = false;
    for arg in &argv[1..] {
        match arg.as_str() {
            "-f" => functions = true,
            "-v" => functions = false,
            name if functions => {
                sh.functions.remove(name);
            }
            name => {
                if sh.variables.get(name).is_some_and(|v| v.readonly) {
                    sh.complain(&format!("unset: {name}: is read only"));
                    return Err(Flow::Exit(2));
                }
                sh.variables.remove(name);
            }
        }
    }
    Ok(0)
}

pub(super) fn read(sh: &mut Shell, argv: &[String]) -> Step {
    let mut raw = false;
    let mut names: Vec<String> = Vec::new();
    let mut args = argv[1..].iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-r" => raw = true,
            "-p" => {
                args.next();
            }
            "--" => {}
            name => names.push(name.to_owned()),
        }
    }
    if names.is_empty() {
        if !sh.bash {
            sh.complain("read: arg count");
            return Ok(2);
        }
        names.push("REPLY".into());
    }
    let mut text: Vec<(char, bool)> = Vec::new();
    let mut ended = false;
    loop {
        let bytes = sh.ctx.stdin.line(&sh.ctx.cancel);
        if bytes.last() != Some(&b'\n') {
            ended = true;
        }
        let line = String::from_utf8_lossy(&bytes).replace('\0', "");
        let line = line.strip_suffix('\n').unwrap_or(&line);
        let mut chars = line.chars();
        let mut more = false;
        while let Some(c) = chars.next() {
            if c == '\\' && !raw {
                match chars.next() {
                    Some(next) => text.push((next, true)),
                    None => more = !ended,
                }
            } else {
                text.push((c, false));
            }
        }
        if !more {
            break;
        }
    }
    let ifs: Vec<char> = sh.get("IFS").unwrap_or(" \t\n").chars().collect();
    let white = |(c, quoted): &(char, bool)| !quoted && ifs.contains(c) && c.is_whitespace();
    let separator = |(c, quoted): &(char, bool)| !quoted && ifs.contains(c);
    let mut rest = &text[..];
    while rest.first().is_some_and(white) {
        rest = &rest[1..];
    }
    let last = names.len() - 1;
    for (index, name) in names.iter().enumerate() {
        let value: String = if index == last {
            let mut end = rest.len();
            while end > 0 && white(&rest[end - 1]) {
                end -= 1;
            }
            // One trailing separator goes when it ends the only field that is left.
            if end > 0 && separator(&rest[end - 1]) && !rest[..end - 1].iter().any(separator) {
                end -= 1;
            }
            rest[..end].iter().map(|(c, _)| *c).collect()
        } else {
            let end = rest.iter().position(separator).unwrap_or(rest.len());
            let value = rest[..end].iter().map(|(c, _)| *c).collect();
            rest = &rest[end..];
            while rest.first().is_some_and(white) {
                rest = &rest[1..];
            }
            if rest.first().is_some_and(separator) {
                rest = &rest[1..];
                while rest.first().is_some_and(white) {
                    rest = &rest[1..];
                }
            }
            value
        };
        sh.set(name, value)?;
    }
    Ok(i32::from(ended))
}

pub(super) fn getopts(sh: &mut Shell, argv: &[String]) -> Step {
    let [_, spec, name, given @ ..] = argv else {
        sh.complain("getopts: Usage: getopts optstring var [arg]");
        return Ok(2);
    };
    let args = if given.is_empty() { sh.positional.clone() } else { given.to_vec() };
    let mut index: usize = sh.get("OPTIND").and_then(|i| i.parse().ok()).unwrap_or(1);
    let arg = args.get(index - 1).cloned().unwrap_or_default();
    if !arg.starts_with('-') || arg == "-" {
        sh.set(name, "?")?;
        return Ok(1);
    }
    if arg == "--" {
        sh.set("OPTIND", (index + 1).to_string())?;
        sh.set(name, "?")?;
        return Ok(1);
    }
    let letters: Vec<char> = arg.chars().collect();
    let at = sh.getopts_at.max(1);
    let letter = letters.get(at).copied().unwrap_or('?');
    let position = spec.find(letter).filter(|_| letter != ':');
    let wants = position.is_some_and(|p| spec[p + 1..].starts_with(':'));
    sh.variables.remove("OPTARG");
    if wants {
        let rest: String = letters[at + 1..].iter().collect();
        let value = if rest.is_empty() {
            index += 1;
            args.get(index - 1).cloned()
        } else {
            Some(rest)
        };
        index += 1;
        sh.getopts_at = 0;
        match value {
            Some(value) => {
                sh.set("OPTARG", value)?;
                sh.set(name, letter.to_string())?;
            }
            None => {
                sh.ctx.errln(format!("No arg for -{letter} option"));
                sh.set(name, "?")?;
            }
        }
    } else {
        if at + 1 < letters.len() {
            sh.getopts_at = at + 1;
        } else {
            sh.getopts_at = 0;
            index += 1;
        }
        if position.is_none() {
            sh.ctx.errln(format!("Illegal option -{letter}"));
            sh.set(name, "?")?;
        } else {
            sh.set(name, letter.to_string())?;
        }
    }
    sh.set("OPTIND", index.to_string())?;
    Ok(0)
}
