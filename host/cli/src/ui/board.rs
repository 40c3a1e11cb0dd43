//! What the live display shows, as plain state and a pure rendering of it: a line a server, whatever the terminal.

use std::time::Duration;

use bootmachine_fleet::{Event, Stage};
use console::{measure_text_width, truncate_str};

use super::clean;
use super::style::{BAD, BUSY, DIM, GOOD, paint};

/// What there is to draw on.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// In characters.
    pub width: usize,
    /// In lines.
    pub height: usize,
    /// Whether colours are wanted.
    pub color: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Working,
    Done,
    Failed,
}

#[derive(Debug)]
struct Row {
    name: String,
    state: State,
    stage: Option<Stage>,
    text: String,
    began: Option<Duration>,
    ended: Option<Duration>,
}

/// The servers and how far each is.
#[derive(Debug, Default)]
pub struct Board {
    rows: Vec<Row>,
    /// Whether servers go through stages, or only one thing is done to each.
    staged: bool,
    /// What is being done at a provider, and since when.
    footer: Option<(String, Duration)>,
    /// Whether anything has happened yet.
    begun: bool,
}

/// How long the word of a provider is news.
const NEWS: Duration = Duration::from_secs(5);

impl Board {
    /// A board with these servers, none of them begun. `staged` where they go through the stages of their life.
    pub fn new(names: &[String], staged: bool) -> Self {
        let row = |name: &String| Row {
            name: clean::line(name).into_owned(),
            state: State::Waiting,
            stage: None,
            text: String::new(),
            began: None,
            ended: None,
        };
        Self {
            rows: names.iter().map(row).collect(),
            staged,
            ..Self::default()
        }
    }

    /// Takes note of an event, `now` after the beginning.
    pub fn apply(&mut self, event: &Event, now: Duration) {
        self.begun = true;
        match event {
            Event::StageStarted { server, stage } => self.change(server, now, |row| {
                row.stage = Some(*stage);
                row.text.clear();
            }),
            Event::Step { server, text } => {
                let text = clean::line(text).into_owned();
                self.change(server, now, |row| row.text = text);
            }
            Event::StageFinished { server, stage, summary } => {
                let summary = clean::line(summary).into_owned();
                self.change(server, now, |row| {
                    row.stage = Some(*stage);
                    row.text = summary;
                });
            }
            Event::Done { server } => self.end(server, now, State::Done, None),
            Event::Failed { server, stage, problem } => {
                let text = format!("failed at {stage}: {}", clean::line(&problem.message));
                self.end(server, now, State::Failed, Some((*stage, text)));
            }
            Event::Retry { subject, reason, seconds } => {
                let text = format!("{}; again in {seconds:.0} s", clean::line(reason));
                if self.rows.iter().any(|row| row.name == *subject) {
                    self.change(subject, now, |row| row.text = text);
                } else {
                    self.footer = Some((format!("{}: {text}", clean::line(subject)), now));
                }
            }
            Event::Provider { provider, text } => self.footer = Some((format!("{}: {}", clean::line(provider), clean::line(text)), now)),
            Event::Log { .. } | Event::Warning { .. } => {}
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        self.footer = None;
        self.begun = true;
    }

    fn change(&mut self, name: &str, now: Duration, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            // What is over is over, whatever still drips in.
            if row.ended.is_none() {
                row.state = State::Working;
                row.began.get_or_insert(now);
                change(row);
            }
        }
    }

