//! Commands on a real OpenSSH server: what `wit/ssh.wit` promises.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod ssh_support;

use std::time::{Duration, Instant};

use bootmachine_broker::ErrorKind;
use bootmachine_broker::ssh::{Command, File, OUTPUT_CAP, Output, SshError, Step, StepOutcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ssh_support::{Sshd, can_run, command, scratch, script, wait_for};

fn file(path: &std::path::Path, content: &[u8], mode: u32) -> File {
    File {
        path: path.to_str().unwrap().into(),
        content: content.into(),
        mode,
        owner: "root".into(),
        group: "root".into(),
    }
}

#[tokio::test]
async fn a_command_gets_its_arguments_and_nothing_else() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let output = session
        .run(command("printf", &["%s|", "a b", "$HOME", "it's", "", "new\nline", "*", "ü"]))
        .await
        .unwrap();
    assert_eq!(
        output,
        Output {
            status: 0,
            stdout: "a b|$HOME|it's||new\nline|*|ü|".into(),
            stderr: vec![],
            truncated: false
        }
    );

    let mut env = command("env", &[]);
    env.environment = vec![("A".into(), "x y'\n=".into())];
    let output = session.run(env).await.unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "LC_ALL=C.UTF-8\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nA=x y'\n=\n"
    );

    let none = session.run(command("cat", &[])).await.unwrap();
    assert_eq!(none, Output::default(), "no input is the end of file at once");
    let tty = session.run(command("tty", &[])).await.unwrap();
    assert_eq!(tty.status, 1, "there is no terminal");
}

#[tokio::test]
async fn a_status_is_what_a_shell_reports() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let status = async |command: Command| session.run(command).await.unwrap().status;
    assert_eq!(status(command("bootmachine-no-such-program", &[])).await, 127);
    assert_eq!(status(command("/etc/passwd", &[])).await, 126);
    assert_eq!(status(command("sh", &["-c", "exit 7"])).await, 7);
    assert_eq!(status(command("sh", &["-c", "exit 124"])).await, 124);
    assert_eq!(status(command("sh", &["-c", "kill -9 $$"])).await, 137);
    assert_eq!(status(command("sh", &["-c", "kill -15 $$"])).await, 143);
    let output = session.run(script("echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!(
        output,
        Output {
            status: 3,
            stdout: b"out\n".to_vec(),
            stderr: b"err\n".to_vec(),
            truncated: false
        }
    );
}

#[tokio::test]
async fn another_user_runs_as_itself() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let as_user = |user: &str, mut command: Command| {
        command.user = Some(user.into());
        command
    };
    let output = session.run(as_user("nobody", command("id", &["-un"]))).await.unwrap();
    assert_eq!(output.stdout, b"nobody\n", "{output:?}");
    let output = session.run(as_user("nobody", script("id -un; exit 4"))).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (4, &b"nobody\n"[..]));
    let output = session.run(as_user("bootmachine-nobody", command("id", &[]))).await.unwrap();
    assert_ne!(output.status, 0);
    assert_eq!(session.run(as_user("root", command("id", &["-u"]))).await.unwrap().stdout, b"0\n");
}

