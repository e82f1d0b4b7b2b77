//! Many things, written as they come: a page is on the screen before the next is asked for.

use proto::control::Failure;

use super::json::{list_start, value};
use super::table::Table;
use super::{Format, Output, Record, Row, json_line};

/// A listing under way.
pub(crate) struct Listing<'a> {
    out: &'a Output,
    table: Option<Table>,
    rows: u64,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(out: &'a Output) -> Self {
        Self { out, table: None, rows: 0 }
    }

    /// How many rows there were.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes some more rows.
    pub(crate) fn page<T: Row>(&mut self, items: &[T]) -> Result<(), Failure> {
        let text = match self.out.format() {
            Format::Human => self.table_rows(items),
            Format::Plain => items.iter().map(|item| self.out.plain_line(item)).collect(),
            Format::Ids => items.iter().map(|item| item.id() + "\n").collect(),
            Format::Json => self.json_items(items),
        };
        self.rows += items.len() as u64;
        self.out.write(&text)
    }

    /// Writes what comes after the last row.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match (self.out.format(), self.rows) {
            (Format::Json, 0) => self.out.write(&format!("{}],\"next\":null}}\n", list_start())),
            (Format::Json, _) => self.out.write("],\"next\":null}\n"),
            _ => Ok(()),
        }
    }

    fn table_rows<T: Row>(&mut self, items: &[T]) -> String {
        let cells: Vec<_> = items.iter().map(Row::cells).collect();
        let mut text = String::new();
        if self.table.is_none() && !items.is_empty() {
            let table = Table::new(T::COLUMNS, &cells, self.out.columns());
            text.push_str(&table.heading(self.out));
            self.table = Some(table);
        }
        if let Some(table) = &self.table {
            text.extend(cells.iter().map(|row| table.row(row, self.out)));
        }
        text
    }

    fn json_items<T: Row>(&self, items: &[T]) -> String {
        let mut text = String::new();
        for (i, item) in (self.rows..).zip(items) {
            text.push_str(&if i == 0 { list_start() } else { ",".to_owned() });
            text.push_str(&value(&item.json()));
        }
        text
    }
}

/// A whole listing as text, at most so many rows of it.
pub(crate) fn snapshot<T: Row>(out: &Output, items: &[T], most: usize) -> String {
    if out.format() == Format::Json {
        #[derive(serde::Serialize)]
        struct Items<J> {
            items: Vec<J>,
            next: Option<String>,
        }
        return json_line(&Items { items: items.iter().map(Record::json).collect::<Vec<_>>(), next: None });
    }
    let shown = &items[..items.len().min(most)];
    let mut listing = Listing::new(out);
    let mut text = match out.format() {
        Format::Plain => shown.iter().map(|item| out.plain_line(item)).collect(),
        Format::Ids => shown.iter().map(|item| item.id() + "\n").collect(),
        _ => listing.table_rows(shown),
    };
    if shown.len() < items.len() {
        let more = format!("… and {} more\n", items.len() - shown.len());
        text.push_str(&more);
    }
    text
}
