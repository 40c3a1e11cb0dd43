//! The POSIX shell of the simulated machines: parsing by `brush-parser`, everything else here. `expand` turns words into fields,
//! `interpret` walks the tree, `redirect` opens what `<` and `>` name, `builtins` are the commands that are part of the shell.
//!
//! It behaves as `dash` or as `bash` where the two differ in ways that scripts meet: how a missing command is reported, and how much of
//! a script on standard input is read ahead (dash before 0.5.13 takes blocks, so that what follows in the script is lost to the
//! commands in it; bash reads no further than the command).

mod arithmetic;
mod builtins;
pub(crate) use builtins::{escapes, format_arguments};
mod expand;
mod interactive;
mod interpret;
mod options;
mod parameters;
pub mod pattern;
mod redirect;
mod stdin;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use brush_parser::ast;
use brush_parser::{Parser, ParserOptions};

use super::process::Exec;
pub(crate) use options::Options;

/// Why normal execution was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    Break(usize),
    Continue(usize),
    Return(i32),
    Exit(i32),
}

pub(crate) type Step = Result<i32, Flow>;

#[derive(Clone)]
pub(crate) struct Variable {
    pub value: String,
    pub exported: bool,
    pub readonly: bool,
}

/// A running shell.
#[derive(Clone)]
pub struct Shell {
    /// Streams, user, working directory: what its commands inherit. Its environment is made anew from the exported variables.
    pub ctx: Exec,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) functions: HashMap<String, Arc<ast::FunctionBody>>,
    pub(crate) positional: Vec<String>,
    pub(crate) name: String,
    pub(crate) status: i32,
    /// Set by a command substitution, for the status of a command that only assigns.
    pub(crate) substituted: Option<i32>,
    pub(crate) options: Options,
    pub(crate) traps: BTreeMap<String, String>,
    /// How many enclosing conditions keep `set -e` from ending the shell.
    pub(crate) tested: u32,
    pub(crate) loops: usize,
    pub(crate) locals: Vec<Vec<(String, Option<Variable>)>>,
    pub(crate) bash: bool,
    /// Somebody types: mistakes do not end it.
    pub(crate) interactive: bool,
    /// It was told to end, so that it does also where mistakes do not.
    pub(crate) leaving: bool,
    pub(crate) depth: u32,
    pub(crate) line: usize,
    pub(crate) pid: u32,
    pub(crate) last_background: Option<u32>,
    pub(crate) jobs: Jobs,
    pub(crate) getopts_at: usize,
}

/// Commands started with `&`.
#[derive(Default)]
pub(crate) struct Jobs(pub Vec<(u32, std::thread::JoinHandle<i32>, super::process::Cancel)>);

impl Clone for Jobs {
    // A subshell has no jobs of its own.
    fn clone(&self) -> Self {
        Self::default()
    }
}

pub(crate) fn parser_options() -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: false,
        posix_mode: true,
        sh_mode: true,
        tilde_expansion_at_word_start: true,
        tilde_expansion_after_colon: false,
        ..ParserOptions::default()
    }
}

pub(crate) fn parse(text: &str) -> Result<ast::Program, brush_parser::ParseError> {
    Parser::new(std::io::Cursor::new(text.as_bytes()), &parser_options()).parse_program()
}

fn incomplete(error: &brush_parser::ParseError) -> bool {
    !matches!(error, brush_parser::ParseError::ParsingNear(_))
}

