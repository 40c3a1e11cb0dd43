//! The edge to the terminal: whatever a server, a cloud or a plugin says passes through here before it is shown.
//!
//! Plugins and brokers clean most of it already. This is the one place that everything passes, so that no escape sequence, no carriage
//! return and no change of the writing direction can make a line show something else than it says.

use std::borrow::Cow;

/// A text of one line: control characters become `�`, line feeds and tabs a space.
pub fn line(text: &str) -> Cow<'_, str> {
    replace(text, |character| match character {
        '\n' | '\t' => Some(' '),
        '\r' => None,
        other => Some(other),
    })
}

/// A text of several lines: as [`line`], and line feeds and tabs stay.
pub fn text(text: &str) -> Cow<'_, str> {
    replace(text, |character| if character == '\r' { None } else { Some(character) })
}

fn replace(text: &str, keep: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| is_suspicious(character) || matches!(character, '\n' | '\t' | '\r'))
    {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .filter_map(keep)
            .map(|character| {
                if is_suspicious(character) {
                    char::REPLACEMENT_CHARACTER
                } else {
                    character
                }
            })
            .collect(),
    )
}

/// Control characters, and those that change the direction of writing or are not to be seen at all.
fn is_suspicious(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t' | '\r'))
        || matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_stays() {
        assert!(matches!(line("Größe 3 ✓ 日本"), Cow::Borrowed(_)));
        assert_eq!(text("one\n\ttwo"), "one\n\ttwo");
    }

    #[test]
    fn escape_sequences_and_returns_are_defused() {
        assert_eq!(line("\u{1b}[2Kdone\rfailed"), "�[2Kdonefailed");
        assert_eq!(line("a\nb\tc"), "a b c");
        assert_eq!(text("a\r\n\u{9b}31mb\u{7f}"), "a\n�31mb�");
        assert_eq!(line("abc\u{202e}txt"), "abc�txt");
    }
}
