//! Scripts that come on standard input: bash reads no further than the command, dash by blocks.

use super::{Flow, Shell, Step, incomplete, parse};

impl Shell {
    /// As bash reads: what follows a command is left there for the command itself.
    pub(super) fn stdin_by_line(&mut self) -> Step {
        let mut last = 0;
        loop {
            let mut text = String::new();
            loop {
                let line = self.ctx.stdin.line(&self.ctx.cancel);
                if line.is_empty() {
                    if text.trim().is_empty() {
                        return Ok(last);
                    }
                    let error = parse(&text).err();
                    return match error {
                        Some(error) => self.run_until_error(&text, &error),
                        None => Ok(last),
                    };
                }
                text.push_str(&String::from_utf8_lossy(&line));
                self.here_documents(&mut text, &line);
                if text.ends_with("\\\n") {
                    continue;
                }
                match parse(&text) {
                    Ok(program) => {
                        last = self.program(&program)?;
                        break;
                    }
                    Err(error) if incomplete(&error) => {}
                    Err(error) => {
                        self.syntax_error(&error);
                        return Err(Flow::Exit(2));
                    }
                }
            }
        }
    }

    /// Reads the bodies of here-documents that the line opens, so that they are not parsed once a line.
    pub(super) fn here_documents(&mut self, text: &mut String, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let Ok(opener) = regex::Regex::new(r#"<<(-?)\s*(?:'([^']+)'|"([^"]+)"|\\?([A-Za-z_][A-Za-z0-9_]*))"#) else {
            return;
        };
        let tags: Vec<(bool, String)> = opener
            .captures_iter(&line)
            .filter_map(|c| Some((&c[1] == "-", c.get(2).or(c.get(3)).or(c.get(4))?.as_str().to_owned())))
            .collect();
        for (tabs, tag) in tags {
            loop {
                if self.interactive {
                    self.show_prompt("PS2");
                }
                let next = self.ctx.stdin.line(&self.ctx.cancel);
                if next.is_empty() {
                    return;
                }
                let next = String::from_utf8_lossy(&next).into_owned();
                text.push_str(&next);
                let bare = next.trim_end_matches('\n');
                if bare == tag || (tabs && bare.trim_start_matches('\t') == tag) {
                    break;
                }
            }
        }
    }

    /// As dash reads: what follows in a block is lost to the commands in it.
    pub(super) fn stdin_by_block(&mut self) -> Step {
        let mut pending = String::new();
        let mut raw: Vec<u8> = Vec::new();
        let mut last = 0;
        loop {
            let block = self.ctx.stdin.read(8192, &self.ctx.cancel);
            let ended = block.is_empty();
            raw.extend(block);
            // Whole lines only: a character may be cut in two at the end of a block.
            let cut = if ended {
                raw.len()
            } else {
                raw.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1)
            };
            pending.push_str(&String::from_utf8_lossy(&raw.drain(..cut).collect::<Vec<u8>>()));
            loop {
                let mut taken = 0;
                let mut program = None;
                let mut at = 0;
                let mut wanted: Option<(bool, String)> = None;
                for line in pending.split_inclusive('\n') {
                    at += line.len();
                    let bare = line.trim_end_matches('\n');
                    if let Some((tabs, tag)) = &wanted {
                        let bare = if *tabs { bare.trim_start_matches('\t') } else { bare };
                        if bare != tag {
                            continue;
                        }
                        wanted = None;
                    } else if let Some(at) = line.find("<<") {
                        let rest = &line[at + 2..];
                        let tabs = rest.starts_with('-');
                        let tag: String = rest
                            .trim_start_matches('-')
                            .trim_start()
                            .trim_start_matches(['\'', '"', '\\'])
                            .chars()
                            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                            .collect();
                        if !tag.is_empty() {
                            wanted = Some((tabs, tag));
                            continue;
                        }
                    }
                    if line.ends_with("\\\n") {
                        continue;
                    }
                    match parse(&pending[..at]) {
                        Ok(parsed) => {
                            taken = at;
                            program = Some(parsed);
                            break;
                        }
                        Err(error) if incomplete(&error) => {}
                        Err(error) => {
                            self.syntax_error(&error);
                            return Err(Flow::Exit(2));
                        }
                    }
                }
                let Some(program) = program else { break };
                pending.drain(..taken);
                last = self.program(&program)?;
            }
            if ended {
                if let Err(error) = parse(&pending) {
                    self.syntax_error(&error);
                    return Err(Flow::Exit(2));
                }
                return Ok(last);
            }
        }
    }
}
