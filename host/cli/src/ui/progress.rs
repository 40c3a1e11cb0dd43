//! Shows a run while it goes on: a live display on a terminal, plain lines elsewhere, or events as JSON lines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bootmachine_fleet::{Event, Reporter, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::{Area, Board};
use super::{Ui, clean};

/// How often the live display moves.
const FRAME: Duration = Duration::from_millis(100);

/// What takes events while a command runs. Ends with [`Progress::finish`], or when it is dropped.
pub struct Progress {
    ui: Arc<Ui>,
    mode: Mode,
}

enum Mode {
    /// Redrawn in place.
    Live(Arc<Live>),
    /// A line an event.
    Plain(Mutex<Plain>),
    /// A JSON line an event, on standard output.
    Json,
}

struct Live {
    board: Mutex<Board>,
    bar: ProgressBar,
    began: Instant,
    /// Whether the display goes when it ends.
    transient: bool,
    over: AtomicBool,
    color: bool,
    unicode: bool,
}

#[derive(Default)]
struct Plain {
    stages: BTreeMap<String, Stage>,
    last: BTreeMap<String, String>,
    /// Whether steps are of interest, or only what goes wrong.
    steps: bool,
}

/// What a command shows of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The events are what it is about, and servers go through stages: `up`.
    Stages,
    /// The events are what it is about, and one thing is done to each server: `destroy`, `reboot`.
    Acts,
    /// The events are only its waiting time: `plan`, `verify`.
    Waiting,
}

/// Passes events on to one display after another, for commands that first look and then act.
pub struct Relay(Mutex<Arc<Progress>>);

impl Relay {
    /// Begins with this one.
    pub fn to(progress: &Arc<Progress>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Arc::clone(progress))))
    }

    /// Goes on with this one.
    pub fn turn_to(&self, progress: &Arc<Progress>) {
        *lock(&self.0) = Arc::clone(progress);
    }
}

impl Reporter for Relay {
    fn report(&self, event: Event) {
        let to = Arc::clone(&lock(&self.0));
        to.report(event);
    }
}

impl Progress {
    pub(super) fn new(ui: &Arc<Ui>, servers: &[String], shows: Shows) -> Self {
        let mode = if ui.is_json() && shows != Shows::Waiting {
            Mode::Json
        } else if ui.live {
            Mode::Live(Live::start(ui, servers, shows))
        } else {
            Mode::Plain(Mutex::new(Plain {
                steps: shows != Shows::Waiting && !ui.quiet,
                ..Plain::default()
            }))
        };
        Self { ui: Arc::clone(ui), mode }
    }

    /// Nothing more will come: the display stands still, or goes.
    pub fn finish(&self) {
        if let Mode::Live(live) = &self.mode {
            if self.ui.screen.asks.load(Ordering::Acquire) {
                // The operator ended the run instead of answering; the display is out of the way already.
                live.over.store(true, Ordering::Release);
            } else {
                live.finish();
            }
            self.ui.screen.detach();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event) {
        if let Event::Log { level, .. } = &event {
            let wanted = match level.as_str() {
                "error" | "warn" => true,
                "info" | "debug" => self.ui.verbose > 0,
                _ => self.ui.verbose > 1,
            };
            if !wanted {
                return;
            }
        }
        match &self.mode {
            Mode::Json => return self.ui.json_line(&event),
            Mode::Live(live) => lock(&live.board).apply(&event, live.began.elapsed()),
            Mode::Plain(plain) => {
                if let Some(line) = lock(plain).line(&event) {
                    self.ui.say(&line);
                }
            }
        }
        match event {
            Event::Warning { message, hint } => self.ui.warn(&message, hint.as_deref()),
            Event::Log {
                subject,
                plugin,
                level,
                message,
            } => {
                let line = format!("{}: {plugin}: {}", clean::line(&subject), clean::line(&message));
                if matches!(level.as_str(), "error" | "warn") {
                    self.ui.warn(&line, None);
                } else {
                    self.ui.say(&line);
                }
            }
            _ => {}
        }
    }
}

impl Plain {
    /// The line for an event, if it says something new.
    fn line(&mut self, event: &Event) -> Option<String> {
        let (subject, text) = match event {
            Event::StageStarted { server, stage } => {
                self.stages.insert(server.clone(), *stage);
                (server, format!("{stage}: started"))
            }
            Event::Step { server, text } => {
                let stage = self.stages.get(server).map_or_else(String::new, |stage| format!("{stage}: "));
                (server, format!("{stage}{text}"))
            }
            Event::StageFinished { server, stage, summary } if summary.is_empty() => (server, format!("{stage}: passed")),
            Event::StageFinished { server, stage, summary } => (server, format!("{stage}: passed ({summary})")),
            Event::Done { server } => (server, "done".to_owned()),
            // The whole of it follows at the end.
            Event::Failed { server, stage, problem } => (server, format!("failed at {stage}: {}", problem.message)),
            Event::Retry { subject, reason, seconds } => (subject, format!("{reason}; again in {seconds:.0} s")),
            Event::Provider { provider, text } => (provider, text.clone()),
            Event::Log { .. } | Event::Warning { .. } => return None,
        };
        if !self.steps && !matches!(event, Event::Retry { .. }) {
            return None;
        }
        if self.last.get(subject) == Some(&text) {
            return None;
        }
        self.last.insert(subject.clone(), text.clone());
        Some(format!("{}: {}", clean::line(subject), clean::line(&text)))
    }
}

impl Live {
    fn start(ui: &Arc<Ui>, servers: &[String], shows: Shows) -> Arc<Self> {
        let transient = shows == Shows::Waiting;
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let live = Arc::new(Self {
            board: Mutex::new(Board::new(if transient { &[] } else { servers }, shows == Shows::Stages)),
            bar: bar.clone(),
            began: Instant::now(),
            transient,
            over: AtomicBool::new(false),
            color: ui.color_err,
            unicode: is_utf8(),
        });
        ui.screen.attach(bar);
        let drawn = Arc::clone(&live);
        let spawned = std::thread::Builder::new().name("progress".into()).spawn(move || {
            while !drawn.over.load(Ordering::Acquire) {
                drawn.draw(false);
                std::thread::park_timeout(FRAME);
            }
        });
        if let Err(error) = spawned {
            tracing::debug!(%error, "the display does not move");
        }
        live
    }

    /// Draws how things are. Nothing is drawn over the last picture.
    fn draw(&self, last: bool) {
        let (height, width) = console::Term::stderr().size();
        let area = Area {
            width: width.into(),
            height: height.into(),
            color: self.color,
            unicode: self.unicode,
        };
        let board = lock(&self.board);
        if last || !self.over.load(Ordering::Acquire) {
            self.bar.set_message(board.render(area, self.began.elapsed()).join("\n"));
        }
    }

    fn finish(&self) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        lock(&self.board).finish();
        if self.transient {
            self.bar.finish_and_clear();
        } else {
            self.draw(true);
            self.bar.abandon();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the terminal's encoding is UTF-8, by the variables that say so.
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
