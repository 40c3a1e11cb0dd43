//! Word expansion: tildes, parameters, command substitution, arithmetic, field splitting, pathnames, quote removal.

use brush_parser::ast::{self, ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator};
use brush_parser::word::{self, Parameter, ParameterExpr, ParameterTestType, SpecialParameter, TildeExpr, WordPiece, WordPieceWithSource};

use super::super::model::users;
use super::super::process::{Output, lock};
use super::pattern::{self, Quoted};
use super::{Flow, Shell, parser_options};

/// The fields that an expansion has made so far.
#[derive(Default)]
struct Fields {
    done: Vec<Vec<Quoted>>,
    current: Option<Vec<Quoted>>,
}

impl Fields {
    fn literal(&mut self, text: &str, quoted: bool) {
        let field = self.current.get_or_insert_with(Vec::new);
        field.extend(text.chars().map(|c| (c, quoted)));
    }

    fn end_field(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// The result of an unquoted expansion, split at IFS.
    fn split(&mut self, text: &str, ifs: &str) {
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

    fn join(&mut self, pieces: &[WordPieceWithSource], quoted: bool) -> Result<Vec<Quoted>, Flow> {
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

    fn pieces(&mut self, text: &str) -> Result<Vec<WordPieceWithSource>, Flow> {
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

    fn bad_substitution<T>(&mut self) -> Result<T, Flow> {
        self.complain("Bad substitution");
        Err(Flow::Exit(2))
    }

    fn expand(&mut self, pieces: &[WordPieceWithSource], quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
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

    fn result(&mut self, value: &str, quoted: bool, split: bool, out: &mut Fields) {
        if quoted {
            out.literal(value, true);
        } else if split {
            let ifs = self.variables.get("IFS").map_or(" \t\n".to_owned(), |v| v.value.clone());
            out.split(value, &ifs);
        } else if !value.is_empty() {
            out.literal(value, false);
        }
    }

    fn tilde(&mut self, tilde: &TildeExpr) -> String {
        match tilde {
            TildeExpr::Home => self.get("HOME").map_or_else(|| "~".to_owned(), str::to_owned),
            TildeExpr::UserHome(name) => users::user(&self.ctx.system().files, name).map_or_else(|| format!("~{name}"), |user| user.home),
            TildeExpr::WorkingDir => self.ctx.cwd.clone(),
            _ => "~".to_owned(),
        }
    }

    fn substitute(&mut self, text: &str) -> Result<String, Flow> {
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

    fn value(&mut self, parameter: &Parameter) -> Option<String> {
        match parameter {
            Parameter::Positional(0) => Some(self.name.clone()),
            Parameter::Positional(n) => self.positional.get(*n as usize - 1).cloned(),
            Parameter::Named(name) if name == "LINENO" => Some(self.line.to_string()),
            Parameter::Named(name) => self.get(name).map(str::to_owned),
            Parameter::Special(special) => Some(match special {
                SpecialParameter::AllPositionalParameters { concatenate } => {
                    if self.positional.is_empty() {
                        return None;
                    }
                    let separator = if *concatenate {
                        self.get("IFS").map_or(" ".to_owned(), |i| i.chars().take(1).collect())
                    } else {
                        " ".into()
                    };
                    self.positional.join(&separator)
                }
                SpecialParameter::PositionalParameterCount => self.positional.len().to_string(),
                SpecialParameter::LastExitStatus => self.status.to_string(),
                SpecialParameter::CurrentOptionFlags => self.options.flags(),
                SpecialParameter::ProcessId => self.pid.to_string(),
                SpecialParameter::LastBackgroundProcessId => return self.last_background.map(|p| p.to_string()),
                SpecialParameter::ShellName => self.name.clone(),
            }),
            Parameter::NamedWithIndex { .. } | Parameter::NamedWithAllIndices { .. } => None,
        }
    }

    fn parameter_name(parameter: &Parameter) -> String {
        match parameter {
            Parameter::Positional(n) => n.to_string(),
            Parameter::Named(name) => name.clone(),
            Parameter::Special(SpecialParameter::LastBackgroundProcessId) => "!".into(),
            _ => "@".into(),
        }
    }

    fn checked(&mut self, parameter: &Parameter) -> Result<String, Flow> {
        match self.value(parameter) {
            Some(value) => Ok(value),
            None if self.options.nounset && !matches!(parameter, Parameter::Special(SpecialParameter::AllPositionalParameters { .. })) => {
                let name = Self::parameter_name(parameter);
                let words = if self.bash { "unbound variable" } else { "parameter not set" };
                self.complain(&format!("{name}: {words}"));
                Err(Flow::Exit(if self.bash { 127 } else { 2 }))
            }
            None => Ok(String::new()),
        }
    }

    fn parameter(&mut self, expr: &ParameterExpr, quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
        use ParameterExpr as E;
        let usable = |value: &Option<String>, test: &ParameterTestType| {
            value
                .as_ref()
                .is_some_and(|v| matches!(test, ParameterTestType::Unset) || !v.is_empty())
        };
        match expr {
            E::Parameter {
                parameter: Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate }),
                ..
            } => {
                let all = self.positional.clone();
                if quoted && *concatenate {
                    let separator: String = self.get("IFS").map_or(" ".to_owned(), |i| i.chars().take(1).collect());
                    out.literal(&all.join(&separator), true);
                } else {
                    for (index, value) in all.iter().enumerate() {
                        if index > 0 && split {
                            out.end_field();
                        } else if index > 0 {
                            out.literal(" ", quoted);
                        }
                        self.result(value, quoted, split, out);
                    }
                }
            }
            E::Parameter { parameter, .. } => {
                let value = self.checked(parameter)?;
                self.result(&value, quoted, split, out);
            }
            E::UseDefaultValues {
                parameter,
                test_type,
                default_value,
                ..
            } => {
                let value = self.value(parameter);
                if usable(&value, test_type) {
                    if let Parameter::Special(SpecialParameter::AllPositionalParameters { .. }) = parameter {
                        let plain = E::Parameter {
                            parameter: parameter.clone(),
                            indirect: false,
                        };
                        return self.parameter(&plain, quoted, split, out);
                    }
                    self.result(&value.unwrap_or_default(), quoted, split, out);
                } else {
                    self.operand(default_value.as_deref(), quoted, split, out)?;
                }
            }
            E::AssignDefaultValues {
                parameter,
                test_type,
                default_value,
                ..
            } => {
                let mut value = self.value(parameter);
                if !usable(&value, test_type) {
                    let text = self.string(default_value.as_deref().unwrap_or_default())?;
                    let Parameter::Named(name) = parameter else {
                        return self.bad_substitution();
                    };
                    self.set(name, text.clone())?;
                    value = Some(text);
                }
                self.result(&value.unwrap_or_default(), quoted, split, out);
            }
            E::IndicateErrorIfNullOrUnset {
                parameter,
                test_type,
                error_message,
                ..
            } => {
                let value = self.value(parameter);
                if !usable(&value, test_type) {
                    let message = match error_message {
                        Some(text) if !text.is_empty() => self.string(text)?,
                        _ if matches!(test_type, ParameterTestType::Unset) => "parameter not set".to_owned(),
                        _ => "parameter not set or null".to_owned(),
                    };
                    self.complain(&format!("{}: {message}", Self::parameter_name(parameter)));
                    return Err(Flow::Exit(if self.bash { 127 } else { 2 }));
                }
                self.result(&value.unwrap_or_default(), quoted, split, out);
            }
            E::UseAlternativeValue {
                parameter,
                test_type,
                alternative_value,
                ..
            } => {
                if usable(&self.value(parameter), test_type) {
                    self.operand(alternative_value.as_deref(), quoted, split, out)?;
                }
            }
            E::ParameterLength { parameter, .. } => {
                let length = match parameter {
                    Parameter::Special(SpecialParameter::AllPositionalParameters { .. }) => self.positional.len(),
                    other => self.checked(other)?.chars().count(),
                };
                self.result(&length.to_string(), quoted, split, out);
            }
            E::RemoveSmallestSuffixPattern { parameter, pattern, .. } => {
                self.trim(parameter, pattern.as_deref(), (false, false), quoted, split, out)?
            }
            E::RemoveLargestSuffixPattern { parameter, pattern, .. } => {
                self.trim(parameter, pattern.as_deref(), (false, true), quoted, split, out)?
            }
            E::RemoveSmallestPrefixPattern { parameter, pattern, .. } => {
                self.trim(parameter, pattern.as_deref(), (true, false), quoted, split, out)?
            }
            E::RemoveLargestPrefixPattern { parameter, pattern, .. } => {
                self.trim(parameter, pattern.as_deref(), (true, true), quoted, split, out)?
            }
            _ => return self.bad_substitution(),
        }
        Ok(())
    }

    /// The word of `${x-word}`: quoted as the whole is.
    fn operand(&mut self, text: Option<&str>, quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
        let Some(text) = text else { return Ok(()) };
        let pieces = self.pieces(text)?;
        if quoted {
            return self.expand(&pieces, true, false, out);
        }
        // Unquoted text in the word is split as the result of an expansion is.
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(text) => self.result(text, false, split, out),
                _ => self.expand(std::slice::from_ref(&piece), false, split, out)?,
            }
        }
        Ok(())
    }

    fn trim(
        &mut self,
        parameter: &Parameter,
        pattern: Option<&str>,
        (prefix, longest): (bool, bool),
        quoted: bool,
        split: bool,
        out: &mut Fields,
    ) -> Result<(), Flow> {
        let value: Vec<char> = self.checked(parameter)?.chars().collect();
        let pattern = self.quoted_string(pattern.unwrap_or_default())?;
        let n = value.len();
        let fits = |len: usize| {
            let part = if prefix { &value[..len] } else { &value[n - len..] };
            pattern::matches(&pattern, part)
        };
        let cut = if longest {
            (0..=n).rev().find(|l| fits(*l))
        } else {
            (0..=n).find(|l| fits(*l))
        }
        .unwrap_or(0);
        let rest: String = if prefix {
            value[cut..].iter().collect()
        } else {
            value[..n - cut].iter().collect()
        };
        self.result(&rest, quoted, split, out);
        Ok(())
    }

    fn pathnames(&self, field: &[Quoted]) -> Vec<String> {
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

    /// The value of `$((text))`.
    pub(crate) fn arithmetic(&mut self, text: &str) -> Result<i64, Flow> {
        let expanded = match word::parse_heredoc(text, &parser_options()) {
            Ok(pieces) => self.join(&pieces, true)?.into_iter().map(|(c, _)| c).collect::<String>(),
            Err(_) => text.to_owned(),
        };
        match brush_parser::arithmetic::parse(&expanded) {
            Ok(expr) => self.calculate(&expr, 0),
            Err(_) => {
                self.complain(&format!("arithmetic expression: expecting primary: \"{expanded}\""));
                Err(Flow::Exit(2))
            }
        }
    }

    fn calculate(&mut self, expr: &ArithmeticExpr, depth: u32) -> Result<i64, Flow> {
        if depth > 100 {
            self.complain("expression recursion level exceeded");
            return Err(Flow::Exit(2));
        }
        Ok(match expr {
            ArithmeticExpr::Literal(n) => *n,
            ArithmeticExpr::Reference(target) => self.number(target, depth)?,
            ArithmeticExpr::UnaryOp(op, inner) => {
                let n = self.calculate(inner, depth + 1)?;
                match op {
                    UnaryOperator::UnaryPlus => n,
                    UnaryOperator::UnaryMinus => n.wrapping_neg(),
                    UnaryOperator::BitwiseNot => !n,
                    UnaryOperator::LogicalNot => i64::from(n == 0),
                }
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalAnd, a, b) => {
                i64::from(self.calculate(a, depth + 1)? != 0 && self.calculate(b, depth + 1)? != 0)
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalOr, a, b) => {
                i64::from(self.calculate(a, depth + 1)? != 0 || self.calculate(b, depth + 1)? != 0)
            }
            ArithmeticExpr::BinaryOp(op, a, b) => {
                let (a, b) = (self.calculate(a, depth + 1)?, self.calculate(b, depth + 1)?);
                self.binary(op, a, b)?
            }
            ArithmeticExpr::Conditional(c, a, b) => {
                if self.calculate(c, depth + 1)? != 0 {
                    self.calculate(a, depth + 1)?
                } else {
                    self.calculate(b, depth + 1)?
                }
            }
            ArithmeticExpr::Assignment(target, value) => {
                let n = self.calculate(value, depth + 1)?;
                self.assign_number(target, n)?;
                n
            }
            ArithmeticExpr::BinaryAssignment(op, target, value) => {
                let (a, b) = (self.number(target, depth)?, self.calculate(value, depth + 1)?);
                let n = self.binary(op, a, b)?;
                self.assign_number(target, n)?;
                n
            }
            ArithmeticExpr::UnaryAssignment(op, target) => {
                let n = self.number(target, depth)?;
                let (new, result) = match op {
                    UnaryAssignmentOperator::PrefixIncrement => (n + 1, n + 1),
                    UnaryAssignmentOperator::PrefixDecrement => (n - 1, n - 1),
                    UnaryAssignmentOperator::PostfixIncrement => (n + 1, n),
                    UnaryAssignmentOperator::PostfixDecrement => (n - 1, n),
                };
                self.assign_number(target, new)?;
                result
            }
        })
    }

    fn number(&mut self, target: &ArithmeticTarget, depth: u32) -> Result<i64, Flow> {
        let ArithmeticTarget::Variable(name) = target else { return Ok(0) };
        let value = self.checked(&Parameter::Named(name.clone()))?;
        let value = value.trim();
        if value.is_empty() {
            return Ok(0);
        }
        match brush_parser::arithmetic::parse(value) {
            Ok(expr) => self.calculate(&expr, depth + 1),
            Err(_) => {
                self.complain(&format!("Illegal number: {value}"));
                Err(Flow::Exit(2))
            }
        }
    }

    fn assign_number(&mut self, target: &ArithmeticTarget, n: i64) -> Result<(), Flow> {
        match target {
            ArithmeticTarget::Variable(name) => self.set(name, n.to_string()),
            ArithmeticTarget::ArrayElement(..) => self.bad_substitution(),
        }
    }

    fn binary(&mut self, op: &BinaryOperator, a: i64, b: i64) -> Result<i64, Flow> {
        use BinaryOperator as O;
        Ok(match op {
            O::Multiply => a.wrapping_mul(b),
            O::Divide | O::Modulo if b == 0 => {
                self.complain("division by zero");
                return Err(Flow::Exit(2));
            }
            O::Divide => a.wrapping_div(b),
            O::Modulo => a.wrapping_rem(b),
            O::Add => a.wrapping_add(b),
            O::Subtract => a.wrapping_sub(b),
            O::ShiftLeft => a.wrapping_shl(b.cast_unsigned() as u32),
            O::ShiftRight => a.wrapping_shr(b.cast_unsigned() as u32),
            O::LessThan => i64::from(a < b),
            O::LessThanOrEqualTo => i64::from(a <= b),
            O::GreaterThan => i64::from(a > b),
            O::GreaterThanOrEqualTo => i64::from(a >= b),
            O::Equals => i64::from(a == b),
            O::NotEquals => i64::from(a != b),
            O::BitwiseAnd => a & b,
            O::BitwiseXor => a ^ b,
            O::BitwiseOr => a | b,
            O::Comma => b,
            O::Power => a.wrapping_pow(u32::try_from(b).unwrap_or(0)),
            O::LogicalAnd => i64::from(a != 0 && b != 0),
            O::LogicalOr => i64::from(a != 0 || b != 0),
        })
    }
}
