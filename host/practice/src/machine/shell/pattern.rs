//! Shell patterns (`*`, `?`, `[…]`), as `case`, `${x#…}`, pathname expansion and `find -name` use them.

/// A character of a pattern, and whether it was quoted and so stands for itself.
pub type Quoted = (char, bool);

/// A pattern none of whose characters is quoted; a backslash quotes the next one.
pub fn plain(pattern: &str) -> Vec<Quoted> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push((chars.next().unwrap_or('\\'), true)),
            c => out.push((c, false)),
        }
    }
    out
}

/// Whether the pattern has a character that means something.
pub fn is_pattern(pattern: &[Quoted]) -> bool {
    pattern.iter().any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '['))
}

/// Whether the whole text matches.
pub fn matches(pattern: &[Quoted], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let advance = match pattern.get(p) {
            Some(('*', false)) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(('?', false)) => Some(p + 1),
            Some(('[', false)) => match bracket(&pattern[p..], text[t]) {
                Some((true, len)) => Some(p + len),
                Some((false, _)) => None,
                None => (text[t] == '[').then_some(p + 1),
            },
            Some((c, _)) if *c == text[t] => Some(p + 1),
            _ => None,
        };
        match (advance, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((sp, st))) => {
                p = sp + 1;
                t = st + 1;
                star = Some((sp, t));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|(c, quoted)| *c == '*' && !quoted)
}

/// Whether `c` is in the bracket expression at the start, and its length; none if it is not one.
fn bracket(pattern: &[Quoted], c: char) -> Option<(bool, usize)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at), Some(('!' | '^', false)));
    if negated {
        at += 1;
    }
    let first = at;
    let mut found = false;
    loop {
        let (p, quoted) = *pattern.get(at)?;
        if p == ']' && !quoted && at > first {
            return Some((found != negated, at + 1));
        }
        if p == '[' && !quoted && matches!(pattern.get(at + 1), Some((':', _))) {
            let rest: String = pattern[at + 2..].iter().map(|(c, _)| *c).collect();
            if let Some(end) = rest.find(":]") {
                found |= class(&rest[..end], c);
                at += 2 + rest[..end].chars().count() + 2;
                continue;
            }
        }
        if let (Some(('-', false)), Some((high, hq))) = (pattern.get(at + 1), pattern.get(at + 2))
            && (*high != ']' || *hq)
        {
            found |= p <= c && c <= *high;
            at += 3;
            continue;
        }
        found |= p == c;
        at += 1;
    }
}

/// Whether `c` is in the character class of that name, in the C locale.
pub fn class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_ascii_alphanumeric(),
        "upper" => c.is_ascii_uppercase(),
        "lower" => c.is_ascii_lowercase(),
        "space" => c.is_ascii_whitespace() || c == '\x0b',
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "print" => c.is_ascii_graphic() || c == ' ',
        "graph" => c.is_ascii_graphic(),
        "cntrl" => c.is_ascii_control(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}
