//! Walking the syntax tree: lists, pipelines, compound commands, simple commands.

use std::sync::Arc;

use brush_parser::ast::{
    AndOr, AndOrList, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem as Item, CompoundCommand, CompoundList,
    IoRedirect, Pipeline, Program, SeparatorOperator, SimpleCommand, Word,
};

use super::super::launch::{self, NotStarted};
use super::super::process::{Input, Output, Pipe};
use super::redirect::Failed;
use super::{Flow, Shell, Step, Variable, builtins, pattern};

/// How deep functions, `eval` and substitutions may nest.
const DEPTH: u32 = 60;

impl Shell {
    pub(crate) fn program(&mut self, program: &Program) -> Step {
        if self.options.noexec {
            return Ok(0);
        }
        self.depth += 1;
        if self.depth > DEPTH {
            self.depth -= 1;
            self.complain("Maximum function recursion depth reached");
            return Err(Flow::Exit(2));
        }
        let mut last = Ok(0);
        for list in &program.complete_commands {
            last = self.list(list);
            if last.is_err() {
                break;
            }
        }
        self.depth -= 1;
        last
    }

    pub(crate) fn list(&mut self, list: &CompoundList) -> Step {
        let mut last = 0;
        for item in &list.0 {
            last = match item.1 {
                SeparatorOperator::Async => self.background(&item.0),
                SeparatorOperator::Sequence => self.and_or(&item.0)?,
            };
        }
        Ok(last)
    }

    fn background(&mut self, list: &AndOrList) -> i32 {
        let mut child = self.clone();
        child.traps.clear();
        child.ctx.stdin = Input::empty();
        let own = self.ctx.cancel.child();
        child.ctx.cancel = own.clone();
        let pid = self.ctx.machine.next_pid();
        let list = list.clone();
        let spawned = std::thread::Builder::new().stack_size(8 << 20).spawn(move || {
            let result = child.and_or(&list);
            child.leave(result)
        });
        if let Ok(handle) = spawned {
            self.jobs.0.push((pid, handle, own));
        }
        self.last_background = Some(pid);
        self.status = 0;
        0
    }

    fn and_or(&mut self, list: &AndOrList) -> Step {
        let mut status = self.in_and_or(&list.first, !list.additional.is_empty())?;
        for (index, next) in list.additional.iter().enumerate() {
            let more = index + 1 < list.additional.len();
            match next {
                AndOr::And(pipeline) if status == 0 => status = self.in_and_or(pipeline, more)?,
                AndOr::Or(pipeline) if status != 0 => status = self.in_and_or(pipeline, more)?,
                _ => {}
            }
        }
        Ok(status)
    }

