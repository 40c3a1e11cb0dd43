//! `find`.

use super::tree;
use crate::machine::model::files::split;
use crate::machine::model::users;
use crate::machine::process::Exec;

pub(super) fn find_files(ctx: &mut Exec) -> i32 {
    let args = ctx.args();
    let split_at = args.iter().position(|a| a.starts_with('-') || a == "!").unwrap_or(args.len());
    let roots = if split_at == 0 {
        vec![".".to_owned()]
    } else {
        args[..split_at].to_vec()
    };
    let tests = &args[split_at..];
    let mut status = 0;
    for root in roots {
        let full = ctx.path(&root);
        if ctx.system().files.stat(&ctx.user, &full, false).is_err() {
            status = ctx.fail(1, format!("'{root}': No such file or directory"));
            continue;
        }
        let mut all = tree(ctx, &full);
        if tests.iter().any(|t| t == "-delete" || t == "-depth") {
            all.reverse();
        }
        for path in all {
            let shown = format!("{root}{}", &path[full.trim_end_matches('/').len().min(path.len())..]);
            let depth = path[full.len().min(path.len())..].matches('/').count();
            let found = ctx.system().files.stat(&ctx.user, &path, false);
            let Ok(stat) = found else { continue };
            let (mut at, mut fits, mut negate, mut acted) = (0, true, false, false);
            while at < tests.len() && fits {
                let operand = tests.get(at + 1).cloned().unwrap_or_default();
                let result = match tests[at].as_str() {
                    "!" | "-not" => {
                        negate = true;
                        at += 1;
                        continue;
                    }
                    "-name" => {
                        at += 1;
                        let name: Vec<char> = split(&shown).1.chars().collect();
                        crate::machine::shell::pattern::matches(&crate::machine::shell::pattern::plain(&operand), &name)
                    }
                    "-type" => {
                        at += 1;
                        stat.kind
                            == if operand == "f" {
                                '-'
                            } else {
                                operand.chars().next().unwrap_or(' ')
                            }
                    }
                    "-maxdepth" => {
                        at += 1;
                        operand.parse::<usize>().is_ok_and(|d| depth <= d)
                    }
                    "-mindepth" => {
                        at += 1;
                        operand.parse::<usize>().is_ok_and(|d| depth >= d)
                    }
                    "-user" => {
                        at += 1;
                        users::user_name(&ctx.system().files, stat.uid) == operand
                    }
                    "-empty" => stat.is_file() && stat.size == 0,
                    "-depth" => true,
                    "-print" | "-print0" => {
                        acted = true;
                        let end = if tests[at] == "-print" { "\n" } else { "\0" };
                        ctx.out(format!("{shown}{end}"));
                        true
                    }
                    "-delete" => {
                        acted = true;
                        let gone = if stat.is_dir() {
                            ctx.system().files.rmdir(&ctx.user, &path)
                        } else {
                            ctx.system().files.unlink(&ctx.user, &path)
                        };
                        if let Err(error) = gone {
                            status = ctx.fail(1, format!("cannot delete '{shown}': {error}"));
                        }
                        true
                    }
                    "-exec" => {
                        acted = true;
                        let end = tests[at..]
                            .iter()
                            .position(|t| t == ";" || t == "+")
                            .map_or(tests.len(), |e| at + e);
                        let argv: Vec<String> = tests[at + 1..end].iter().map(|t| t.replace("{}", &shown)).collect();
                        at = end;
                        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
                        ctx.call(&argv) == 0
                    }
                    other => return ctx.fail(1, format!("unknown predicate '{other}'")),
                };
                fits = result != negate;
                negate = false;
                at += 1;
            }
            if fits && !acted {
                ctx.outln(shown);
            }
        }
    }
    status
}
