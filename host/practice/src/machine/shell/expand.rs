//! Word expansion: tildes, parameters, command substitution, arithmetic, field splitting, pathnames, quote removal.

use brush_parser::ast;
use brush_parser::word::{self, Parameter, ParameterExpr, SpecialParameter, TildeExpr, WordPiece, WordPieceWithSource};

use super::super::model::users;
use super::super::process::{Output, lock};
use super::pattern::{self, Quoted};
use super::{Flow, Shell, parser_options};

/// The fields that an expansion has made so far.
#[derive(Default)]
pub(super) struct Fields {
    done: Vec<Vec<Quoted>>,
    current: Option<Vec<Quoted>>,
}

impl Fields {
    pub(super) fn literal(&mut self, text: &str, quoted: bool) {
        let field = self.current.get_or_insert_with(Vec::new);
        field.extend(text.chars().map(|c| (c, quoted)));
    }

    pub(super) fn end_field(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// The result of an unquoted expansion, split at IFS.
    pub(super) fn split(&mut self, text: &str, ifs: &str) {
        let white = |c: char| ifs.contains(c) && matches!(c, ' ' | '\t' | '\n');
        let mut after_separator = false;
        for c in text.chars() {
            if white(c) {
                self.end_field();
            } else if ifs.contains(c) {
                if self.current.is_none() && (after_separator || self.done.is_empty()) {
                    self.current = Some(Vec::new());
                }
                self.end_field();
                after_separator = true;
                continue;
            } else {
                self.current.get_or_insert_with(Vec::new).push((c, false));
            }
            if !white(c) {
                after_separator = false;
            }
        }
    }
}

impl Shell {
    /// Expands words into the fields of a command.
    pub(crate) fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a ast::Word>) -> Result<Vec<String>, Flow> {
        let mut out = Vec::new();
        for word in words {
            let mut fields = Fields::default();
            let pieces = self.pieces(&word.value)?;
            self.expand(&pieces, false, true, &mut fields)?;
            fields.end_field();
            for field in fields.done {
                if !self.options.noglob && pattern::is_pattern(&field) {
                    let found = self.pathnames(&field);
                    if !found.is_empty() {
                        out.extend(found);
                        continue;
                    }
                }
                out.push(field.into_iter().map(|(c, _)| c).collect());
            }
        }
        Ok(out)
    }

    /// Expands to one string: no splitting, no pathnames.
    pub(crate) fn string(&mut self, text: &str) -> Result<String, Flow> {
        Ok(self.quoted_string(text)?.into_iter().map(|(c, _)| c).collect())
    }

    /// Expands to one string that remembers what was quoted, for patterns.
    pub(crate) fn quoted_string(&mut self, text: &str) -> Result<Vec<Quoted>, Flow> {
        let pieces = self.pieces(text)?;
        self.join(&pieces, false)
    }

    pub(super) fn join(&mut self, pieces: &[WordPieceWithSource], quoted: bool) -> Result<Vec<Quoted>, Flow> {
        let mut fields = Fields::default();
        self.expand(pieces, quoted, false, &mut fields)?;
        fields.end_field();
        Ok(fields.done.join(&(' ', quoted)))
    }

    /// Expands the body of a here-document.
    pub(crate) fn here_document(&mut self, text: &str) -> Result<String, Flow> {
        match word::parse_heredoc(text, &parser_options()) {
            Ok(pieces) => Ok(self
                .join(&pieces, true)?
                .into_iter()
                .map(|(c, _)| c)
                .collect::<String>()
                .replace("\\\n", "")),
            Err(_) => self.bad_substitution(),
        }
    }

    pub(super) fn pieces(&mut self, text: &str) -> Result<Vec<WordPieceWithSource>, Flow> {
        // Most words are plain; the parser is not needed for them.
        if !text.contains(['\'', '"', '\\', '$', '`', '~']) {
            return Ok(vec![WordPieceWithSource {
                piece: WordPiece::Text(text.to_owned()),
                start_index: 0,
                end_index: text.len(),
            }]);
        }
        match word::parse(text, &parser_options()) {
            Ok(pieces) => Ok(pieces),
            Err(_) => self.bad_substitution(),
        }
    }

    pub(super) fn bad_substitution<T>(&mut self) -> Result<T, Flow> {
        self.complain("Bad substitution");
        Err(Flow::Exit(2))
    }

