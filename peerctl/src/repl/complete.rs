//! What could come next on a line: commands and flags from the grammar, paths from the disk, names from the daemon.

use clap::{Arg, Command, ValueHint};
use proto::ids::FileId;

use super::words::{Unfinished, cut, quoted};
use crate::commands::help_topics;
use crate::render::safe;

/// Names that only the daemon knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Files that begin so; `mine` of this peer only.
    Files { start: String, mine: bool },
    /// Peers.
    Peers,
    /// Transfers under way.
    Transfers,
}

/// What can be offered at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Words to stand from this place on, each as typed into the line.
    Words(usize, Vec<String>),
    /// A path of this machine.
    Path,
}

/// What fits at the end of `line`; `names` asks the daemon.
pub(super) fn offer(tree: &Command, line: &str, names: impl FnOnce(Wanted) -> Vec<String>) -> Offer {
    let Unfinished { before, typed, start } = cut(line);
    let candidates = match command_of(tree, &before) {
        None if before.iter().all(|word| word.starts_with('-')) => {
            if typed.starts_with('-') {
                flags(tree)
            } else {
                command_names(tree)
            }
        }
        None => Vec::new(),
        Some((command, rest)) => match place(command, rest) {
            Place::Positional if typed.starts_with('-') => flags(command),
            Place::Value(arg) if is_path(arg) => return Offer::Path,
            Place::Value(arg) => values(command, arg, &typed, names),
            Place::Positional => Vec::new(),
        },
    };
    let mut fitting: Vec<String> = candidates.into_iter().filter(|word| word.starts_with(&typed)).collect();
    fitting.sort_unstable();
    fitting.dedup();
    let only = fitting.len() == 1;
    let mut words = quoted(&fitting);
    if let (true, Some(word)) = (only, words.first_mut()) {
        word.push(' ');
    }
    Offer::Words(start, words)
}

/// A name as it can be typed: one that hides something, or looks like a flag, is better given by its id.
pub(super) fn typable(name: &str, id: &FileId) -> String {
    if name.starts_with('-') || safe(name) != name { id.to_string() } else { name.to_owned() }
}

fn command_of<'a>(tree: &'a Command, words: &'a [String]) -> Option<(&'a Command, &'a [String])> {
    let at = words.iter().position(|word| !word.starts_with('-'))?;
    Some((tree.find_subcommand(&words[at])?, &words[at + 1..]))
}

fn command_names(tree: &Command) -> Vec<String> {
    let names = |command: &Command| {
        std::iter::once(command.get_name()).chain(command.get_visible_aliases()).map(str::to_owned).collect::<Vec<_>>()
    };
    tree.get_subcommands().flat_map(names).collect()
}

fn flags(command: &Command) -> Vec<String> {
    command.get_arguments().filter_map(Arg::get_long).map(|long| format!("--{long}")).collect()
}

enum Place<'a> {
    /// The value of this argument.
    Value(&'a Arg),
    /// No argument is left for it.
    Positional,
}

/// Which argument the next word belongs to.
fn place<'a>(command: &'a Command, words: &[String]) -> Place<'a> {
    let mut positionals = 0;
    let mut flag = None;
    for word in words {
        if flag.take().is_some() {
            continue;
        }
        match flag_of(command, word) {
            Some(arg) => flag = Some(arg).filter(|arg| arg.get_action().takes_values()),
            None if word.starts_with('-') => (),
            None => positionals += 1,
        }
    }
    let positional = |n| command.get_positionals().nth(n);
    let last = || command.get_positionals().last().filter(|arg| takes_many(arg));
    flag.or_else(|| positional(positionals)).or_else(last).map_or(Place::Positional, Place::Value)
}

fn flag_of<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let short = |arg: &&Arg| arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(&short.to_string()));
    let long = |arg: &&Arg| arg.get_long().is_some() && word.strip_prefix("--") == arg.get_long();
    command.get_arguments().find(|arg| short(arg) || long(arg))
}

fn takes_many(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|count| count.max_values() > 1)
}

fn is_path(arg: &Arg) -> bool {
    matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)
}

fn values(command: &Command, arg: &Arg, typed: &str, names: impl FnOnce(Wanted) -> Vec<String>) -> Vec<String> {
    let mine = command.get_name() == "unshare";
    match arg.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str) {
        // A flag may be meant just as well; the daemon need not be asked for that.
        Some(_) if typed.starts_with('-') => flags(command),
        Some("FILE") => names(Wanted::Files { start: typed.to_owned(), mine }),
        Some("PEER") => names(Wanted::Peers),
        Some("ID") => names(Wanted::Transfers),
        Some("TOPIC") => help_topics(),
        _ => arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> (usize, Vec<String>) {
        let mut tree = crate::cli::line_tree();
        tree.build();
        let names = |wanted| match wanted {
            Wanted::Files { mine: true, .. } => vec!["mine.iso".to_owned()],
            Wanted::Files { .. } => ["my file", "my other", "data"].map(str::to_owned).into(),
            Wanted::Peers => vec!["peer-1".to_owned(), "peer-2".to_owned()],
            Wanted::Transfers => vec!["17".to_owned()],
        };
        match offer(&tree, line, names) {
            Offer::Words(start, words) => (start, words),
            Offer::Path => (usize::MAX, vec!["a path".to_owned()]),
        }
    }

    #[test]
    fn what_fits_where() {
        for (line, start, expected) in [
            ("downl", 0, vec!["download "]),
            ("show-", 0, vec!["show-file", "show-peer"]),
            ("download --de", 9, vec!["--detach "]),
            ("download my", 9, vec!["'my file'", "'my other'"]),
            ("download da", 9, vec!["data "]),
            ("get data --from peer-1 my", 23, vec!["'my file'", "'my other'"]),
            ("get --from ", 11, vec!["peer-1", "peer-2"]),
            ("unshare ", 8, vec!["mine.iso "]),
            ("cancel ", 7, vec!["17 "]),
            ("cancel 17 ", 10, vec![]),
            ("help exit-", 5, vec!["exit-codes "]),
            ("completions f", 12, vec!["fish "]),
            ("--json sta", 7, vec!["status "]),
            ("nonsense ", 9, vec![]),
            ("upload ", usize::MAX, vec!["a path"]),
            ("download x -o ", usize::MAX, vec!["a path"]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(words(line), (start, expected), "{line}");
        }
    }

    #[test]
    fn every_command_is_offered() {
        let (_, all) = words("");
        for command in ["ls", "share", "get", "exit", "whoami"] {
            assert!(all.contains(&command.to_owned()), "{command}");
        }
    }

    #[test]
    fn hostile_names_are_offered_by_id() {
        let id = FileId::of(b"");
        assert_eq!(typable("plain name", &id), "plain name");
        assert_eq!(typable("a\u{202e}b", &id), id.to_string());
        assert_eq!(typable("-rf", &id), id.to_string());
    }
}
