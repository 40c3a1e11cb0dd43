//! The words of nftables' language.

use super::language::Parsed;

pub(super) struct Tokens {
    items: Vec<String>,
    at: usize,
}

impl Tokens {
    pub(super) fn new(text: &str) -> Self {
        let mut items = Vec::new();
        for line in text.lines() {
            let mut current = String::new();
            let mut quoted = false;
            for c in line.chars() {
                if quoted {
                    current.push(c);
                    if c == '"' {
                        quoted = false;
                        items.push(std::mem::take(&mut current));
                    }
                    continue;
                }
                match c {
                    '#' => break,
                    '"' => {
                        quoted = true;
                        current.push(c);
                    }
                    '{' | '}' | ';' | ',' | '=' => {
                        if !current.is_empty() {
                            items.push(std::mem::take(&mut current));
                        }
                        items.push(c.to_string());
                    }
                    c if c.is_whitespace() => {
                        if !current.is_empty() {
                            items.push(std::mem::take(&mut current));
                        }
                    }
                    c => current.push(c),
                }
            }
            if !current.is_empty() {
                items.push(current);
            }
            items.push("\n".into());
        }
        Self { items, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<&str> {
        self.items.get(self.at).map(String::as_str)
    }

    pub(super) fn next(&mut self) -> Option<String> {
        let item = self.items.get(self.at).cloned();
        self.at += 1;
        item
    }

    pub(super) fn skip_breaks(&mut self) {
        while matches!(self.peek(), Some("\n" | ";")) {
            self.at += 1;
        }
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Parsed<()> {
        while wanted != "\n" && self.peek() == Some("\n") {
            self.at += 1;
        }
        match self.next() {
            Some(found) if found == wanted => Ok(()),
            found => Err(format!(
                "syntax error, unexpected {}, expecting {wanted}",
                describe(found.as_deref())
            )),
        }
    }

    /// The tokens up to the end of the statement.
    pub(super) fn statement(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        let mut depth = 0;
        while let Some(token) = self.peek() {
            match token {
                "\n" | ";" if depth == 0 => break,
                "}" if depth == 0 => break,
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let token = token.to_owned();
            self.at += 1;
            if token != "\n" {
                out.push(token);
            }
        }
        out
    }
}

/// A word as nft's own messages name it.
pub(super) fn describe(token: Option<&str>) -> String {
    match token {
        None => "end of file".into(),
        Some("\n") => "newline".into(),
        Some(other) => other.into(),
    }
}
