//! os-release(5).

use crate::system::{PackageFormat, Release};

/// The assignments of an os-release(5) file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OsRelease(Vec<(String, String)>);

impl OsRelease {
    /// Reads the file. Lines that are no assignment are passed over, as the manual page asks for.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(assignment).collect())
    }

    /// The value of a variable; none where it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        // A variable that is assigned twice has the later value, as in the shell.
        self.0
            .iter()
            .rev()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The release, if `ID` is exactly this one. Derivatives, which name it in `ID_LIKE` only, are none: they differ where it hurts.
    pub fn release(&self, id: &str, architecture: &str, package_format: PackageFormat) -> Option<Release> {
        let owned = |name| self.get(name).map(str::to_owned);
        (self.get("ID") == Some(id)).then(|| Release {
            id: id.to_owned(),
            name: owned("PRETTY_NAME").or_else(|| owned("NAME")).unwrap_or_else(|| id.to_owned()),
            version: owned("VERSION_ID"),
            codename: owned("VERSION_CODENAME"),
            architecture: architecture.trim().to_owned(),
            package_format,
        })
    }
}

fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().split_once('=')?;
    let valid =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| (name.to_owned(), unquoted(value)))
}

/// A value as a shell reads it: quotes taken off, backslashes resolved.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', None) => text.extend(characters.next()),
            ('\\', Some('"')) => match characters.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => text.push(escaped),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            },
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            _ => text.push(c),
        }
    }
    text
}