#[test]
fn any_argument_survives_the_way() {
    if !can_run() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_sshd, session) = runtime.block_on(async {
        let sshd = Sshd::start("").await;
        let session = sshd.session().await;
        (sshd, session)
    });
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let arguments = prop::collection::vec("[^\u{0}]{0,12}", 1..6);
    let input = prop::collection::vec(any::<u8>(), 0..300);
    runner
        .run(&(arguments, input), |(arguments, input)| {
            let expected: Vec<u8> = arguments
                .iter()
                .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
                .collect();
            let mut words = vec!["%s\\0"];
            words.extend(arguments.iter().map(String::as_str));
            let mut cat = command("cat", &[]);
            cat.stdin = Some(input.clone());
            let outcomes = runtime
                .block_on(session.run_all(vec![Step::Run(command("printf", &words)), Step::Run(cat)]))
                .unwrap();
            let [StepOutcome::Ran(printed), StepOutcome::Ran(copied)] = outcomes.as_slice() else {
                panic!("{outcomes:?}")
            };
            prop_assert_eq!(&printed.stdout, &expected);
            prop_assert_eq!(&copied.stdout, &input);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn input_is_binary_and_need_not_be_read() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let blob: Vec<u8> = (0..3_000_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let with_input = |mut command: Command| {
        command.stdin = Some(blob.clone());
        Step::Run(command)
    };
    let steps = vec![
        with_input(command("true", &[])),
        with_input(command("head", &["-c", "5"])),
        with_input(command("cat", &[])),
        Step::Run(Command {
            stdin: Some(vec![]),
            ..command("cat", &[])
        }),
    ];
    let outcomes = session.run_all(steps).await.unwrap();
    let bytes: Vec<Vec<u8>> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            StepOutcome::Ran(output) => output.stdout,
            StepOutcome::Wrote(_) => panic!("a file"),
        })
        .collect();
    assert!(
        bytes == [vec![], blob[..5].to_vec(), blob, vec![]],
        "{:?}",
        bytes.iter().map(Vec::len).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn steps_stop_at_the_first_that_fails() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (_dir, path) = scratch();
    let outcomes = session
        .run_all(vec![
            Step::Run(script("echo one")),
            Step::WriteFile(file(&path, b"two", 0o644)),
            Step::Run(script("echo three; exit 9")),
            Step::WriteFile(file(&path, b"four", 0o644)),
        ])
        .await
        .unwrap();
    let ran = |status, stdout: &str| {
        StepOutcome::Ran(Output {
            status,
            stdout: stdout.into(),
            ..Output::default()
        })
    };
    assert_eq!(outcomes, [ran(0, "one\n"), StepOutcome::Wrote(true), ran(9, "three\n")]);
    assert_eq!(fs_err::read(&path).unwrap(), b"two");

    // A directory is where the file should be.
    let trip = session
        .trip(vec![
            Step::Run(command("true", &[])),
            Step::WriteFile(file(path.parent().unwrap(), b"x", 0o644)),
            Step::Run(command("true", &[])),
        ])
        .await
        .unwrap();
    assert_eq!(trip.outcomes, [ran(0, "")]);
    let failure = trip.failure.unwrap().to_string();
    assert!(failure.contains("is a directory"), "{failure}");
    assert!(session.run_all(vec![]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_over_there() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (_dir, path) = scratch();
    let mut slow = command("sh", &["-c", &format!("echo $$ > '{}'; exec sleep 600", path.display())]);
    slow.timeout = Some(Duration::from_millis(800));
    let error = session.run(slow).await.unwrap_err();
    assert!(matches!(&error, SshError::TimedOut { program, .. } if program == "sh"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let pid: u32 = fs_err::read_to_string(&path).unwrap().trim().parse().unwrap();
    wait_for("the process to be gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;

    // One that does not listen is killed, and the connection goes on.
    let mut deaf = script("trap '' TERM; while :; do sleep 1; done");
    deaf.timeout = Some(Duration::from_millis(300));
    assert!(matches!(session.run(deaf).await, Err(SshError::TimedOut { .. })));
    assert_eq!(session.run(command("echo", &["alive"])).await.unwrap().stdout, b"alive\n");
}

#[tokio::test]
async fn output_beyond_the_cap_is_thrown_away() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let output = session
        .run(script("head -c 9000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 2"))
        .await
        .unwrap();
    assert!(output.truncated);
    assert_eq!(
        (output.status, output.stdout.len(), output.stderr.len()),
        (2, OUTPUT_CAP, OUTPUT_CAP)
    );
    assert!(!session.run(script("head -c 4194304 /dev/zero")).await.unwrap().truncated);
}

#[tokio::test]
async fn a_process_that_stays_behind_holds_nobody_up() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let started = Instant::now();
    let output = session.run(script("sleep 30 & echo started")).await.unwrap();
    assert_eq!(output.stdout, b"started\n");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn many_trips_share_one_connection() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let mut all = tokio::task::JoinSet::new();
    for number in 0..100_u32 {
        let session = session.clone();
        all.spawn(async move { (number, session.run(command("echo", &[&number.to_string()])).await.unwrap().stdout) });
    }
    let mut seen = 0;
    while let Some(result) = all.join_next().await {
        let (number, stdout) = result.unwrap();
        assert_eq!(stdout, format!("{number}\n").into_bytes());
        seen += 1;
    }
    assert_eq!(seen, 100);
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn output_is_handed_on_while_it_comes() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (_dir, path) = scratch();
    // The command goes on only when its first line has been seen here.
    let waiting = script(&format!(
        "echo one; while [ ! -e '{}' ]; do sleep 0.05; done; echo two; echo no >&2",
        path.display()
    ));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let output = session
        .run_streaming(
            waiting,
            &mut |bytes| {
                out.extend_from_slice(bytes);
                if out == b"one\n" {
                    fs_err::write(&path, "").unwrap();
                }
            },
            &mut |bytes| err.extend_from_slice(bytes),
        )
        .await
        .unwrap();
    assert_eq!(
        (out.as_slice(), err.as_slice(), output.status),
        (&b"one\ntwo\n"[..], &b"no\n"[..], 0)
    );
    assert_eq!(output.stdout, out);
}

#[tokio::test]
async fn a_terminal_is_there_for_a_person() {
    if !can_run() {
        return;
    }
    let sshd = Sshd::start("").await;
    let session = sshd.session().await;
    let (_sizes, sizes) = tokio::sync::mpsc::channel(1);
    let mut output = Vec::new();
    let size = bootmachine_broker::ssh::WindowSize { columns: 91, rows: 17 };
    let status = session
        .interactive("xterm", size, &b"stty size; exit 5\n"[..], &mut output, sizes)
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output);
    assert_eq!(status, 5, "{text}");
    assert!(text.contains("17 91"), "{text}");
}
