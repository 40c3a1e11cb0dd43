//! Taking secrets out of what comes back.
//!
//! One pass of an Aho-Corasick automaton over all forms of all secrets. JSON documents get two courtesies: a number is only replaced as a
//! whole, by a string, so that the document stays valid and a PIN does not tear unrelated numbers apart; and strings with escapes are
//! compared as what they say, so that no way of escaping hides a secret.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use zeroize::Zeroizing;

use super::{LONGEST, SHORTEST_SCRUBBED, forms};

pub(super) struct Scrubber {
    /// None: all secrets are too short to look for.
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton, what stands in its place.
    replacements: Vec<String>,
}

impl Scrubber {
    pub(super) fn new<'a>(secrets: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut patterns = Vec::new();
        let mut replacements = Vec::new();
        for (value, reference) in secrets {
            if value.len() < SHORTEST_SCRUBBED {
                continue;
            }
            // The reference stands for itself: a secret that is a part of it must not tear it apart.
            patterns.push(Zeroizing::new(reference.as_bytes().to_vec()));
            replacements.push(reference.to_owned());
            // The automaton holds some twenty bytes for each byte of a pattern.
            let forms = if value.len() > LONGEST {
                forms::few(value)
            } else {
                forms::all(value)
            };
            for form in forms {
                // An encoding's share of a very short value may be shorter still.
                if form.len() >= SHORTEST_SCRUBBED {
                    patterns.push(form);
                    replacements.push(reference.to_owned());
                }
            }
        }
        let automaton = if patterns.is_empty() {
            None
        } else {
            let patterns = patterns.iter().map(|pattern| pattern.as_slice());
            Some(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    // The default for so few patterns is a table of a kilobyte for each byte of a pattern.
                    .kind(Some(AhoCorasickKind::ContiguousNFA))
                    .build(patterns)
                    .expect("1024 secrets of 32 KiB stay below the automaton's limit of 2^31 states"),
            )
        };
        Self { automaton, replacements }
    }

    pub(super) fn scrub(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(automaton) = &self.automaton else { return bytes.to_vec() };
        let json = JsonTokens::of(bytes);
        let mut output = Vec::with_capacity(bytes.len());
        let mut position = 0;
        let mut edits = self.edits(automaton, bytes, json.as_ref());
        if let Some(json) = &json {
            edits = self.with_escaped_strings(automaton, bytes, json, edits);
        }
        for (range, replacement) in edits {
            output.extend_from_slice(&bytes[position..range.start]);
            output.extend_from_slice(&replacement);
            position = range.end;
        }
        output.extend_from_slice(&bytes[position..]);
        output
    }

    fn edits(&self, automaton: &AhoCorasick, bytes: &[u8], json: Option<&JsonTokens>) -> Vec<(Range<usize>, Vec<u8>)> {
        automaton
            .find_iter(bytes)
            .filter_map(|found| {
                let reference = self.replacements[found.pattern().as_usize()].as_bytes();
                match json.and_then(|json| json.bare_around(found.start())) {
                    Some(bare) if found.range() == *bare => Some((found.range(), [b"\"", reference, b"\""].concat())),
                    // Inside a longer number.
                    Some(bare) if found.end() <= bare.end => None,
                    _ => Some((found.range(), reference.to_vec())),
                }
            })
            .collect()
    }

    /// Adds the strings that contain a secret only once their escapes are read. Each replaces the edits inside it.
    fn with_escaped_strings(
        &self,
        automaton: &AhoCorasick,
        bytes: &[u8],
        json: &JsonTokens,
        edits: Vec<(Range<usize>, Vec<u8>)>,
    ) -> Vec<(Range<usize>, Vec<u8>)> {
        let mut merged: Vec<(Range<usize>, Vec<u8>)> = Vec::with_capacity(edits.len());
        let mut edits = edits.into_iter().peekable();
        for range in &json.escaped {
            let Ok(text) = serde_json::from_slice::<String>(&bytes[range.clone()]).map(Zeroizing::new) else {
                continue;
            };
            let plain: Vec<_> = self.edits(automaton, text.as_bytes(), None);
            if plain.is_empty() {
                continue;
            }
            let mut scrubbed = Vec::with_capacity(text.len());
            let mut position = 0;
            for (found, reference) in plain {
                scrubbed.extend_from_slice(&text.as_bytes()[position..found.start]);
                scrubbed.extend_from_slice(&reference);
                position = found.end;
            }
            scrubbed.extend_from_slice(&text.as_bytes()[position..]);
            while let Some(edit) = edits.next_if(|(edit, _)| edit.start < range.start) {
                merged.push(edit);
            }
            // A secret that is JSON itself may begin before the string and end in it: it goes as a whole.
            if merged.last().is_some_and(|(edit, _)| edit.end > range.start) {
                continue;
            }
            let mut end = range.end;
            while let Some((edit, _)) = edits.next_if(|(edit, _)| edit.start < range.end) {
                end = end.max(edit.end);
            }
            let quoted = serde_json::to_vec(&String::from_utf8_lossy(&scrubbed)).unwrap_or_default();
            merged.push((range.start..end, quoted));
        }
        merged.extend(edits);
        merged
    }
}

/// Where a JSON document has what needs care. Ranges are in ascending order.
struct JsonTokens {
    /// Numbers, `true`, `false` and `null`.
    bare: Vec<Range<usize>>,
    /// Strings that contain escapes, with their quotes.
    escaped: Vec<Range<usize>>,
}

impl JsonTokens {
    /// None: no JSON object or array.
    fn of(bytes: &[u8]) -> Option<Self> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
        if !matches!(first, b'{' | b'[') || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
            return None;
        }
        let mut tokens = Self {
            bare: Vec::new(),
            escaped: Vec::new(),
        };
        let mut position = 0;
        while let Some(byte) = bytes.get(position) {
            let begin = position;
            position += 1;
            if *byte == b'"' {
                let mut escaped = false;
                while let Some(next) = bytes.get(position) {
                    position += 1;
                    match next {
                        b'"' => break,
                        b'\\' => {
                            escaped = true;
                            position += 1;
                        }
                        _ => {}
                    }
                }
                if escaped {
                    tokens.escaped.push(begin..position);
                }
            } else if is_bare(*byte) {
                while bytes.get(position).is_some_and(|next| is_bare(*next)) {
                    position += 1;
                }
                tokens.bare.push(begin..position);
            }
        }
        Some(tokens)
    }

    fn bare_around(&self, position: usize) -> Option<&Range<usize>> {
        let index = self.bare.partition_point(|range| range.end <= position);
        self.bare.get(index).filter(|range| range.start <= position)
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
