//! What goes over in one trip: a POSIX shell script and, behind it, the bytes that its steps need.
//!
//! The command line of the `exec` is short and always the same but for one number, the script's length. It reads the script from standard
//! input and runs it; the script in turn reads the content of files and the input of commands from what follows, so that nothing is encoded
//! and nothing shows in a process list. The machine needs a POSIX shell, coreutils and util-linux's `runuser`.
//!
//! The script is `PRELUDE` (functions), the line `# steps` and one line a step, quoted for a shell:
//!
//! | line | bytes that follow | |
//! |---|---|---|
//! | `R BYTES SECONDS USER NAME=VALUE… PROGRAM ARGUMENT…` | standard input; `-` for none | run a command |
//! | `W BYTES SHA256 MODE OWNER GROUP PATH` | the content | write a file beside its place and rename it |
//! | `G PATH BYTES` | | read a file, so much of it |
//! | `TB PATH`, `TD NAME…`, `TF BYTES SHA256 MODE NAME`, `TE ENTRIES` | the content, for each `TF` | make a directory a copy of ours |
//! | `E` | | the end |
//!
//! After each step both streams get one line, `@bm:NONCE:` and what became of it, directly behind the step's own output: `S` at the start,
//! `R STATUS`, `W 0` (the same already) or `W 1`, `G ok|none|dir|failed`, `F` (a file could not be written; why is on standard error), `E`.
//! The nonce is random, so no output is taken for a marker. A command that fails ends the script.
//!
//! Input is spooled and counted before a command sees it: a connection that breaks must not leave half a script running.
//!
//! Where sudo may ask for a password, nothing is sent before it has: `sudo -S` reads from the same input, and only where it asks. It asks with
//! a prompt of ours, and the shell that it starts says that it is there (`become_root` has the other side).

use sha2::{Digest as _, Sha256};

use super::{Command, File, SshError};

