//! What the display looks like.

use bootmachine_fleet::Problem;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn busy() -> Board {
    let mut board = Board::new(&names(&["kailash", "web-1", "web-2", "db"]), true);
    let events = [
        Event::StageStarted {
            server: "kailash".into(),
            stage: Stage::Bootstrap,
        },
        Event::Step {
            server: "kailash".into(),
            text: "upgrading every package, which takes a while on a machine like this one".into(),
        },
        Event::StageStarted {
            server: "web-1".into(),
            stage: Stage::Reach,
        },
        Event::Failed {
            server: "web-1".into(),
            stage: Stage::Reach,
            problem: Problem::failed("10.77.0.3:22 \u{1b}[31mrefused\nthe connection"),
        },
        Event::StageFinished {
            server: "web-2".into(),
            stage: Stage::Verify,
            summary: "41 checks hold".into(),
        },
        Event::Done { server: "web-2".into() },
        Event::Provider {
            provider: "cloud".into(),
            text: "listing servers".into(),
        },
    ];
    for (at, event) in events.iter().enumerate() {
        board.apply(event, seconds(at as u64 * 30));
    }
    board
}

fn show(board: &Board, width: usize, height: usize, unicode: bool) -> String {
    board
        .render(
            Area {
                width,
                height,
                color: false,
                unicode,
            },
            seconds(200),
        )
        .join("\n")
}

#[test]
fn a_line_a_server() {
    insta::assert_snapshot!(show(&busy(), 80, 24, true));
    insta::assert_snapshot!(show(&busy(), 120, 40, true));
}

#[test]
fn narrow_and_ascii_terminals() {
    insta::assert_snapshot!(show(&busy(), 50, 24, false));
}

#[test]
fn never_wider_than_the_terminal() {
    for width in 10..140 {
        for line in busy().render(
            Area {
                width,
                height: 24,
                color: true,
                unicode: true,
            },
            seconds(3),
        ) {
            assert!(measure_text_width(&line) < width.max(21), "{width}: {line}");
        }
    }
}

#[test]
fn more_servers_than_lines_collapse() {
    let many: Vec<String> = (1..=40).map(|number| format!("web-{number}")).collect();
    let mut board = Board::new(&many, true);
    for name in &many[..12] {
        board.apply(&Event::Done { server: name.clone() }, seconds(1));
    }
    for name in &many[12..30] {
        board.apply(
            &Event::StageStarted {
                server: name.clone(),
                stage: Stage::Install,
            },
            seconds(2),
        );
    }
    board.apply(
        &Event::Failed {
            server: "web-30".into(),
            stage: Stage::Install,
            problem: Problem::failed("no"),
        },
        seconds(3),
    );
    insta::assert_snapshot!(show(&board, 70, 10, true));
    assert!(
        board
            .render(
                Area {
                    width: 70,
                    height: 10,
                    color: false,
                    unicode: true
                },
                seconds(4)
            )
            .len()
            < 10
    );
}

#[test]
fn one_thing_done_to_each() {
    let mut board = Board::new(&names(&["web-1", "web-2"]), false);
    board.apply(
        &Event::Step {
            server: "web-1".into(),
            text: "removing it".into(),
        },
        seconds(1),
    );
    board.apply(
        &Event::Step {
            server: "web-2".into(),
            text: "removing it".into(),
        },
        seconds(1),
    );
    board.apply(&Event::Done { server: "web-1".into() }, seconds(2));
    insta::assert_snapshot!(show(&board, 60, 24, true));
}

#[test]
fn what_is_over_stays_over() {
    let mut board = Board::new(&names(&["one"]), true);
    board.apply(&Event::Done { server: "one".into() }, seconds(1));
    board.apply(
        &Event::Step {
            server: "one".into(),
            text: "late".into(),
        },
        seconds(2),
    );
    assert!(show(&board, 80, 24, true).contains("✓ one"));
}
