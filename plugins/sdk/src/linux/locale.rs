//! Locales, where glibc makes them from /etc/locale.gen.

use crate::ssh::{Batch, Command, File, Session};
use crate::text::{ini_get, ini_set};
use crate::{Error, Result, log};

/// `en_GB.UTF-8` as `locale -a` writes it: `en_GB.utf8`.
fn normalised(locale: &str) -> String {
    match locale.split_once('.') {
        Some((language, charset)) => format!("{language}.{}", charset.to_ascii_lowercase().replace('-', "")),
        None => locale.to_owned(),
    }
}

/// Makes a locale, if the machine does not have it. Returns whether it had to.
pub fn generate_locale(on: &Session, locale: &str) -> Result<bool> {
    let available = on.run_ok(Command::new("locale").arg("-a"), "listing the locales")?.stdout_text();
    if available.lines().any(|line| normalised(line.trim()) == normalised(locale)) {
        return Ok(false);
    }
    let doing = format!("making the locale {locale}");
    log::step(&doing);
    let path = "/etc/locale.gen";
    let text = on.read_text(path)?.unwrap_or_default();
    let charset = locale.split_once('.').map_or("ISO-8859-1", |(_, charset)| charset);
    let entry = format!("{locale} {charset}");
    let mut found = false;
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            // Debian lists every locale there is, as comments.
            let names = line.trim_start_matches(['#', ' ']).trim_end() == entry;
            found |= names;
            if names { entry.clone() } else { line.to_owned() }
        })
        .collect();
    if !found {
        lines.push(entry);
    }
    let content = lines.join("\n") + "\n";
    let explain = |output: &crate::ssh::Output| Error::invalid_setting(output.last_words());
    Batch::new()
        .then(&doing, File::new(path, content))
        .then(&doing, Command::new("locale-gen"))
        .run_or(on, explain)?;
    Ok(true)
}

/// Sets `LANG` in locale.conf(5). Returns whether it was another one.
pub fn set_locale_conf(on: &Session, locale: &str) -> Result<bool> {
    let path = "/etc/locale.conf";
    let text = on.read_text(path)?.unwrap_or_default();
    if ini_get(&text, "", "LANG") == Some(locale) {
        return Ok(false);
    }
    on.write_file(File::new(path, ini_set(&text, "", "LANG", "=", locale)))
}