/// What a command may take when it does not say (`wit/ssh.wit`).
pub(crate) const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(10);

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const PRELUDE: &str = r#"
umask 022
cd /
t= o=
trap '[ -z "$o" ] || [ -e "$k" ] || mv -T -- "$o" "$k"; [ -z "$t" ] || rm -rf -- "$t"' EXIT
trap 'exit 129' HUP
trap 'exit 143' TERM
m() { printf '%s%s\n' "$n" "$1"; printf '%s%s\n' "$n" "$1" >&2; }
fail() { printf '%s\n' "$1" >&2; m F; exit 0; }
take() {
  [ "$1" -lt 65536 ] || dd bs=65536 count=$(($1 / 65536)) iflag=fullblock 2>/dev/null || return 1
  [ $(($1 % 65536)) -eq 0 ] || dd bs=$(($1 % 65536)) count=1 iflag=fullblock 2>/dev/null
}
has() { [ "$(sha256sum <"$1")" = "$2  -" ]; }
same() {
  [ -f "$1" ] && [ ! -L "$1" ] && has "$1" "$2" || return 1
  set -- "$3" "$4" "$5" $(stat -c '%a %U %u %G %g' -- "$1")
  [ "$1" = "$4" ] || return 1
  [ "$2" = "$5" ] || [ "$2" = "$6" ] || return 1
  [ "$3" = "$7" ] || [ "$3" = "$8" ]
}
label() { ! command -v restorecon >/dev/null 2>&1 || restorecon -R -- "$1" >/dev/null 2>&1 || :; }
R() {
  l=$1 s=$2 u=$3; shift 3
  if [ "$u" = root ]; then set -- env -i "$@"; else set -- runuser -u "$u" -- env -i "$@"; fi
  if [ "$l" = - ]; then
    timeout -k 5 "$s" "$@" </dev/null
    r=$?
  else
    d=/tmp
    [ "$l" -ge 1048576 ] || [ ! -d /run ] || [ ! -w /run ] || d=/run
    t=$(mktemp "$d/bootmachine.XXXXXX") && take "$l" >"$t" && [ "$(stat -c %s -- "$t")" = "$l" ] ||
      fail "standard input could not be stored in $d"
    exec 8<"$t"
    rm -f -- "$t"
    t=
    timeout -k 5 "$s" "$@" <&8 8<&-
    r=$?
    exec 8<&-
  fi
  m "R $r"
  [ $r -eq 0 ] || exit 0
}
W() {
  if same "$6" "$2" "$3" "$4" "$5"; then take "$1" >/dev/null; m 'W 0'; return; fi
  [ ! -d "$6" ] || [ -L "$6" ] || fail "$6 is a directory"
  p=${6%/*}
  mkdir -p -- "$p/" && t=$(mktemp -- "$p/.bootmachine.XXXXXX") && take "$1" >"$t" && has "$t" "$2" &&
    chown -- "$4:$5" "$t" && chmod -- "$3" "$t" && mv -f -T -- "$t" "$6" || fail "$6 could not be written"
  t=
  label "$6"
  m 'W 1'
}
G() {
  if [ -d "$1" ]; then m 'G dir'
  elif [ ! -e "$1" ]; then m 'G none'
  elif head -c "$2" -- "$1"; then m 'G ok'
  else m 'G failed'; exit 0
  fi
}
plain() { [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c '%a %u %g' -- "$1")" = '755 0 0' ]; }
walk() {
  for f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -d "$f" ] && [ ! -L "$f" ]; then echo "$f"; walk "$f"
    elif [ -e "$f" ] || [ -L "$f" ]; then echo "$f"
    fi
  done
}
TB() {
  k=$1 c=0
  { [ ! -e "$k" ] && [ ! -L "$k" ]; } || { [ -d "$k" ] && [ ! -L "$k" ]; } || fail "$k is there and is not a directory"
  p=${k%/*}
  mkdir -p -- "$p/" && t=$(mktemp -d -- "$p/.bootmachine.XXXXXX") && chmod 755 -- "$t" || fail "$k could not be written"
  plain "$k" || c=1
}
TD() {
  for x; do mkdir -p -- "$t/$x" || fail "$k/$x could not be made"; plain "$k/$x" || c=1; done
}
TF() {
  take "$1" >"$t/$4" && has "$t/$4" "$2" && chmod -- "$3" "$t/$4" || fail "$k/$4 could not be written"
  [ $c -eq 1 ] || same "$k/$4" "$2" "$3" root root || c=1
}
TE() {
  if [ $c -eq 0 ] && [ "$(walk "$k" | wc -l)" -eq "$1" ]; then rm -rf -- "$t"; t=; m 'W 0'; return; fi
  if [ -d "$k" ]; then
    o=$(mktemp -d -- "$p/.bootmachine.XXXXXX") && mv -T -- "$k" "$o" || fail "$k could not be moved aside"
  fi
  mv -T -- "$t" "$k" || fail "$k could not be put in place"
  t=
  [ -z "$o" ] || rm -rf -- "$o"
  o=
  label "$k"
  m 'W 1'
}
E() { m E; exit 0; }
m S
"#;

/// A step as it goes over.
#[derive(Debug)]
pub(crate) enum Work {
    Run(Command),
    Write(File),
    Read(String),
    Tree(super::tree::Tree),
}

/// How a login becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Become {
    /// It is root.
    Nobody,
    /// By sudo that does not ask.
    Sudo,
    /// By sudo that may ask for a password.
    SudoWithPassword,
}

/// What standard error says before the script may be sent.
pub(crate) struct Handshake {
    /// sudo asks for the password.
    pub(crate) prompt: Vec<u8>,
    /// root's shell waits for the script.
    pub(crate) ready: Vec<u8>,
}

/// A trip, ready to be sent.
pub(crate) struct Payload {
    /// The `exec` command line.
    pub(crate) command: String,
    /// What is written to it: the script and the blobs.
    pub(crate) input: Vec<u8>,
    /// What each marker begins with.
    pub(crate) marker: Vec<u8>,
    /// What is waited for before `input` is written.
    pub(crate) handshake: Option<Handshake>,
}

/// Writes the script for these steps.
pub(crate) fn payload(works: &[Work], how: Become) -> Result<Payload, SshError> {
    let nonce: [u8; 16] = rand::random();
    let nonce = nonce.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let marker = format!("@bm:{nonce}:");
    let mut script = format!("n='{marker}'\nPATH={PATH} LC_ALL=C.UTF-8\nexport PATH LC_ALL\n{PRELUDE}# steps\n");
    let mut blobs = Vec::new();
    for work in works {
        match work {
            Work::Run(command) => run_line(&mut script, &mut blobs, command)?,
            Work::Write(file) => write_line(&mut script, &mut blobs, file)?,
            Work::Read(path) => line(&mut script, &["G", &check_path(path)?, &(super::OUTPUT_CAP + 1).to_string()])?,
            Work::Tree(tree) => tree_lines(&mut script, &mut blobs, tree)?,
        }
    }
    script.push_str("E\n");
    let read = format!(r#"eval "$(dd bs={} count=1 iflag=fullblock 2>/dev/null)""#, script.len());
    let (prompt, ready) = (format!("@bm-password:{nonce}:"), format!("@bm-root:{nonce}:"));
    let command = match how {
        Become::Nobody => format!("exec sh -c '{read}'"),
        Become::Sudo => format!("exec sudo -n -- sh -c '{read}'"),
        Become::SudoWithPassword => format!("exec sudo -S -p {prompt} -- sh -c 'echo {ready} >&2; {read}'"),
    };
    let handshake = (how == Become::SudoWithPassword).then(|| Handshake {
        prompt: prompt.into_bytes(),
        ready: ready.into_bytes(),
    });
    let mut input = script.into_bytes();
    input.append(&mut blobs);
    Ok(Payload {
        command,
        input,
        marker: marker.into_bytes(),
        handshake,
    })
}

fn line(script: &mut String, words: &[&str]) -> Result<(), SshError> {
    let quoted = shlex::try_join(words.iter().copied()).map_err(|_| SshError::Invalid("a command or a path contains a NUL byte".into()))?;
    script.push_str(&quoted);
    script.push('\n');
    Ok(())
}

fn run_line(script: &mut String, blobs: &mut Vec<u8>, command: &Command) -> Result<(), SshError> {
    let program = &command.program;
    if program.is_empty() || program.contains('=') || program.starts_with('-') {
        return Err(SshError::Invalid(format!("`{program}` is not the name of a program")));
    }
    let bytes = command
        .stdin
        .as_ref()
        .map_or_else(|| "-".to_owned(), |stdin| stdin.len().to_string());
    // `timeout 0` would mean no limit at all.
    let seconds = format!("{:.3}", command.timeout.unwrap_or(DEFAULT_TIMEOUT).as_secs_f64().max(0.001));
    let user = command.user.as_deref().unwrap_or("root");
    if user.is_empty() || user.starts_with('-') {
        return Err(SshError::Invalid(format!("`{user}` is not the name of a user")));
    }
    let path = format!("PATH={PATH}");
    let mut variables = Vec::new();
    for (name, value) in &command.environment {
        if !is_variable_name(name) {
            return Err(SshError::Invalid(format!("`{name}` is not the name of an environment variable")));
        }
        variables.push(format!("{name}={value}"));
    }
    let mut words = vec!["R", &bytes, &seconds, user, "LC_ALL=C.UTF-8", &path];
    words.extend(variables.iter().map(String::as_str));
    words.push(program);
    words.extend(command.arguments.iter().map(String::as_str));
    line(script, &words)?;
    blobs.extend_from_slice(command.stdin.as_deref().unwrap_or_default());
    Ok(())
}

fn write_line(script: &mut String, blobs: &mut Vec<u8>, file: &File) -> Result<(), SshError> {
    if file.mode > 0o7777 {
        return Err(SshError::Invalid(format!("{:o} is not a file mode ({})", file.mode, file.path)));
    }
    for (what, name) in [("owner", &file.owner), ("group", &file.group)] {
        if name.is_empty() || name.contains([':', ' ', '\n', '\t']) {
            return Err(SshError::Invalid(format!("`{name}` can not be the {what} of {}", file.path)));
        }
    }
    let path = check_path(&file.path)?;
    let mode = format!("{:o}", file.mode);
    line(
        script,
        &[
            "W",
            &file.content.len().to_string(),
            &digest(&file.content),
            &mode,
            &file.owner,
            &file.group,
            &path,
        ],
    )?;
    blobs.extend_from_slice(&file.content);
    Ok(())
}

fn tree_lines(script: &mut String, blobs: &mut Vec<u8>, tree: &super::tree::Tree) -> Result<(), SshError> {
    line(script, &["TB", &check_path(&tree.remote)?])?;
    for directory in &tree.directories {
        line(script, &["TD", directory])?;
    }
    for file in &tree.files {
        let mode = if file.executable { "755" } else { "644" };
        line(
            script,
            &["TF", &file.content.len().to_string(), &digest(&file.content), mode, &file.name],
        )?;
        blobs.extend_from_slice(&file.content);
    }
    line(script, &["TE", &(tree.directories.len() + tree.files.len()).to_string()])
}

/// Absolute, below `/`, without `..` and without characters that would break a line; given back without doubled or trailing slashes.
pub(crate) fn check_path(path: &str) -> Result<String, SshError> {
    let invalid = |why: &str| Err(SshError::Invalid(format!("the path `{}` {why}", path.escape_debug())));
    if !path.starts_with('/') {
        return invalid("is not absolute");
    }
    if path.contains(['\0', '\n']) {
        return invalid("contains a NUL byte or a line break");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return invalid("contains `..`");
    }
    if parts.is_empty() {
        return invalid("is the root directory");
    }
    Ok(format!("/{}", parts.join("/")))
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_stay_where_they_say() {
        for path in ["", "etc/passwd", "/etc/../root", "/..", "/a\nb", "/a\0b", "/", "//", "/."] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert_eq!(check_path("/etc//ssh/./sshd_config").unwrap(), "/etc/ssh/sshd_config");
        assert_eq!(check_path("/srv/tree/").unwrap(), "/srv/tree");
        assert_eq!(check_path("/a/..b").unwrap(), "/a/..b");
    }

    #[test]
    fn what_a_shell_could_misread_is_refused_before_it_is_sent() {
        let run = |command| payload(&[Work::Run(command)], Become::Nobody).map(|_| ());
        let command = |program: &str| Command {
            program: program.into(),
            ..Command::default()
        };
        assert!(run(command("true")).is_ok());
        for program in ["", "A=b", "-x"] {
            assert!(matches!(run(command(program)), Err(SshError::Invalid(_))), "{program:?}");
        }
        assert!(
            run(Command {
                arguments: vec!["a\0b".into()],
                ..command("echo")
            })
            .is_err()
        );
        assert!(
            run(Command {
                environment: vec![("A B".into(), String::new())],
                ..command("echo")
            })
            .is_err()
        );
        assert!(
            run(Command {
                environment: vec![("1A".into(), String::new())],
                ..command("echo")
            })
            .is_err()
        );
        assert!(
            run(Command {
                user: Some("-u".into()),
                ..command("echo")
            })
            .is_err()
        );
    }

    #[test]
    fn the_command_line_says_nothing_of_its_steps() {
        let step = Work::Run(Command {
            program: "secret-program".into(),
            stdin: Some(b"secret".to_vec()),
            ..Command::default()
        });
        let by_sudo = payload(std::slice::from_ref(&step), Become::Sudo).unwrap();
        assert!(by_sudo.command.starts_with("exec sudo -n -- sh -c 'eval"), "{}", by_sudo.command);
        let asked = payload(std::slice::from_ref(&step), Become::SudoWithPassword).unwrap();
        assert!(asked.command.starts_with("exec sudo -S -p @bm-password:"), "{}", asked.command);
        for payload in [by_sudo, asked] {
            assert!(!payload.command.contains("secret"));
            assert!(payload.input.ends_with(b"\nE\nsecret"));
        }
    }
}
