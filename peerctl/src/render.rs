//! What goes to the screen: data on standard output in the chosen format, messages on standard error.
//!
//! Everything that comes from elsewhere is hostile: it passes [`safe`] before a terminal sees it. A reader that has gone
//! (`| head -1`) is no failure: writing becomes a no-op, and listings look at [`Output::is_closed`] to stop early.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal, Write};

use proto::control::{Failure, FailureCode};

use crate::cli::Shared;
use crate::error::plain_error;

mod json;
mod listing;
mod progress;
mod record;
mod table;
mod text;
mod units;

pub(crate) use json::json_line;
pub(crate) use listing::{Listing, snapshot};
pub(crate) use progress::{Bars, left};
pub(crate) use record::{Fields, Record, Row, opt};
pub(crate) use table::{Cell as TableCell, Column};
pub(crate) use text::{fit, flowed, safe, screen_width};
pub(crate) use units::{ago, duration, lasting, plural, rate, share, whole_duration};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// Tab-separated.
    Plain,
    /// JSON objects.
    Json,
    /// Ids alone.
    Ids,
}

/// A look of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
        }
    }
}

fn painted(text: &str, paint: Paint, colours: bool) -> String {
    if colours && paint != Paint::Plain { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
}

/// Whether the environment asks for no colours (no-color.org) or has a terminal that knows none.
pub(crate) fn colourless() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The two streams of one command.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    data_on_screen: bool,
    messages_on_screen: bool,
    colours: bool,
    closed: Cell<bool>,
}

impl Output {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            format: shared.format(),
            data_on_screen: std::io::stdout().is_terminal(),
            messages_on_screen: std::io::stderr().is_terminal(),
            colours: !shared.no_color && !colourless(),
            closed: Cell::new(false),
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether moving pictures may be drawn on standard error.
    pub(crate) fn may_animate(&self) -> bool {
        self.messages_on_screen && self.format != Format::Ids && !is_dumb()
    }

    /// Whether the screen that data goes to can be drawn over.
    pub(crate) fn may_redraw(&self) -> bool {
        self.data_on_screen && self.format == Format::Human && !is_dumb()
    }

    /// Columns to fit data into; none where it goes into a file, unless `$COLUMNS` says so.
    pub(crate) fn columns(&self) -> Option<usize> {
        if self.data_on_screen { Some(screen_width(&std::io::stdout())) } else { text::columns_variable() }
    }

    /// Whether the reader of standard output has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Writes data.
    pub(crate) fn write(&self, data: &str) -> Result<(), Failure> {
        if self.is_closed() {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                Err(Failure::new(FailureCode::OutOfSpace, "cannot write standard output: no space left on the device"))
            }
            written => written.map_err(|error| {
                Failure::new(FailureCode::Io, format!("cannot write standard output: {}", plain_error(&error)))
            }),
        }
    }

    /// A sentence on standard output that begins `indent` columns in, cut between its words where the terminal is narrower.
    pub(crate) fn flow<'a>(&self, sentence: &'a str, indent: usize) -> Cow<'a, str> {
        if self.data_on_screen { flowed(sentence, screen_width(&std::io::stdout()), indent) } else { sentence.into() }
    }

    /// The same on standard error.
    pub(crate) fn flow_message<'a>(&self, sentence: &'a str, indent: usize) -> Cow<'a, str> {
        if self.messages_on_screen {
            flowed(sentence, screen_width(&std::io::stderr()), indent)
        } else {
            sentence.into()
        }
    }

    /// A message for people. Formats for programs go without, so that standard error holds errors only.
    pub(crate) fn note(&self, message: &str) {
        if matches!(self.format, Format::Human | Format::Plain) {
            stderr(&format!("{}\n", self.flow_message(message, 0)));
        }
    }

    /// Something that is not as the user may expect; told in every format for people, and in `-q` too.
    pub(crate) fn warn(&self, message: &str) {
        if self.format != Format::Json {
            stderr(&format!("{} {}\n", self.paint_message("warning:", Paint::Yellow), safe(message)));
        }
    }

    /// Colours text for standard error.
    pub(crate) fn paint_message(&self, text: &str, paint: Paint) -> String {
        painted(text, paint, self.colours && self.messages_on_screen)
    }

    /// Colours text for standard output.
    pub(crate) fn paint(&self, text: &str, paint: Paint) -> String {
        painted(text, paint, self.colours && self.data_on_screen)
    }

    /// A text of others as it may be written in tab-separated data: raw where a program reads, escaped on a screen, and in
    /// neither with what would break the line.
    fn plain_value(&self, value: &str) -> String {
        if self.data_on_screen { safe(value).into_owned() } else { text::one_field(value).into_owned() }
    }
}

/// Writes to standard error. Where that fails nobody is left to tell.
pub(crate) fn stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
