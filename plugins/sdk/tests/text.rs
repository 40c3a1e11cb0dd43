//! os-release(5), ini files and names.

use bootmachine_sdk::text::{OsRelease, ini_get, ini_set, nearest};

#[test]
fn os_release_is_read_as_a_shell_reads_it() {
    let text = "# a comment\nID=debian\n\nPRETTY_NAME=\"A \\\"quoted\\\" \\$name \\x\"\nVARIANT='it is \\ plain'\nEMPTY=\"\"\nNAME=a\\ b\nnot an assignment\n1X=1\nID_LIKE=\"one two\"\nNAME=last\nOPEN=\"never closed\n";
    let release = OsRelease::parse(text);
    assert_eq!(release.get("ID"), Some("debian"));
    assert_eq!(release.get("PRETTY_NAME"), Some("A \"quoted\" $name \\x"));
    assert_eq!(release.get("VARIANT"), Some("it is \\ plain"));
    assert_eq!(release.get("EMPTY"), None);
    assert_eq!(release.get("NAME"), Some("last"));
    assert_eq!(release.get("ID_LIKE"), Some("one two"));
    assert_eq!(release.get("OPEN"), Some("never closed"));
    assert_eq!(release.get("1X"), None);
}

#[test]
fn an_ini_file_keeps_everything_but_the_one_line() {
    let text = "top = 1\n# [main]\n[main]\n  key = old ; kept\nother=2\n\n[next]\nkey=3\n";
    assert_eq!(ini_get(text, "main", "other"), Some("2"));
    assert_eq!(ini_get(text, "", "top"), Some("1"));
    assert_eq!(ini_get(text, "main", "top"), None);
    assert_eq!(ini_set(text, "main", "other", "=", "2"), text);
    assert_eq!(ini_set(text, "main", "other", "=", "9"), text.replace("other=2", "other=9"));
    assert_eq!(ini_set(text, "next", "new", " = ", "x"), format!("{text}new = x\n"));
    assert_eq!(
        ini_set(text, "main", "new", "=", "x"),
        text.replace("other=2\n", "other=2\nnew=x\n")
    );
    assert_eq!(ini_set(text, "absent", "a", "=", "b"), format!("{text}\n[absent]\na=b\n"));
    assert_eq!(ini_set("", "", "LANG", "=", "C"), "LANG=C\n");
    assert_eq!(ini_set("A=1", "", "LANG", "=", "C"), "A=1\nLANG=C\n");
    assert_eq!(ini_set("", "s", "a", "=", "b"), "[s]\na=b\n");
}

#[test]
fn names_come_near_by_what_they_contain_and_how_they_look() {
    let images = ["Debian 12", "Debian 13", "Fedora 43", "Ubuntu 24.04"];
    assert_eq!(nearest("debian", images), ["Debian 12", "Debian 13"]);
    assert_eq!(nearest("Ubunto 24.04", images), ["Ubuntu 24.04"]);
    assert_eq!(nearest("zzz", images), [""; 0]);
    assert_eq!(nearest("", images), [""; 0]);
}
