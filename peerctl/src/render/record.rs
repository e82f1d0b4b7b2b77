//! One thing, in every format.

use proto::control::Failure;
use serde::Serialize;

use super::{Format, Output, Paint, TableCell, json_line, safe};

/// Something that can be written in every format.
pub(crate) trait Record {
    /// The keys of the JSON object.
    fn json(&self) -> impl Serialize;
    /// The values of a tab-separated line.
    fn plain(&self) -> Vec<String>;
    /// What `-q` leaves of it.
    fn id(&self) -> String;
}

/// A record that is listed.
pub(crate) trait Row: Record {
    /// The columns of its table.
    const COLUMNS: &'static [super::Column];
    /// What stands in them.
    fn cells(&self) -> Vec<TableCell>;
}

/// A value that may be missing, in a tab-separated line.
pub(crate) fn opt(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl Output {
    /// Writes one result: for people as `sentence` says it, for programs as a line.
    pub(crate) fn result(&self, record: &impl Record, sentence: impl FnOnce() -> String) -> Result<(), Failure> {
        self.write(&match self.format {
            Format::Human => format!("{}\n", sentence()),
            Format::Plain => self.plain_line(record),
            Format::Json => json_line(&record.json()),
            Format::Ids => format!("{}\n", record.id()),
        })
    }

    /// Writes one thing in detail: for people and tab-separated as lines of key and value.
    pub(crate) fn detail(&self, record: &impl Record, human: &Fields, plain: &Fields) -> Result<(), Failure> {
        self.write(&match self.format {
            Format::Human => human.aligned(self),
            Format::Plain => plain.tabbed(self),
            Format::Json => json_line(&record.json()),
            Format::Ids => format!("{}\n", record.id()),
        })
    }

    pub(super) fn plain_line(&self, record: &impl Record) -> String {
        let values: Vec<String> = record.plain().iter().map(|value| self.plain_value(value)).collect();
        values.join("\t") + "\n"
    }
}

/// Lines of key and value.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, String, Paint)>);

impl Fields {
    #[must_use]
    pub(crate) fn with(self, key: &'static str, value: impl ToString) -> Self {
        self.painted(key, value, Paint::Plain)
    }

    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers, references and new texts alike, without a sign at each call"
    )]
    pub(crate) fn painted(mut self, key: &'static str, value: impl ToString, paint: Paint) -> Self {
        self.0.push((key, value.to_string(), paint));
        self
    }

    fn aligned(&self, out: &Output) -> String {
        let widest = self.0.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
        let line = |(key, value, paint): &(&str, String, Paint)| {
            let key = out.paint(&format!("{key:widest$}"), Paint::Dim);
            format!("{key}  {}\n", out.paint(&out.flow(&safe(value), widest + 2), *paint))
        };
        self.0.iter().map(line).collect()
    }

    fn tabbed(&self, out: &Output) -> String {
        let line = |(key, value, _): &(&str, String, Paint)| format!("{key}\t{}\n", out.plain_value(value));
        self.0.iter().map(line).collect()
    }
}
