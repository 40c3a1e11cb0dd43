//! Whatever is in the file, reading it ends with values or with messages, never with a panic.

use std::{fs, path::Path};

use bootmachine_config::Config;
use proptest::prelude::*;

fn full() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/full.toml")).expect("a case is text")
}

/// Reads it and renders everything that is said. What can not be used is said to be so by at least one error.
fn survives(text: &str) {
    match Config::parse_with_home("bootmachine.toml", text, None) {
        Ok(loaded) => loaded.warnings.iter().for_each(|warning| drop(warning.render(true))),
        Err(error) => {
            assert!(!error.diagnostics.is_empty());
            assert!(!error.render(true).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_file_with_a_piece_replaced(start in 0_usize..2000, length in 0_usize..40, piece in "[\\PC\n\r\t\"'{}\\[\\]=.#]{0,12}") {
        let text = full();
        let start = text.floor_char_boundary(start.min(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        survives(&format!("{}{piece}{}", &text[..start], &text[end..]));
    }

    #[test]
    fn a_good_file_with_lines_dropped_and_doubled(keep in proptest::collection::vec(0_usize..3, 100)) {
        let text = full();
        let lines = text.lines().zip(keep.iter().chain(std::iter::repeat(&1)));
        let text: String = lines.flat_map(|(line, times)| std::iter::repeat_n(format!("{line}\n"), *times)).collect();
        survives(&text);
    }

    #[test]
    fn a_good_file_with_values_of_other_types(
        values in proptest::collection::vec(
            prop_oneof![
                Just("1"), Just("-1"), Just("0xffffffffffffffffffff"), Just("nan"), Just("true"), Just("\"\""), Just("\"~\""), Just("\"é\\u0000\""),
                Just("[]"), Just("[[]]"), Just("{}"), Just("{ plain = \"x\" }"), Just("{ file = 1 }"), Just("2026-01-01"), Just("\"\"\"\na\n\"\"\""),
            ],
            100,
        ),
        which in 0_usize..5,
    ) {
        let text = full();
        let replaced = text.lines().zip(&values).enumerate().map(|(number, (line, value))| match line.split_once(" = ") {
            Some((key, _)) if number % 5 == which => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        survives(&replaced.collect::<String>());
    }

    #[test]
    fn anything(text in "\\PC{0,200}") {
        survives(&text);
    }
}
