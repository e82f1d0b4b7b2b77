//! What may be typed: the program's own flags, and the one tree of commands that one-shots, scripts and the REPL share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser};

use traces::Endpoint;

use crate::commands::Command;
use crate::error::Refused;
use crate::render::Format;

/// The order of a command's help: what it is, examples, then the grammar.
const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Above the flags that go with every command.
const EVERYWHERE: &str = "With every command";

/// The shell of a peer of Enjambre: shares files, finds them, fetches them.
///
/// Without a command it is a session on a terminal, and runs the lines of standard input otherwise.
#[derive(Debug, Parser)]
#[command(name = "peerctl", version, disable_help_subcommand = true)]
struct Typed {
    /// Control socket of the daemon [default: `$PEERCTL_SOCKET`, then the first that exists of
    /// `$XDG_RUNTIME_DIR/enjambre/peerd.sock` and `/run/enjambre/peerd.sock`]
    #[arg(long, global = true, value_name = "PATH", help_heading = EVERYWHERE)]
    socket: Option<PathBuf>,
    /// Run one line as the session would
    #[arg(short = 'c', value_name = "LINE")]
    line: Option<String>,
    /// Begin a trace with each command, and tell a collector (OTLP over HTTP) of it, as those daemons do that have one
    /// [default: `$PEERCTL_OTLP_ENDPOINT`, or no trace]
    #[arg(long, env = "PEERCTL_OTLP_ENDPOINT", hide_env = true, value_name = "URL")]
    otlp_endpoint: Option<Endpoint>,
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Option<Command>,
}

/// A line of a session or script.
#[derive(Debug, Parser)]
#[command(name = "", no_binary_name = true, disable_help_subcommand = true, disable_version_flag = true)]
#[command(override_usage = "COMMAND [OPTIONS]")]
struct TypedLine {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

/// Flags that go with every command, on the program and on each line of a session.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Shared {
    /// One JSON object, or one a line
    #[arg(long, global = true, help_heading = EVERYWHERE, group = "format")]
    json: bool,
    /// Tab-separated full values, no headings
    #[arg(long, global = true, help_heading = EVERYWHERE, group = "format")]
    plain: bool,
    /// Only ids
    #[arg(short, long, global = true, help_heading = EVERYWHERE, group = "format")]
    quiet: bool,
    /// No colours; the same as a non-empty `NO_COLOR`
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) no_color: bool,
    /// Give up after this long, as in 10s, 500ms, 2m; what runs in the daemon goes on
    #[arg(long, global = true, value_name = "D", value_parser = duration, help_heading = EVERYWHERE)]
    pub(crate) timeout: Option<Duration>,
}

impl Shared {
    pub(crate) fn format(&self) -> Format {
        match self {
            Self { json: true, .. } => Format::Json,
            Self { plain: true, .. } => Format::Plain,
            Self { quiet: true, .. } => Format::Ids,
            _ => Format::Human,
        }
    }

    /// The flags of a line over those of the program.
    fn over(self, program: &Self) -> Self {
        let picked = self.json || self.plain || self.quiet;
        Self {
            json: if picked { self.json } else { program.json },
            plain: if picked { self.plain } else { program.plain },
            quiet: if picked { self.quiet } else { program.quiet },
            no_color: self.no_color || program.no_color,
            timeout: self.timeout.or(program.timeout),
        }
    }
}

/// What the program was started for.
#[derive(Debug)]
pub(crate) struct Cli {
    pub(crate) socket: Option<PathBuf>,
    pub(crate) otlp_endpoint: Option<Endpoint>,
    pub(crate) shared: Shared,
    pub(crate) mode: Mode,
}

#[derive(Debug)]
pub(crate) enum Mode {
    Command(Box<Command>),
    Line(String),
    Session,
}

impl Cli {
    /// Reads the program's arguments.
    pub(crate) fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Refused> {
        let args: Vec<OsString> = args.into_iter().collect();
        let given = |flag: &str| args.iter().take_while(|arg| *arg != "--").any(|arg| arg == flag);
        let (json, plain_text) = (given("--json"), given("--no-color") || crate::render::colourless());
        let color = if plain_text { ColorChoice::Never } else { ColorChoice::Auto };
        let typed = tree()
            .color(color)
            .try_get_matches_from(&args)
            .and_then(|matches| Typed::from_arg_matches(&matches))
            .map_err(|error| Refused::new(error, json))?;
        let mode = match (typed.command, typed.line) {
            (Some(command), None) => Mode::Command(Box::new(command)),
            (None, Some(line)) => Mode::Line(line),
            (None, None) => Mode::Session,
            (Some(_), Some(_)) => {
                let error =
                    tree().error(clap::error::ErrorKind::ArgumentConflict, "-c LINE stands instead of a command");
                return Err(Refused::new(error, json));
            }
        };
        Ok(Self { socket: typed.socket, otlp_endpoint: typed.otlp_endpoint, shared: typed.shared, mode })
    }
}

/// Reads the words of a line; `program` are the flags that hold where the line says nothing else.
pub(crate) fn parse_line(words: &[String], program: &Shared) -> Result<(Shared, Box<Command>), Refused> {
    let json = program.format() == Format::Json || words.iter().any(|word| word == "--json");
    let color = if program.no_color || crate::render::colourless() { ColorChoice::Never } else { ColorChoice::Auto };
    let typed = line_tree()
        .color(color)
        .try_get_matches_from(words)
        .and_then(|matches| TypedLine::from_arg_matches(&matches))
        .map_err(|error| Refused::new(error, json))?;
    Ok((typed.shared.over(program), Box::new(typed.command)))
}

/// The grammar of the program.
pub(crate) fn tree() -> clap::Command {
    Typed::command().mut_subcommands(|command| command.help_template(TEMPLATE))
}

/// The grammar of a line.
pub(crate) fn line_tree() -> clap::Command {
    TypedLine::command().mut_subcommands(|command| command.help_template(TEMPLATE))
}

/// A span of time: a number of seconds, or one with a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let span = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok()),
    };
    span.filter(|span| !span.is_zero()).ok_or_else(|| "a time as in 10s, 500ms or 2m is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<(Shared, Box<Command>), Refused> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        parse_line(&words, &Shared { json: true, ..Shared::default() })
    }

    #[test]
    fn the_trees_are_sound() {
        tree().debug_assert();
        line_tree().debug_assert();
    }

    #[test]
    fn aliases_name_the_same_commands() {
        for (alias, command) in [
            ("peers", "ListPeers"),
            ("files", "ListFiles"),
            ("ls", "ListFiles"),
            ("share x", "Upload"),
            ("add x", "Upload"),
        ] {
            let (_, parsed) = line(alias).unwrap();
            assert!(format!("{parsed:?}").starts_with(command), "{alias}: {parsed:?}");
        }
    }

    #[test]
    fn a_command_knows_its_word() {
        for text in ["whoami", "list-peers", "show-file x", "download x", "man", "menu", "simulate calibrate", "exit"] {
            let (_, parsed) = line(text).unwrap();
            assert!(text.starts_with(parsed.word()), "{text}: {}", parsed.word());
        }
    }

    #[test]
    fn flags_of_a_line_win() {
        assert_eq!(line("status").unwrap().0.format(), Format::Json);
        assert_eq!(line("status --plain").unwrap().0.format(), Format::Plain);
        assert_eq!(line("status -q --timeout 2m").unwrap().0.timeout, Some(Duration::from_mins(2)));
    }

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1.5", 1500), ("1h30m", 5_400_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "0", "-1", "-3s", "soon", "1e300", "nan"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
