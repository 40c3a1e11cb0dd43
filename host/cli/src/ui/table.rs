//! Tables: plain columns, as wide as the terminal where there is one.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, TableStyle, presets};

use super::clean;

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// As it is.
    #[default]
    Plain,
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// It deserves a look.
    Odd,
    /// It is of less interest.
    Dim,
}

/// A table in the making.
#[derive(Debug, Default)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (String, Look)>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|(text, look)| (clean::line(&text).into_owned(), look))
                .collect(),
        );
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text. Long cells are wrapped to fit a terminal of this width; without one, lines are as long as they need.
    pub fn render(&self, color: bool, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::clone(&presets::NOTHING));
        if color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        match width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        if !self.header.is_empty() {
            table.set_header(
                self.header
                    .iter()
                    .map(|name| Cell::new(name.to_uppercase()).add_attribute(Attribute::Dim)),
            );
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|(text, look)| {
                let cell = Cell::new(text);
                match look {
                    Look::Plain => cell,
                    Look::Good => cell.fg(Color::Green),
                    Look::Bad => cell.fg(Color::Red),
                    Look::Odd => cell.fg(Color::Yellow),
                    Look::Dim => cell.add_attribute(Attribute::Dim),
                }
            }));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.trim_fmt()
    }
}

/// A cell without any look.
pub fn plain(text: impl Into<String>) -> (String, Look) {
    (text.into(), Look::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_defused() {
        let mut table = Table::new(&["server", "result"]);
        table.row([plain("kailash"), ("done".into(), Look::Good)]);
        table.row([plain("db\u{1b}[2J"), ("failed\nat reach".into(), Look::Bad)]);
        insta::assert_snapshot!(table.render(false, None), @r"
        SERVER   RESULT
        kailash  done
        db�[2J   failed at reach
        ");
    }

    #[test]
    fn long_cells_are_wrapped_to_the_terminal() {
        let mut table = Table::new(&["server", "reason"]);
        table.row([
            plain("kailash"),
            plain("the connection to kailash (10.77.0.1:22) was lost: broken pipe"),
        ]);
        let rendered = table.render(false, Some(40));
        assert!(rendered.lines().all(|line| line.chars().count() <= 40), "{rendered}");
        assert!(rendered.lines().count() > 2, "{rendered}");
    }
}
