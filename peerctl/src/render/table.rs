//! Tables that fit a terminal: one column gives way, then the least needed ones go.

use super::text::{fit, width};
use super::{Output, Paint, safe};

/// Blanks between two columns.
const GAP: usize = 2;
/// The column that gives way keeps this many columns as long as another can be left out instead.
const READABLE: usize = 12;
/// A note is never cut to fewer columns.
const NOTE: usize = 9;

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    heading: &'static str,
    kind: Kind,
    /// Left out in a narrow terminal, lowest first; 0 never.
    rank: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Left,
    Right,
    Flexible,
    Note,
}

impl Column {
    /// Text.
    pub(crate) const fn text(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Left, rank: 0 }
    }

    /// A number.
    pub(crate) const fn number(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Right, rank: 0 }
    }

    /// Text that is cut where there is no room.
    pub(crate) const fn flexible(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Flexible, rank: 0 }
    }

    /// A word on few rows, at their end, without a heading. It takes what room is left.
    pub(crate) const fn note() -> Self {
        Self { heading: "", kind: Kind::Note, rank: 0 }
    }

    /// The same, left out where there is no room, lowest rank first.
    pub(crate) const fn or_nothing(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// What stands in a column: already harmless.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A text of others or ours.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::painted(text, Paint::Plain)
    }

    /// The same in colour.
    pub(crate) fn painted(text: impl AsRef<str>, paint: Paint) -> Self {
        Self { text: safe(text.as_ref()).into_owned(), paint }
    }
}

/// A table whose layout is decided by its first rows, so that the rest can be written as it comes.
#[derive(Debug)]
pub(super) struct Table {
    columns: &'static [Column],
    /// Width of each column; none for one that is left out.
    widths: Vec<Option<usize>>,
    room: Option<usize>,
}

impl Table {
    /// Lays a table out for some rows and a number of columns of the terminal.
    pub(super) fn new(columns: &'static [Column], rows: &[Vec<Cell>], room: Option<usize>) -> Self {
        let natural = |(i, column): (usize, &Column)| {
            rows.iter().map(|row| width(&row[i].text)).chain([column.heading.len()]).max()
        };
        let note = |widest: usize| (widest > 0).then(|| widest.min(NOTE));
        let needed = |(i, column): (usize, &Column)| {
            let widest = natural((i, column));
            if column.kind == Kind::Note { widest.and_then(note) } else { widest }
        };
        let widths = columns.iter().enumerate().map(needed).collect();
        let mut table = Self { columns, widths, room };
        if let Some(room) = room {
            table.squeeze(room);
        }
        table
    }

    fn squeeze(&mut self, room: usize) {
        let Some(flexible) = self.columns.iter().position(|column| column.kind == Kind::Flexible) else { return };
        let wanted = self.widths[flexible].unwrap_or(0);
        loop {
            self.widths[flexible] = Some(0);
            let left = room.saturating_sub(self.total());
            self.widths[flexible] = Some(wanted.min(left.max(1)));
            let next = (0..self.columns.len())
                .filter(|i| self.columns[*i].rank > 0 && self.widths[*i].is_some())
                .min_by_key(|i| self.columns[*i].rank);
            match next {
                Some(i) if left < wanted.min(READABLE) => self.widths[i] = None,
                _ => return,
            }
        }
    }

    fn total(&self) -> usize {
        let shown: Vec<usize> = self.widths.iter().flatten().copied().collect();
        shown.iter().sum::<usize>() + GAP * shown.len().saturating_sub(1)
    }

    pub(super) fn heading(&self, out: &Output) -> String {
        let row: Vec<Cell> = self.columns.iter().map(|column| Cell::painted(column.heading, Paint::Bold)).collect();
        self.row(&row, out)
    }

    pub(super) fn row(&self, cells: &[Cell], out: &Output) -> String {
        let mut line = String::new();
        let (mut blanks, mut used) = (0, 0);
        for ((column, columns), cell) in self.columns.iter().zip(&self.widths).zip(cells) {
            let columns = match (column.kind, *columns) {
                (Kind::Note, _) if cell.text.is_empty() => continue,
                (Kind::Note, _) => self.room.map_or(0, |room| room.saturating_sub(used).max(NOTE)),
                (_, Some(columns)) => columns,
                (_, None) => continue,
            };
            let text = if self.room.is_some() { fit(&cell.text, columns) } else { cell.text.as_str().into() };
            let padding = columns.saturating_sub(width(&text));
            used += columns + GAP;
            let before = if column.kind == Kind::Right { padding } else { 0 };
            line.push_str(&" ".repeat(blanks + before));
            line.push_str(&out.paint(&text, cell.paint));
            // Kept for the next column: lines do not end in blanks.
            blanks = GAP + padding - before;
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] =
        &[Column::flexible("NAME"), Column::number("SIZE"), Column::text("HOLDERS"), Column::text("ID").or_nothing(1)];

    fn lines(room: Option<usize>) -> Vec<String> {
        let out = Output::new(&crate::cli::Shared::default());
        let rows: Vec<Vec<Cell>> = [
            ["a long name of a file, 日本語.iso", "700.0 MiB", "2/3", "af1349b9f5f9"],
            ["b", "1 B", "0/1", "0123456789ab"],
        ]
        .iter()
        .map(|row| row.iter().map(Cell::new).collect())
        .collect();
        let table = Table::new(COLUMNS, &rows, room);
        std::iter::once(table.heading(&out)).chain(rows.iter().map(|row| table.row(row, &out))).collect()
    }

    #[test]
    fn all_of_it_where_there_is_room() {
        let wide = lines(Some(120));
        assert_eq!(wide, lines(None));
        assert_eq!(wide[1], "a long name of a file, 日本語.iso  700.0 MiB  2/3      af1349b9f5f9\n");
        assert_eq!(wide[2], "b                                        1 B  0/1      0123456789ab\n");
    }

    #[test]
    fn a_note_takes_what_is_left_and_is_never_lost() {
        const NOTED: &[Column] = &[Column::flexible("NAME"), Column::note()];
        let out = Output::new(&crate::cli::Shared::default());
        let row = |name: &str, note: &str| vec![Cell::new(name), Cell::new(note)];
        let rows = [row("a film", ""), row("another", "simulated, from http://x/y")];
        let lines = |room, first: usize| {
            let table = Table::new(NOTED, &rows[..first], room);
            rows.iter().map(|row| table.row(row, &out)).collect::<Vec<_>>()
        };
        assert_eq!(lines(None, 2), ["a film\n", "another  simulated, from http://x/y\n"]);
        assert_eq!(lines(Some(24), 2), ["a film\n", "another  simulated, fro…\n"]);
        assert_eq!(lines(Some(12), 2)[1], "…  simulate…\n");
        assert!(lines(Some(12), 1)[1].contains("simulat"), "a page later");
    }

    #[test]
    fn a_narrow_terminal_loses_the_least_needed() {
        let narrow = lines(Some(40));
        assert_eq!(narrow[0], "NAME                       SIZE  HOLDERS\n");
        assert_eq!(narrow[1], "a long name of a fi…  700.0 MiB  2/3\n");
        for room in 21..80 {
            assert!(lines(Some(room)).iter().all(|line| width(line.trim_end()) <= room), "{room}");
        }
    }
}