    fn end(&mut self, name: &str, now: Duration, state: State, at: Option<(Stage, String)>) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.state = state;
            row.began.get_or_insert(now);
            row.ended = Some(now);
            if let Some((stage, text)) = at {
                row.stage = Some(stage);
                row.text = text;
            } else if row.stage.is_none() {
                // What was being done is done.
                row.text.clear();
            }
        }
    }

    /// The lines to show, `now` after the beginning. Never wider than the area, and never so many that they would scroll.
    pub fn render(&self, area: Area, now: Duration) -> Vec<String> {
        // The last column would wrap on some terminals; the last line is the cursor's.
        let width = area.width.saturating_sub(1).max(20);
        let room = area.height.saturating_sub(3).max(1);
        let crowded = self.rows.len() > room;
        let mut shown: Vec<&Row> = self.rows.iter().collect();
        if crowded {
            let mut left = room;
            let mut chosen = std::collections::HashSet::new();
            for wanted in [State::Working, State::Failed] {
                for row in self.rows.iter().filter(|row| row.state == wanted) {
                    if left > 0 {
                        left -= 1;
                        chosen.insert(row.name.as_str());
                    }
                }
            }
            shown.retain(|row| chosen.contains(row.name.as_str()));
        }
        let names = shown
            .iter()
            .map(|row| measure_text_width(&row.name))
            .max()
            .unwrap_or(0)
            .min(width / 3);
        let mut lines: Vec<String> = shown.iter().map(|row| row.render(area, width, names, self.staged, now)).collect();
        if crowded {
            lines.push(paint(area.color, DIM, &self.counts()));
        }
        let footer = match &self.footer {
            Some((text, since)) if now.saturating_sub(*since) < NEWS => Some(text.as_str()),
            // The plugins are compiled once, and that takes its time.
            None if !self.begun => Some("loading the plugins"),
            _ => None,
        };
        if let Some(footer) = footer {
            let footer = truncate_str(footer, width.saturating_sub(2), ellipsis(area)).into_owned();
            lines.push(format!("  {}", paint(area.color, DIM, &footer)));
        }
        lines
    }

    fn counts(&self) -> String {
        let count = |state: State| self.rows.iter().filter(|row| row.state == state).count();
        format!(
            "  {} working, {} done, {} failed, {} waiting",
            count(State::Working),
            count(State::Done),
            count(State::Failed),
            count(State::Waiting)
        )
    }
}

impl Row {
    fn render(&self, area: Area, width: usize, names: usize, staged: bool, now: Duration) -> String {
        let (mark, style) = match (self.state, area.unicode) {
            (State::Waiting, true) => ("·", DIM),
            (State::Waiting, false) => (".", DIM),
            (State::Working, true) => (SPINNER[spin(now, SPINNER.len())], BUSY),
            (State::Working, false) => (ASCII_SPINNER[spin(now, ASCII_SPINNER.len())], BUSY),
            (State::Done, true) => ("✓", GOOD),
            (State::Done, false) => ("+", GOOD),
            (State::Failed, true) => ("✗", BAD),
            (State::Failed, false) => ("x", BAD),
        };
        let name = truncate_str(&self.name, names, ellipsis(area));
        let padding = " ".repeat(names.saturating_sub(measure_text_width(&name)));
        let mut line = format!("{} {name}{padding}", paint(area.color, style, mark));
        let elapsed = self
            .began
            .map(|began| duration(self.ended.unwrap_or(now).saturating_sub(began)))
            .unwrap_or_default();
        let stage = match self.state {
            State::Waiting => "waiting",
            State::Done => "done",
            State::Working if !staged => "",
            State::Working | State::Failed => self.stage.map_or("", Stage::as_str),
        };
        if staged && width >= 60 {
            line.push_str(&format!("  {}", paint(area.color, style, &self.meter(area.unicode))));
        }
        if staged || !stage.is_empty() {
            line.push_str(&format!("  {stage:<9}"));
        }
        let text_room = width.saturating_sub(measure_text_width(&line) + elapsed.len() + 4);
        let text = truncate_str(&self.text, text_room, ellipsis(area));
        let gap = " ".repeat(text_room.saturating_sub(measure_text_width(&text)) + 2);
        let text = if self.state == State::Failed {
            paint(area.color, BAD, &text)
        } else {
            text.into_owned()
        };
        line.push_str(&format!("  {text}{gap}{}", paint(area.color, DIM, &elapsed)));
        truncate_str(line.trim_end(), width, "").into_owned()
    }

    /// A segment a stage.
    fn meter(&self, unicode: bool) -> String {
        let (full, empty) = if unicode { ("▰", "▱") } else { ("#", "-") };
        let passed = match (self.state, self.stage) {
            (State::Done, _) => Stage::ALL.len(),
            (_, None) => 0,
            (State::Working, Some(stage)) => stage as usize + 1,
            (_, Some(stage)) => stage as usize,
        };
        full.repeat(passed) + &empty.repeat(Stage::ALL.len() - passed)
    }
}

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

fn spin(now: Duration, length: usize) -> usize {
    usize::try_from(now.as_millis() / 100).unwrap_or(0) % length
}

fn ellipsis(area: Area) -> &'static str {
    if area.unicode { "…" } else { "..." }
}

/// `8s`, `1m 04s`, `2h 05m`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