    pub(super) fn expand(&mut self, pieces: &[WordPieceWithSource], quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(text) if quoted => out.literal(&text.replace("\\\n", ""), true),
                WordPiece::Text(text) => {
                    if !text.is_empty() {
                        out.literal(text, false);
                    }
                }
                WordPiece::SingleQuotedText(text) => out.literal(text, true),
                WordPiece::AnsiCQuotedText(text) => {
                    if self.bash {
                        let bytes = super::builtins::escapes(text, false).0;
                        out.literal(&String::from_utf8_lossy(&bytes), true);
                    } else {
                        out.literal("$", false);
                        out.literal(text, true);
                    }
                }
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    // "$@" alone without parameters is no field at all.
                    let vanishes = matches!(
                        &inner[..],
                        [WordPieceWithSource {
                            piece: WordPiece::ParameterExpansion(ParameterExpr::Parameter {
                                parameter: Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false }),
                                ..
                            }),
                            ..
                        }]
                    ) && self.positional.is_empty();
                    if !vanishes {
                        out.literal("", true);
                        self.expand(inner, true, split, out)?;
                    }
                }
                WordPiece::EscapeSequence(text) => {
                    let rest = text.strip_prefix('\\').unwrap_or(text);
                    if rest != "\n" {
                        out.literal(rest, true);
                    }
                }
                WordPiece::TildeExpansion(tilde) => {
                    let text = self.tilde(tilde);
                    out.literal(&text, true);
                }
                WordPiece::CommandSubstitution(text) => {
                    let value = self.substitute(text)?;
                    self.result(&value, quoted, split, out);
                }
                WordPiece::BackquotedCommandSubstitution(text) => {
                    let mut plain = String::new();
                    let mut chars = text.chars().peekable();
                    while let Some(c) = chars.next() {
                        match (c, chars.peek()) {
                            ('\\', Some('$' | '`' | '\\')) => plain.extend(chars.next()),
                            ('\\', Some('"')) if quoted => plain.extend(chars.next()),
                            _ => plain.push(c),
                        }
                    }
                    let value = self.substitute(&plain)?;
                    self.result(&value, quoted, split, out);
                }
                WordPiece::ArithmeticExpression(expr) => {
                    let value = self.arithmetic(&expr.value)?.to_string();
                    self.result(&value, quoted, split, out);
                }
                WordPiece::ParameterExpansion(expr) => self.parameter(expr, quoted, split, out)?,
            }
        }
        Ok(())
    }

    pub(super) fn result(&mut self, value: &str, quoted: bool, split: bool, out: &mut Fields) {
        if quoted {
            out.literal(value, true);
        } else if split {
            let ifs = self.variables.get("IFS").map_or(" \t\n".to_owned(), |v| v.value.clone());
            out.split(value, &ifs);
        } else if !value.is_empty() {
            out.literal(value, false);
        }
    }

    pub(super) fn tilde(&mut self, tilde: &TildeExpr) -> String {
        match tilde {
            TildeExpr::Home => self.get("HOME").map_or_else(|| "~".to_owned(), str::to_owned),
            TildeExpr::UserHome(name) => users::user(&self.ctx.system().files, name).map_or_else(|| format!("~{name}"), |user| user.home),
            TildeExpr::WorkingDir => self.ctx.cwd.clone(),
            _ => "~".to_owned(),
        }
    }

    pub(super) fn substitute(&mut self, text: &str) -> Result<String, Flow> {
        let (output, bytes) = Output::buffer();
        let mut child = self.clone();
        child.ctx.stdout = output;
        child.traps.remove("EXIT");
        child.locals.clear();
        let status = child.run_script(text);
        self.status = status;
        self.substituted = Some(status);
        let bytes = std::mem::take(&mut *lock(&bytes));
        let mut value = String::from_utf8_lossy(&bytes).replace('\0', "");
        while value.ends_with('\n') {
            value.pop();
        }
        Ok(value)
    }

    pub(super) fn pathnames(&self, field: &[Quoted]) -> Vec<String> {
        let absolute = field.first().is_some_and(|(c, _)| *c == '/');
        let mut found: Vec<String> = vec![if absolute { "/".into() } else { String::new() }];
        let parts: Vec<&[Quoted]> = field.split(|(c, _)| *c == '/').collect();
        let system = self.ctx.system();
        let last = parts.len() - 1;
        for (index, part) in parts.iter().enumerate() {
            if part.is_empty() {
                if index == last && index > 0 {
                    found.retain(|p| system.files.stat(&self.ctx.user, &self.ctx.path(p), true).is_ok_and(|s| s.is_dir()));
                }
                continue;
            }
            let mut next = Vec::new();
            for base in found {
                let end = if index < last { "/" } else { "" };
                if !pattern::is_pattern(part) {
                    let name: String = part.iter().map(|(c, _)| *c).collect();
                    let path = format!("{base}{name}");
                    if system.files.stat(&self.ctx.user, &self.ctx.path(&path), index < last).is_ok() {
                        next.push(format!("{path}{end}"));
                    }
                    continue;
                }
                let dir = if base.is_empty() {
                    self.ctx.cwd.clone()
                } else {
                    self.ctx.path(&base)
                };
                let hidden = part[0].0 == '.';
                for name in system.files.list(&self.ctx.user, &dir).unwrap_or_default() {
                    if name.starts_with('.') != hidden || !pattern::matches(part, &name.chars().collect::<Vec<_>>()) {
                        continue;
                    }
                    let path = format!("{base}{name}");
                    if index < last
                        && !system
                            .files
                            .stat(&self.ctx.user, &self.ctx.path(&path), true)
                            .is_ok_and(|s| s.is_dir())
                    {
                        continue;
                    }
                    next.push(format!("{path}{end}"));
                }
            }
            found = next;
        }
        found.sort();
        found
    }
}
