//! The interpreter against the real `/bin/sh`: the same snippet, the same output and status.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bootmachine_practice::machine::{Hypervisor, ImageKind, Machine, MachineSpec, Network};

fn boot(network: &Network, image: ImageKind) -> Arc<Machine> {
    network.start(MachineSpec {
        id: "one".into(),
        name: "one".into(),
        image,
        addresses: vec!["10.77.0.2".parse().expect("an address")],
        user_data: None,
        authorized_key: None,
        seed: 1,
        silent: false,
    });
    let machine = network.machine("one").expect("the machine");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !machine.script("test -e /run/cloud-init/result.json").0.eq(&0) {
        assert!(Instant::now() < deadline, "did not boot: {}", network.console("one"));
        std::thread::yield_now();
    }
    machine
}

fn real(script: &str) -> (i32, String) {
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .env("LC_ALL", "C")
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    child.stdin.take().expect("stdin").flush().expect("flush");
    let out = child.wait_with_output().expect("output");
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stdout).into_owned())
}

const SNIPPETS: &[&str] = &[
    "echo hello world",
    "echo 'a  b' \"c  d\" e  f",
    "x=1; echo $x ${x}y",
    "echo ${u:-d} ${u-d} \"${u:-a b}\"",
    "x=; echo [${x:-d}] [${x-d}]",
    "x=abc.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}",
    "x=abc; echo ${#x}",
    "echo ${u:=v}; echo $u",
    "x=1; echo ${x:+y}${u:+z}",
    "set -- a 'b c' d; echo $#; for i in \"$@\"; do echo \"<$i>\"; done",
    "set -- a 'b c'; for i in $*; do echo \"<$i>\"; done",
    "set --; for i in \"$@\"; do echo no; done; echo done",
    "set -- a b; echo \"$*\"",
    "IFS=:; set -- a b; echo \"$*\"",
    "x='a b  c'; for i in $x; do echo $i; done",
    "IFS=:; x=a::b; for i in $x; do echo \"<$i>\"; done",
    "echo $(echo a; echo b)",
    "echo \"$(echo a; echo b)\"",
    "echo `echo x`",
    "echo $((1+2*3)) $(( (1+2)*3 ))",
    "x=5; echo $((x+1)) $((x*=2)) $x",
    "echo $((7/2)) $((7%3)) $((1<2)) $((!1))",
    "if true; then echo y; else echo n; fi",
    "if false; then echo y; elif true; then echo e; fi",
    "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done",
    "i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i",
    "for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done",
    "for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done",
    "case abc in a*) echo 1;; *) echo 2;; esac",
    "case x in a|x) echo 1;; esac",
    "case '*' in \\*) echo star;; esac",
    "f() { echo \"f $1 $#\"; return 3; }; f a b; echo $?",
    "f() { local x=2; echo $x; }; x=1; f; echo $x",
    "(x=2; echo $x); echo ${x:-unset}",
    "{ echo a; echo b; } | wc -l | tr -d ' '",
    "echo a | cat | cat",
    "false | true; echo $?",
    "true && echo y || echo n",
    "false && echo y || echo n",
    "! true; echo $?",
    "exit 7",
    "(exit 3); echo $?",
    "set -e; false; echo no",
    "set -e; if false; then :; fi; echo yes",
    "set -e; false || true; echo yes",
    "set -e; f() { false; echo in; }; f || echo caught",
    "set -u; echo ${x:-ok}",
    "set -u; echo $nope; echo no",
    "trap 'echo bye' EXIT; echo hi",
    "trap 'echo bye' EXIT; exit 4",
    "cat <<E\na $((1+1))\nE",
    "cat <<'E'\na $x\nE",
    "cat <<-E\n\ta\n\tE",
    "x=v; cat <<E\n\"$x\" '$x' \\$x\nE",
    "printf '%s\\n' a b c",
    "printf '%d %05d %x\\n' 5 42 255",
    "printf '%s-%s\\n' a b c",
    "printf '%-5s|%5s|\\n' a b",
    "printf '\\101\\n'",
    "printf '%b\\n' 'a\\tb'",
    "echo 'a\\tb'",
    "echo -n a; echo b",
    "read x y <<E\na b c\nE\necho \"$x|$y\"",
    "printf 'a\\\\b\\n' | { read -r x; echo \"$x\"; }",
    "printf '1\\n2\\n' | while read l; do echo \"<$l>\"; done",
    "read x </dev/null; echo $?",
    "[ -n a ] && [ -z '' ] && echo ok",
    "[ 1 -lt 2 -a 2 -lt 3 ] && echo ok",
    "test a = b; echo $?",
    "[ ! -e /nonexistent ] && echo ok",
    "nosuchcommand; echo $?",
    "echo a >/dev/null; echo b",
    "{ echo err >&2; echo out; } 2>/dev/null",
    "exec 3>&1; echo x >&3",
    "eval 'x=1; echo $x'",
    "command -v cd",
    "command -v nosuch; echo $?",
    "umask 077; umask",
    "cd /; pwd",
    "cd /nonexistent 2>/dev/null; echo $?",
    "x=1 sh -c 'echo $x'",
    "sh -c 'echo $0 $1' a b",
    "export X=5; sh -c 'echo $X'",
    "set -- a b c; shift; echo $1 $#",
    "echo \"a\\$b\\\"c\"",
    "echo a\\ b",
    "x='*'; echo \"$x\"",
    "echo ~root",
    "d=$(mktemp -d) && cd $d && touch a.x b.x && echo *.x *.y; rm -r $d",
    "x=$(false); echo $?",
    "x=$(exit 3) || echo $?",
    "head -c 3 <<E\nabcdef\nE",
    "printf 'abcdef' | { head -c 2; echo; cat; }",
    "echo abc | sed 's/b/X/'",
    "printf 'b\\na\\n' | sort",
    "echo aBc | tr a-z A-Z",
    "echo a:b:c | cut -d: -f2",
    "printf 'a\\nb\\n' | grep -c .",
    "echo foo | grep -q bar; echo $?",
    "basename /a/b.c .c; dirname /a/b",
    "timeout 1 true; echo $?",
    "env X=1 sh -c 'echo $X'",
    "printf abc | base64 | base64 -d",
    "printf abc | sha256sum",
    "while getopts ab: o -a -b x; do echo $o $OPTARG; done",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snippets_behave_as_in_the_real_shell() {
    let network = Network::new();
    let machine = tokio::task::block_in_place(|| boot(&network, ImageKind::Debian13));
    let mut differences = Vec::new();
    tokio::task::block_in_place(|| {
        for snippet in SNIPPETS {
            let wanted = real(snippet);
            let (status, out, err) = machine.script(snippet);
            if (status, out.clone()) != wanted {
                differences.push(format!("{snippet}\n  real {wanted:?}\n  ours {:?}\n  stderr {err}", (status, out)));
            }
        }
    });
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        SNIPPETS.len(),
        differences.join("\n")
    );
}
