//! The shell of somebody who types: a prompt, a command at a time, and neither Ctrl-C nor a mistake ends it.

use std::sync::Arc;

use brush_parser::ast::Program;

use super::super::image::Family;
use super::super::model::users;
use super::super::terminal::Terminal;
use super::{Flow, Shell, Step, incomplete, parse};

/// What was typed.
enum Typed {
    Command(Program),
    /// Something that can not be understood, which was said; or nothing, because of Ctrl-C.
    Nothing,
    /// Ctrl-D at the prompt, or nobody is there any more.
    End,
}

impl Shell {
    /// Reads commands from the terminal and runs them until `exit` or the end of the input.
    pub fn run_interactive(&mut self, terminal: &Arc<Terminal>) -> i32 {
        self.interactive = true;
        let usual = self.usual_prompt();
        for (name, prompt) in [("PS1", usual), ("PS2", "> ")] {
            if self.get(name).is_none() {
                // No variable of that name is there, so none is read-only.
                let _ = self.set(name, prompt);
            }
        }
        let result = loop {
            if let Some(result) = self.one_command(terminal) {
                break result;
            }
        };
        if self.bash && !self.ctx.ended() {
            self.ctx.errln(if self.name.starts_with('-') { "logout" } else { "exit" });
        }
        self.leave(result)
    }

    /// Prompts for a command and runs it. Something where the shell is left.
    fn one_command(&mut self, terminal: &Arc<Terminal>) -> Option<Step> {
        // Each command is a process group of its own: that is what the keyboard's signals end.
        let whole = self.ctx.cancel.clone();
        let group = whole.child();
        let before = terminal.set_foreground(Some(group.clone()));
        self.ctx.cancel = group.clone();
        let typed = self.typed();
        let step = match &typed {
            Typed::Command(program) if !program.complete_commands.is_empty() => self.program(program),
            _ => Ok(self.status),
        };
        self.ctx.cancel = whole;
        terminal.set_foreground(before);
        if let Some(status) = self.ctx.cancel.status() {
            return Some(Ok(status));
        }
        // Wherever a mistake or a signal has left it.
        (self.depth, self.tested, self.loops) = (0, 0, 0);
        if let Some(status) = group.status() {
            self.status = status;
            self.ctx.errln("");
            return None;
        }
        match step {
            _ if matches!(typed, Typed::End) => {
                if !self.bash {
                    self.ctx.errln("");
                }
                return Some(Ok(self.status));
            }
            Err(flow) if self.leaving => return Some(Err(flow)),
            // What ends a script is only a message here.
            Ok(status) | Err(Flow::Exit(status) | Flow::Return(status)) => self.status = status,
            Err(Flow::Break(_) | Flow::Continue(_)) => {}
        }
        None
    }

    fn typed(&mut self) -> Typed {
        let mut text = String::new();
        loop {
            self.show_prompt(if text.is_empty() { "PS1" } else { "PS2" });
            let line = self.ctx.stdin.line(&self.ctx.cancel);
            if self.ctx.cancel.status().is_some() {
                return Typed::Nothing;
            }
            if line.is_empty() {
                let Some(error) = parse(&text).err().filter(|_| !text.is_empty()) else {
                    return Typed::End;
                };
                self.status = 2;
                self.syntax_error(&error);
                return Typed::Nothing;
            }
            text.push_str(&String::from_utf8_lossy(&line));
            self.here_documents(&mut text, &line);
            if text.ends_with("\\\n") {
                continue;
            }
            match parse(&text) {
                Ok(program) => return Typed::Command(program),
                Err(error) if incomplete(&error) => {}
                Err(error) => {
                    self.status = 2;
                    self.syntax_error(&error);
                    return Typed::Nothing;
                }
            }
        }
    }

    /// Shows a prompt, on standard error as shells do.
    pub(super) fn show_prompt(&mut self, variable: &str) {
        let format = self.get(variable).unwrap_or_default().to_owned();
        let format = if self.bash { self.prompt_escapes(&format) } else { format };
        let prompt = self.here_document(&format).unwrap_or(format);
        // Where it can not be shown, nobody is there to read it.
        let _ = self.ctx.stderr.write(prompt.as_bytes(), &self.ctx.machine, &self.ctx.cancel);
    }

    /// What the distributions' own files for interactive shells set.
    fn usual_prompt(&self) -> &'static str {
        match self.ctx.machine.image().family() {
            _ if !self.bash && self.ctx.user.uid == 0 => "# ",
            _ if !self.bash => "$ ",
            Family::Debian | Family::Ubuntu => r"\u@\h:\w\$ ",
            Family::Arch | Family::Fedora => r"[\u@\h \W]\$ ",
        }
    }

    /// The backslash sequences of bash's prompts.
    fn prompt_escapes(&self, format: &str) -> String {
        let home = self.get("HOME").unwrap_or_default();
        let cwd = match self.ctx.cwd.strip_prefix(home) {
            Some(rest) if !home.is_empty() && (rest.is_empty() || rest.starts_with('/')) => format!("~{rest}"),
            _ => self.ctx.cwd.clone(),
        };
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('u') => out.push_str(&users::user_name(&self.ctx.system().files, self.ctx.user.uid)),
                Some('h') => out.push_str(self.ctx.system().hostname().split('.').next().unwrap_or_default()),
                Some('H') => out.push_str(&self.ctx.system().hostname()),
                Some('w') => out.push_str(&cwd),
                Some('W') => out.push_str(match cwd.rsplit_once('/') {
                    Some((_, last)) if !last.is_empty() => last,
                    _ => &cwd,
                }),
                // A backslash before it keeps the expansion that follows from taking it for a parameter's.
                Some('$') => out.push_str(if self.ctx.user.uid == 0 { "#" } else { "\\$" }),
                Some('s') => out.push_str(self.name.rsplit('/').next().unwrap_or_default()),
                Some('t') => out.push_str(&jiff::Timestamp::now().strftime("%H:%M:%S").to_string()),
                Some('n') => out.push('\n'),
                Some('e') => out.push('\x1b'),
                Some('a') => out.push('\x07'),
                Some('\\') => out.push_str("\\\\"),
                // What stands between these takes no room on the screen, which is nothing to us.
                Some('[' | ']') => {}
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            }
        }
        out
    }
}
