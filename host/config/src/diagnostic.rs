//! What is wrong with a configuration and where: messages that carry their place in the file, render as an excerpt with the place
//! underlined, and serialise for programs.
//!
//! Excerpts never show the value of a `{ plain = "…" }` secret: the text that is rendered from has it masked.

use std::{fmt, ops::Range, sync::Arc};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration can not be used.
    Error,
    /// The configuration can be used; the operator should know something about it.
    Warning,
}

/// A further place that explains a finding: where the other one of two equal names stands, for example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Context {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is to be seen there.
    pub label: String,
    #[serde(skip)]
    span: Range<usize>,
}

/// A finding about a configuration file.
#[derive(Clone, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The file, as it was named when it was loaded.
    pub file: String,
    /// Line, from 1; none where the finding is about the file as a whole.
    pub line: Option<usize>,
    /// Column in characters, from 1; none where the finding is about the file as a whole.
    pub column: Option<usize>,
    /// What is said right at the place.
    pub label: Option<String>,
    /// What the operator can do.
    pub help: Option<String>,
    /// Further places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Context>,
    #[serde(skip)]
    span: Option<Range<usize>>,
    #[serde(skip)]
    source: Arc<Source>,
}

impl Diagnostic {
    /// Adds what is said right at the place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what the operator can do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what the operator can do, where there is something.
    #[must_use]
    pub fn with_optional_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds a further place of the same file.
    #[must_use]
    pub fn with_context(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        let span = self.source.clamp(span);
        let (line, column) = self.source.position(span.start);
        self.context.push(Context {
            line,
            column,
            label: label.into(),
            span,
        });
        self
    }

    /// Turns an error into a warning.
    #[must_use]
    pub fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Masks the text at the place of this finding in its excerpt, for a value that turned out to be a secret.
    #[must_use]
    pub fn with_secret_text(mut self) -> Self {
        if let Some(span) = self.span.clone() {
            let mut source = (*self.source).clone();
            source.mask(span);
            self.source = Arc::new(source);
        }
        self
    }

    /// The finding with an excerpt of the file, as text for a terminal, styled by ANSI sequences where `color` says so. Ends without a
    /// line feed.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = printable(&self.message);
        let mut group = level
            .primary_title(message)
            .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        if let Some(span) = &self.span {
            let mut primary = AnnotationKind::Primary.span(span.clone());
            if let Some(label) = &self.label {
                primary = primary.label(printable(label));
            }
            let context = self
                .context
                .iter()
                .map(|c| AnnotationKind::Context.span(c.span.clone()).label(printable(&c.label)));
            group = group.element(
                Snippet::source(self.source.shown.as_str())
                    .path(self.file.as_str())
                    .annotation(primary)
                    .annotations(context),
            );
        } else {
            group = group.element(annotate_snippets::Origin::path(self.file.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(printable(help)));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One line: `bootmachine.toml:3:8: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// A configuration that can not be used: everything that was found, in the order of the file, warnings included.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", summary(diagnostics))]
pub struct ConfigError {
    /// At least one error.
    pub diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    /// All findings as text for a terminal, with an empty line between them.
    pub fn render(&self, color: bool) -> String {
        let rendered: Vec<_> = self.diagnostics.iter().map(|d| d.render(color)).collect();
        rendered.join("\n\n")
    }
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let mut errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
    match (errors.next(), errors.count()) {
        (None, _) => "no error".to_owned(),
        (Some(first), 0) => first.to_string(),
        (Some(first), more) => format!("{first} (and {more} more)"),
    }
}

/// Control characters of a message (they come from the file) made visible, so that they do nothing to a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// The text of a configuration file and what it is called.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
    /// `text` with secrets masked, the same length in bytes.
    shown: String,
}

impl Source {
    pub(crate) fn new(file: String, text: String) -> Self {
        Self {
            file,
            shown: text.clone(),
            text,
        }
    }

    /// Replaces what stands there in excerpts by `*`; line ends stay, and so do all positions.
    pub(crate) fn mask(&mut self, span: Range<usize>) {
        let span = self.clamp(span);
        let mask: String = self.shown[span.clone()]
            .chars()
            .map(|c| {
                if c == '\n' || c == '\r' {
                    c.to_string()
                } else {
                    "*".repeat(c.len_utf8())
                }
            })
            .collect();
        self.shown.replace_range(span, &mask);
    }

    /// An error at a place in this file.
    pub(crate) fn error(self: &Arc<Self>, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let span = self.clamp(span);
        let (line, column) = self.position(span.start);
        Diagnostic {
            line: Some(line),
            column: Some(column),
            span: Some(span),
            ..self.whole(message)
        }
    }

    /// An error about the file as a whole.
    pub(crate) fn whole(self: &Arc<Self>, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            file: self.file.clone(),
            line: None,
            column: None,
            label: None,
            help: None,
            context: Vec::new(),
            span: None,
            source: Arc::clone(self),
        }
    }

    /// A span that lies in the text, on the boundaries of characters, whatever it was.
    fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.min(self.text.len()));
        start..end.max(start)
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}