impl Shell {
    /// A shell with the environment and streams of `ctx`.
    pub fn new(ctx: Exec, name: &str, positional: Vec<String>) -> Self {
        let bash = is_bash(name, &ctx);
        let mut variables: BTreeMap<String, Variable> = ctx
            .env
            .iter()
            .filter(|(k, _)| k.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            .map(|(k, v)| {
                (
                    k.clone(),
                    Variable {
                        value: v.clone(),
                        exported: true,
                        readonly: false,
                    },
                )
            })
            .collect();
        let plain = |value: &str| Variable {
            value: value.to_owned(),
            exported: false,
            readonly: false,
        };
        variables.insert("IFS".into(), plain(" \t\n"));
        variables.insert("OPTIND".into(), plain("1"));
        variables.insert("PPID".into(), plain("1"));
        variables.entry("PATH".into()).or_insert_with(|| plain(super::launch::DEFAULT_PATH));
        variables.insert(
            "PWD".into(),
            Variable {
                value: ctx.cwd.clone(),
                exported: true,
                readonly: false,
            },
        );
        let pid = ctx.machine.next_pid();
        Self {
            ctx,
            variables,
            functions: HashMap::new(),
            positional,
            name: name.to_owned(),
            status: 0,
            substituted: None,
            options: Options::default(),
            traps: BTreeMap::new(),
            tested: 0,
            loops: 0,
            locals: Vec::new(),
            bash,
            interactive: false,
            leaving: false,
            depth: 0,
            line: 1,
            pid,
            last_background: None,
            jobs: Jobs::default(),
            getopts_at: 0,
        }
    }

    /// Runs a whole script and its EXIT trap; the status the shell ends with.
    pub fn run_script(&mut self, text: &str) -> i32 {
        let result = match parse(text) {
            Ok(program) => self.program(&program),
            Err(error) => self.run_until_error(text, &error),
        };
        self.leave(result)
    }

    /// A real shell runs the commands before a syntax error.
    fn run_until_error(&mut self, text: &str, error: &brush_parser::ParseError) -> Step {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut start = 0;
        while start < lines.len() {
            let found = (start + 1..=lines.len()).find_map(|end| parse(&lines[start..end].concat()).ok().map(|p| (end, p)));
            let Some((end, program)) = found else { break };
            self.program(&program)?;
            start = end;
        }
        self.syntax_error(error);
        Err(Flow::Exit(2))
    }

    pub(crate) fn syntax_error(&mut self, error: &brush_parser::ParseError) {
        let text = if incomplete(error) {
            "Syntax error: end of file unexpected".to_owned()
        } else {
            format!("Syntax error: {error}")
        };
        self.complain(&text);
    }

    /// Runs commands as they arrive on standard input, leaving the rest there for the commands themselves.
    pub fn run_stdin(&mut self) -> i32 {
        let result = if self.bash { self.stdin_by_line() } else { self.stdin_by_block() };
        self.leave(result)
    }

    /// The end of the shell: the EXIT trap, then its status.
    fn leave(&mut self, result: Step) -> i32 {
        let mut status = match result {
            Ok(status) | Err(Flow::Exit(status) | Flow::Return(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
        };
        if let Some(action) = self.traps.remove("EXIT") {
            self.status = status;
            if let Ok(program) = parse(&action)
                && let Err(Flow::Exit(other)) = self.program(&program)
            {
                status = other;
            }
        }
        self.ctx.cancel.status().unwrap_or(status)
    }

    /// A message as this kind of shell begins it.
    pub(crate) fn complain(&mut self, text: &str) {
        let name = self.name.clone();
        let prefix = if self.bash && self.interactive {
            format!("{name}: ")
        } else if self.bash {
            format!("{name}: line {}: ", self.line)
        } else {
            format!("{name}: {}: ", self.line)
        };
        self.ctx.errln(format!("{prefix}{text}"));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|v| v.value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), Flow> {
        let exported = self.options.allexport;
        if let Some(variable) = self.variables.get_mut(name) {
            if variable.readonly {
                self.complain(&format!("{name}: is read only"));
                return Err(Flow::Exit(2));
            }
            variable.value = value.into();
            variable.exported |= exported;
        } else {
            self.variables.insert(
                name.to_owned(),
                Variable {
                    value: value.into(),
                    exported,
                    readonly: false,
                },
            );
        }
        Ok(())
    }

    /// The environment of a command.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter(|(_, v)| v.exported)
            .map(|(k, v)| (k.clone(), v.value.clone()))
            .collect()
    }
}

/// Whether the program of that name (a login shell's begins with `-`) is bash.
fn is_bash(called: &str, ctx: &Exec) -> bool {
    called.rsplit('/').next().map(|base| base.trim_start_matches('-')) == Some("bash") || ctx.machine.image().sh_is_bash()
}

/// `sh`, `dash` and `bash` as programs.
pub fn program(ctx: &mut Exec) -> i32 {
    let called = ctx.argv.first().cloned().unwrap_or_else(|| "sh".into());
    let args = ctx.args();
    let mut options = Options::default();
    let mut command = false;
    let mut stdin = false;
    let mut at = 0;
    let bash = is_bash(&called, ctx);
    while at < args.len() {
        let arg = &args[at];
        if arg == "--" || arg == "-" {
            at += 1;
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            if !bash || !matches!(long, "login" | "noprofile" | "norc" | "posix") {
                ctx.errln(format!("{called}: 0: Illegal option --"));
                return 2;
            }
            at += 1;
            continue;
        }
        let on = arg.starts_with('-');
        if arg.len() < 2 || !(on || arg.starts_with('+')) {
            break;
        }
        for letter in arg[1..].chars() {
            match letter {
                'c' => command = true,
                's' => stdin = true,
                'l' => {}
                'o' => {
                    at += 1;
                    let name = args.get(at).map_or("", String::as_str);
                    if !options.named(name, on, bash) {
                        ctx.errln(format!("{called}: 0: Illegal option -o {name}"));
                        return 2;
                    }
                }
                other if options.letter(other, on) => {}
                other => {
                    ctx.errln(format!("{called}: 0: Illegal option -{other}"));
                    return 2;
                }
            }
        }
        at += 1;
    }
    let rest = args[at..].to_vec();
    let cx = ctx.child(ctx.argv.clone());
    if command {
        let Some(text) = rest.first() else {
            ctx.errln(format!("{called}: 0: -c requires an argument"));
            return 2;
        };
        let name = rest.get(1).cloned().unwrap_or_else(|| called.clone());
        let mut shell = Shell::new(cx, &name, rest.iter().skip(2).cloned().collect());
        shell.options = options;
        return shell.run_script(text);
    }
    if stdin || rest.is_empty() {
        let mut shell = Shell::new(cx, &called, rest);
        shell.options = options;
        return match shell.ctx.stdin.is_terminal() {
            Some(terminal) => shell.run_interactive(&terminal),
            None => shell.run_stdin(),
        };
    }
    let content = ctx.read_file(&rest[0]);
    match content {
        Ok(text) => {
            let mut shell = Shell::new(cx, &rest[0], rest[1..].to_vec());
            shell.options = options;
            shell.run_script(&String::from_utf8_lossy(&text))
        }
        Err(error) => {
            let missing = matches!(error, super::model::files::Errno::NotFound);
            let words = if missing && !bash {
                "No such file".to_owned()
            } else {
                error.to_string()
            };
            ctx.errln(if bash {
                format!("{called}: {}: {words}", rest[0])
            } else {
                format!("{called}: 0: cannot open {}: {words}", rest[0])
            });
            if missing { if bash { 127 } else { 2 } } else { 126 }
        }
    }
}
