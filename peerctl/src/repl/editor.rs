//! The line editor on its thread: history, hints, completion.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use proto::control::{Failure, FailureCode};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::{Behavior, BellStyle, CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::hint::HistoryHinter;
use rustyline::history::FileHistory;
use rustyline::{ExternalPrinter, Helper, Highlighter, Hinter, Validator};
use tokio::sync::mpsc;

use super::complete::{Names, Offer, Wanted, offer};
use super::history;
use super::words::escaped;
use crate::cli;
use crate::render::{safe, stderr};

/// How long a completion waits for names. Longer than the daemon is given, so that its answer is not lost by a hair.
const PATIENCE: Duration = Duration::from_millis(400);

/// What the editor says.
pub(super) enum Event {
    /// What was entered: one line, or several that were pasted.
    Lines(String),
    /// Names for a completion; an empty answer is one too.
    Wanted(Wanted, SyncSender<Names>),
    /// Ctrl-D.
    End,
    /// The terminal is gone.
    Broken(String),
}

/// The thread's other end.
pub(super) struct Editor {
    prompts: mpsc::Sender<String>,
    events: mpsc::Receiver<Event>,
    printer: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Editor {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, Failure> {
        let (prompts, asked) = mpsc::channel(1);
        let (told, events) = mpsc::channel(1);
        let mut lines = Lines::new(told).map_err(|error| {
            Failure::new(FailureCode::Io, format!("the terminal cannot be used: {error}"))
                .hint("run one command: `peerctl -c LINE`, or a script: `peerctl < FILE`")
        })?;
        // Where standard output is no terminal there is nothing to print above.
        let printer = lines.editor.create_external_printer().ok();
        let printer = printer.map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>);
        std::thread::spawn(move || lines.serve(asked));
        Ok(Self { prompts, events, printer })
    }

    /// Asks for a line. If the thread has gone, the next event says so.
    pub(super) async fn prompt(&self, prompt: String) {
        let _ = self.prompts.send(prompt).await;
    }

    /// Shows a line above the prompt, which stays with all that is typed in it.
    pub(super) fn print_above(&mut self, line: String) {
        match &mut self.printer {
            // A terminal that has gone is told by the next event.
            Some(printer) => drop(printer.print(line)),
            None => stderr(&line),
        }
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap_or(Event::End)
    }
}

/// What lives on the thread.
struct Lines {
    editor: rustyline::Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
    told: mpsc::Sender<Event>,
}

impl Lines {
    fn new(told: mpsc::Sender<Event>) -> rustyline::Result<Self> {
        let mut editor = rustyline::Editor::with_config(config()?)?;
        let mut tree = cli::line_tree();
        tree.build();
        let assistant =
            Assistant { tree, paths: FilenameCompleter::new(), hinter: HistoryHinter::new(), told: told.clone() };
        editor.set_helper(Some(assistant));
        let history = history::file();
        if let Some(file) = &history {
            // The first session of all has none.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history, told })
    }

    fn serve(&mut self, mut asked: mpsc::Receiver<String>) {
        while let Some(prompt) = asked.blocking_recv() {
            let event = self.read(&prompt);
            let over = matches!(event, Event::End | Event::Broken(_));
            if self.told.blocking_send(event).is_err() || over {
                return;
            }
        }
    }

    fn read(&mut self, prompt: &str) -> Event {
        loop {
            match self.editor.readline(prompt) {
                Ok(line) => {
                    self.remember(&line);
                    return Event::Lines(line);
                }
                // Ctrl-C drops the line, not the session.
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => (),
                Err(ReadlineError::Eof) => return Event::End,
                Err(error) => return Event::Broken(error.to_string()),
            }
        }
    }

    /// Keeps a line at once: a session that is killed has a history too. Losing one is no reason to stop.
    fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line).unwrap_or(false);
        if let (true, Some(file)) = (added, &self.history) {
            let _ = self.editor.append_history(file);
        }
    }
}

fn config() -> rustyline::Result<Config> {
    // Where data is piped on, the prompt must not be part of it.
    let behavior = if std::io::stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm };
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        .behavior(behavior)
        .history_ignore_space(true)
        .max_history_size(history::LINES)?;
    Ok(config.build())
}

/// What helps while typing.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Assistant {
    tree: clap::Command,
    paths: FilenameCompleter,
    #[rustyline(Hinter)]
    hinter: HistoryHinter,
    told: mpsc::Sender<Event>,
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        match offer(&self.tree, &line[..pos], |wanted| self.names(wanted)) {
            Offer::Path => self.paths.complete_path(line, pos).map(|(start, pairs)| (start, harmless(pairs))),
            Offer::Words(start, names) => Ok((start, pairs(names))),
        }
    }
}

impl Assistant {
    fn names(&self, wanted: Wanted) -> Names {
        let (answer, answered) = sync_channel(1);
        // The other side waits for events whenever this one edits.
        match self.told.try_send(Event::Wanted(wanted, answer)) {
            Ok(()) => answered.recv_timeout(PATIENCE).unwrap_or_default(),
            Err(_) => Names::default(),
        }
    }
}

/// What is shown and what is put into the line. A sign stands for what was left out before the last, and adds nothing to it.
fn pairs(names: Names) -> Vec<Pair> {
    let pair = |word: String| Pair { replacement: escaped(&word), display: word };
    let mut pairs: Vec<Pair> = names.words.into_iter().map(pair).collect();
    if let [only] = pairs.as_mut_slice() {
        only.replacement.push(' ');
    }
    if let (true, Some(last)) = (names.more, pairs.last()) {
        let left_out = Pair { display: "…".to_owned(), replacement: last.replacement.clone() };
        pairs.insert(pairs.len() - 1, left_out);
    }
    pairs
}

/// Names on disk may be hostile as well; what cannot be shown is not offered.
fn harmless(pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.into_iter().filter(|pair| safe(&pair.replacement) == pair.replacement).collect()
}
