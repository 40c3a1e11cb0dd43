//! Edits of `key = value` files that keep everything else as it is.

/// The value of a key in a section of an ini file. A comment (`#`, `;`) is no value. `section` empty: before the first section.
pub fn ini_get<'a>(text: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut current = "";
    text.lines().find_map(|line| {
        if let Some(name) = section_of(line) {
            current = name;
            return None;
        }
        if current == section { value_of(line, key) } else { None }
    })
}

/// The text with this key of this section set to this value: the line that sets it is replaced, or one is added at the end of the section,
/// or the section with it at the end of the file. `separator` is what stands between them: `=`, ` = `. A text that says so already comes
/// back as it is.
pub fn ini_set(text: &str, section: &str, key: &str, separator: &str, value: &str) -> String {
    if ini_get(text, section, key) == Some(value) {
        return text.to_owned();
    }
    let entry = format!("{key}{separator}{value}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut current = String::new();
    let mut end = section.is_empty().then_some(0);
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = section_of(line) {
            name.clone_into(&mut current);
            if current == section {
                end = Some(index + 1);
            }
        } else if current == section {
            if value_of(line, key).is_some() {
                lines[index] = entry;
                return joined(&lines);
            }
            if !line.trim().is_empty() {
                end = Some(index + 1);
            }
        }
    }
    match end {
        Some(index) => lines.insert(index, entry),
        None => {
            if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                lines.push(String::new());
            }
            lines.extend([format!("[{section}]"), entry]);
        }
    }
    joined(&lines)
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn section_of(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']').map(str::trim)
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (name, value) = line.split_once('=')?;
    (name.trim() == key).then(|| value.trim())
}
