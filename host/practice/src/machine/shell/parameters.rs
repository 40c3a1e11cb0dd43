//! `$name`, `${name:-word}` and their kin.

use brush_parser::word::{Parameter, ParameterExpr, ParameterTestType, SpecialParameter, WordPiece};

use super::expand::Fields;
use super::pattern::{self};
use super::{Flow, Shell};

impl Shell {
    pub(super) fn value(&mut self, parameter: &Parameter) -> Option<String> {
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

    pub(super) fn parameter_name(parameter: &Parameter) -> String {
        match parameter {
            Parameter::Positional(n) => n.to_string(),
            Parameter::Named(name) => name.clone(),
            Parameter::Special(SpecialParameter::LastBackgroundProcessId) => "!".into(),
            _ => "@".into(),
        }
    }

    pub(super) fn checked(&mut self, parameter: &Parameter) -> Result<String, Flow> {
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

    pub(super) fn parameter(&mut self, expr: &ParameterExpr, quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
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
    pub(super) fn operand(&mut self, text: Option<&str>, quoted: bool, split: bool, out: &mut Fields) -> Result<(), Flow> {
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

    pub(super) fn trim(
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
}