    fn in_and_or(&mut self, pipeline: &Pipeline, tested: bool) -> Step {
        let tested = tested || pipeline.bang;
        self.tested += u32::from(tested);
        let result = self.pipeline(pipeline);
        self.tested -= u32::from(tested);
        let mut status = result?;
        if pipeline.bang {
            status = i32::from(status == 0);
            self.status = status;
        } else if status != 0 && self.options.errexit && self.tested == 0 && !tested && ends_shell(pipeline) {
            self.leaving = true;
            return Err(Flow::Exit(status));
        }
        Ok(status)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Step {
        if let [command] = &pipeline.seq[..] {
            return self.command(command);
        }
        let mut statuses = vec![0; pipeline.seq.len()];
        std::thread::scope(|scope| {
            let mut handles = Vec::new();
            let mut input = self.ctx.stdin.clone();
            let mut reads: Option<Arc<Pipe>> = None;
            for (index, command) in pipeline.seq.iter().enumerate() {
                let mut child = self.clone();
                child.traps.clear();
                child.ctx.stdin = input.clone();
                let source = reads.take();
                let writes = (index + 1 < pipeline.seq.len()).then(|| Pipe::new(Some(1 << 16)));
                if let Some(pipe) = &writes {
                    child.ctx.stdout = Output::Pipe(pipe.clone());
                    input = Input::pipe(pipe.clone());
                    reads = Some(pipe.clone());
                }
                let spawned = std::thread::Builder::new().stack_size(8 << 20).spawn_scoped(scope, move || {
                    let result = child.command(command);
                    let status = child.leave(result);
                    if let Some(pipe) = writes {
                        pipe.close_write();
                    }
                    if let Some(pipe) = source {
                        pipe.close_read();
                    }
                    status
                });
                handles.push(spawned);
            }
            for (status, handle) in statuses.iter_mut().zip(handles) {
                *status = handle.ok().and_then(|h| h.join().ok()).unwrap_or(254);
            }
        });
        let last = statuses.last().copied().unwrap_or(0);
        let failed = statuses.iter().rev().find(|s| **s != 0).copied();
        self.status = if self.options.pipefail { failed.unwrap_or(0) } else { last };
        Ok(self.status)
    }

    fn command(&mut self, command: &Command) -> Step {
        if let Some(status) = self.ctx.cancel.status() {
            return Err(Flow::Exit(status));
        }
        let status = match command {
            Command::Simple(simple) => self.simple(simple)?,
            Command::Compound(compound, redirects) => {
                self.redirected(redirects.as_ref().map(|r| &r.0[..]), |shell| shell.compound(compound))?
            }
            Command::Function(function) => {
                self.functions.insert(function.fname.value.clone(), Arc::new(function.body.clone()));
                0
            }
            Command::ExtendedTest(..) => {
                self.complain("[[: not found");
                127
            }
        };
        self.status = status;
        Ok(status)
    }

    /// Runs something with redirections that end with it.
    fn redirected(&mut self, redirects: Option<&[IoRedirect]>, body: impl FnOnce(&mut Self) -> Step) -> Step {
        let Some(redirects) = redirects.filter(|r| !r.is_empty()) else {
            return body(self);
        };
        let saved = (
            self.ctx.stdin.clone(),
            self.ctx.stdout.clone(),
            self.ctx.stderr.clone(),
            self.ctx.descriptors.clone(),
        );
        let result = match self.redirect(redirects) {
            Ok(()) => body(self),
            Err(Failed::Reported) => Ok(if self.bash { 1 } else { 2 }),
            Err(Failed::Flow(flow)) => Err(flow),
        };
        (self.ctx.stdin, self.ctx.stdout, self.ctx.stderr, self.ctx.descriptors) = saved;
        result
    }

    fn condition(&mut self, list: &CompoundList) -> Result<bool, Flow> {
        self.tested += 1;
        let result = self.list(list);
        self.tested -= 1;
        Ok(result? == 0)
    }

    fn compound(&mut self, command: &CompoundCommand) -> Step {
        match command {
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => {
                let mut child = self.clone();
                child.traps.remove("EXIT");
                let result = child.list(&subshell.list);
                Ok(child.leave(result))
            }
            CompoundCommand::IfClause(clause) => {
                if self.condition(&clause.condition)? {
                    return self.list(&clause.then);
                }
                for other in clause.elses.iter().flatten() {
                    let chosen = match &other.condition {
                        Some(condition) => self.condition(condition)?,
                        None => true,
                    };
                    if chosen {
                        return self.list(&other.body);
                    }
                }
                Ok(0)
            }
            CompoundCommand::WhileClause(clause) => self.repeat(&clause.0, &clause.1.list, true),
            CompoundCommand::UntilClause(clause) => self.repeat(&clause.0, &clause.1.list, false),
            CompoundCommand::ForClause(clause) => {
                let values = match &clause.values {
                    Some(words) => self.words(words)?,
                    None => self.positional.clone(),
                };
                let mut last = 0;
                self.loops += 1;
                for value in values {
                    let step = self.set(&clause.variable_name, value).and_then(|()| self.list(&clause.body.list));
                    match self.after_body(step) {
                        Ok(Some(status)) => last = status,
                        Ok(None) => break,
                        Err(flow) => {
                            self.loops -= 1;
                            return Err(flow);
                        }
                    }
                }
                self.loops -= 1;
                Ok(last)
            }
            CompoundCommand::CaseClause(clause) => {
                let value: Vec<char> = self.string(&clause.value.value)?.chars().collect();
                for case in &clause.cases {
                    for word in &case.patterns {
                        let wanted = self.quoted_string(&word.value)?;
                        if pattern::matches(&wanted, &value) {
                            return case.cmd.as_ref().map_or(Ok(0), |list| self.list(list));
                        }
                    }
                }
                Ok(0)
            }
            CompoundCommand::Arithmetic(_) | CompoundCommand::ArithmeticForClause(_) | CompoundCommand::Coprocess(_) => {
                self.complain("Syntax error: not a POSIX command");
                Err(Flow::Exit(2))
            }
        }
    }

    fn repeat(&mut self, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Step {
        let mut last = 0;
        self.loops += 1;
        let result = loop {
            match self.condition(condition) {
                Ok(met) if met != wanted => break Ok(last),
                Ok(_) => {}
                Err(flow) => match self.after_body(Err(flow)) {
                    Ok(Some(_)) => continue,
                    Ok(None) => break Ok(last),
                    Err(flow) => break Err(flow),
                },
            }
            let step = self.list(body);
            match self.after_body(step) {
                Ok(Some(status)) => last = status,
                Ok(None) => break Ok(last),
                Err(flow) => break Err(flow),
            }
        };
        self.loops -= 1;
        result
    }

    /// What a loop does after its body: none means that it ends.
    fn after_body(&mut self, step: Step) -> Result<Option<i32>, Flow> {
        match step {
            Ok(status) => Ok(Some(status)),
            Err(Flow::Break(1)) => Ok(None),
            Err(Flow::Continue(1)) => Ok(Some(0)),
            Err(Flow::Break(n)) => Err(Flow::Break(n - 1)),
            Err(Flow::Continue(n)) => Err(Flow::Continue(n - 1)),
            Err(other) => Err(other),
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) -> Step {
        if let Some(location) = simple.word_or_name.as_ref().and_then(|w| w.loc.as_ref()) {
            self.line = location.start.line.max(1);
        }
        self.substituted = None;
        let mut words: Vec<&Word> = Vec::new();
        let mut redirects: Vec<IoRedirect> = Vec::new();
        let mut assignments = Vec::new();
        for item in simple.prefix.iter().flat_map(|p| &p.0) {
            match item {
                Item::IoRedirect(redirect) => redirects.push(redirect.clone()),
                Item::AssignmentWord(assignment, _) => assignments.push(assignment),
                Item::Word(word) => words.push(word),
                Item::ProcessSubstitution(..) => {}
            }
        }
        words.extend(&simple.word_or_name);
        for item in simple.suffix.iter().flat_map(|s| &s.0) {
            match item {
                Item::IoRedirect(redirect) => redirects.push(redirect.clone()),
                // `export a=b` arrives as an assignment.
                Item::AssignmentWord(_, word) | Item::Word(word) => words.push(word),
                Item::ProcessSubstitution(..) => {
                    self.complain("Syntax error: \"(\" unexpected");
                    return Err(Flow::Exit(2));
                }
            }
        }
        let declares = words
            .first()
            .is_some_and(|w| matches!(&w.value[..], "export" | "readonly" | "local"));
        let argv = if declares {
            self.declaration_words(&words)?
        } else {
            self.words(words)?
        };
        let mut values = Vec::new();
        for assignment in assignments {
            let (AssignmentName::VariableName(name), AssignmentValue::Scalar(word)) = (&assignment.name, &assignment.value) else {
                self.complain("Syntax error: \"(\" unexpected");
                return Err(Flow::Exit(2));
            };
            let text = self.string(&word.value)?;
            if argv.is_empty() {
                self.set(name, text)?;
            } else {
                values.push((name.clone(), text));
            }
        }
        if self.options.xtrace && !argv.is_empty() {
            self.ctx.errln(format!("+ {}", argv.join(" ")));
        }
        if argv.is_empty() {
            let status = self.substituted.unwrap_or(0);
            return self.redirected(Some(&redirects), |_| Ok(status));
        }
        if argv[0] == "exec" {
            return self.exec(&argv[1..], &redirects, values);
        }
        let special = builtins::is_special(&argv[0]);
        if special && !self.functions.contains_key(&argv[0]) {
            for (name, value) in values {
                self.set(&name, value)?;
            }
            return self.redirected(Some(&redirects), |shell| shell.dispatch(&argv));
        }
        let saved: Vec<(String, Option<Variable>)> = values.iter().map(|(n, _)| (n.clone(), self.variables.get(n).cloned())).collect();
        for (name, value) in values {
            self.set(&name, value)?;
            if let Some(variable) = self.variables.get_mut(&name) {
                variable.exported = true;
            }
        }
        let result = self.redirected(Some(&redirects), |shell| shell.dispatch(&argv));
        for (name, old) in saved {
            match old {
                Some(old) => self.variables.insert(name, old),
                None => self.variables.remove(&name),
            };
        }
        result
    }

    /// The words of `export`, `readonly` and `local`: what looks like an assignment is not split.
    fn declaration_words(&mut self, words: &[&Word]) -> Result<Vec<String>, Flow> {
        let mut out = Vec::new();
        for word in words {
            match word.value.split_once('=') {
                Some((name, value)) if builtins::is_name(name) => {
                    let value = self.string(value)?;
                    out.push(format!("{name}={value}"));
                }
                _ => out.extend(self.words([*word])?),
            }
        }
        Ok(out)
    }

    fn exec(&mut self, argv: &[String], redirects: &[IoRedirect], values: Vec<(String, String)>) -> Step {
        match self.redirect(redirects) {
            Ok(()) => {}
            Err(Failed::Reported) => return Err(Flow::Exit(if self.bash { 1 } else { 2 })),
            Err(Failed::Flow(flow)) => return Err(flow),
        }
        if argv.is_empty() {
            return Ok(0);
        }
        for (name, value) in values {
            self.variables.insert(
                name,
                Variable {
                    value,
                    exported: true,
                    readonly: false,
                },
            );
        }
        let status = self.external(argv);
        self.traps.clear();
        self.leaving = true;
        Err(Flow::Exit(status))
    }

    /// Runs a function, a builtin or a program.
    pub(crate) fn dispatch(&mut self, argv: &[String]) -> Step {
        if let Some(body) = self.functions.get(&argv[0]).cloned() {
            return self.call_function(&body, argv);
        }
        self.without_functions(argv)
    }

    pub(crate) fn without_functions(&mut self, argv: &[String]) -> Step {
        if let Some(builtin) = builtins::find(&argv[0]) {
            self.ctx.argv = argv.to_vec();
            self.ctx.write_error = None;
            let step = builtin(self, argv);
            return match (self.ctx.write_error.take(), step) {
                (Some(super::super::model::files::Errno::Pipe), Ok(_)) => Err(Flow::Exit(141)),
                (Some(error), Ok(_)) => {
                    self.complain(&format!("{}: I/O error: {error}", argv[0]));
                    Ok(1)
                }
                (_, step) => step,
            };
        }
        Ok(self.external(argv))
    }

    fn call_function(&mut self, body: &brush_parser::ast::FunctionBody, argv: &[String]) -> Step {
        self.depth += 1;
        if self.depth > DEPTH {
            self.depth -= 1;
            self.complain("Maximum function recursion depth reached");
            return Err(Flow::Exit(2));
        }
        let positional = std::mem::replace(&mut self.positional, argv[1..].to_vec());
        let loops = std::mem::take(&mut self.loops);
        self.locals.push(Vec::new());
        let redirects = body.1.as_ref().map(|r| r.0.clone());
        let result = self.redirected(redirects.as_deref(), |shell| shell.compound(&body.0));
        for (name, old) in self.locals.pop().into_iter().flatten().rev() {
            match old {
                Some(old) => self.variables.insert(name, old),
                None => self.variables.remove(&name),
            };
        }
        self.positional = positional;
        self.loops = loops;
        self.depth -= 1;
        match result {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        }
    }

    /// Runs a program from the machine's file tree.
    pub(crate) fn external(&mut self, argv: &[String]) -> i32 {
        let mut child = self.ctx.child(argv.to_vec());
        child.env = self.environment();
        if let Some(path) = self.get("PATH") {
            child.env.entry("PATH".into()).or_insert_with(|| path.to_owned());
        }
        let found = launch::find(&child, &argv[0]);
        if !self.variables.get("PATH").is_some_and(|v| v.exported) {
            child.env.remove("PATH");
        }
        match found {
            Ok(path) => launch::run_file(&mut child, &path),
            Err(NotStarted::NotFound) => {
                let words = match (self.bash, argv[0].contains('/')) {
                    (true, false) => format!("{}: command not found", argv[0]),
                    (true, true) => format!("{}: No such file or directory", argv[0]),
                    (false, _) => format!("{}: not found", argv[0]),
                };
                self.complain(&words);
                127
            }
            Err(NotStarted::Denied(error)) => {
                self.complain(&format!("{}: {error}", argv[0]));
                126
            }
        }
    }
}

/// `set -e` looks at the last command of a list; compound commands have looked inside already, except subshells.
fn ends_shell(pipeline: &Pipeline) -> bool {
    match &pipeline.seq[..] {
        [Command::Compound(CompoundCommand::Subshell(_), _)] => true,
        [Command::Compound(..)] => false,
        _ => true,
    }
}
