//! What could come next on a line: commands and flags from the grammar, paths from the disk, names from the daemon.

use clap::{Arg, Command, ValueHint};

use super::words::{Unfinished, cut};
use crate::commands::help_topics;
use crate::render::safe;

/// Names that only the daemon knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of what.
    pub(super) kind: Kind,
    /// How they begin.
    pub(super) start: String,
}

/// What a name can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file that anybody shares.
    File,
    /// A file that this peer shares.
    OwnFile,
    /// A peer that is up.
    Peer,
    /// A transfer under way.
    Transfer,
}

/// What the daemon knows of them, and maybe some that begin otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// As they are typed.
    pub(super) words: Vec<String>,
    /// Whether some were left out before the last.
    pub(super) more: bool,
}

impl From<Vec<String>> for Names {
    fn from(words: Vec<String>) -> Self {
        Self { words, more: false }
    }
}

/// What can be offered at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Words to stand from this place on, in their order, each once. Those that were left out before the last begin with what
    /// all the others begin with.
    Words(usize, Names),
    /// A path of this machine.
    Path,
}

/// What fits at the end of `line`; `names` asks the daemon.
pub(super) fn offer(tree: &Command, line: &str, names: impl FnOnce(Wanted) -> Names) -> Offer {
    let Unfinished { before, typed, start } = cut(line);
    let Names { words: candidates, more } = match command_of(tree, &before) {
        None if before.iter().all(|word| word.starts_with('-')) => {
            if typed.starts_with('-') {
                flags(tree).into()
            } else {
                command_names(tree).into()
            }
        }
        None => Names::default(),
        Some((command, rest)) => match place(command, rest) {
            Place::Positional if typed.starts_with('-') => flags(command).into(),
            Place::Value(arg) if is_path(arg) => return Offer::Path,
            Place::Value(arg) => values(command, arg, &typed, names),
            Place::Positional => Names::default(),
        },
    };
    let mut fitting: Vec<String> = candidates.into_iter().filter(|word| word.starts_with(&typed)).collect();
    fitting.sort_unstable();
    fitting.dedup();
    let more = more && fitting.len() > 1;
    Offer::Words(start, Names { words: fitting, more })
}

/// A name as it can be typed: one that hides something, or looks like a flag, is better given by its id.
pub(super) fn typable(name: String, id: String) -> String {
    if name.starts_with('-') || safe(&name) != name { id } else { name }
}

/// The last of many, of which only the first are there. It says what all have in common, which its id would not.
pub(super) fn typable_last(name: String, id: String) -> String {
    let harmless = |c: &char| safe(c.encode_utf8(&mut [0; 4])) == c.to_string();
    if safe(&name) == name { typable(name, id) } else { name.chars().take_while(harmless).collect() }
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

fn values(command: &Command, arg: &Arg, typed: &str, names: impl FnOnce(Wanted) -> Names) -> Names {
    let of = |kind, start: &str| names(Wanted { kind, start: start.to_owned() });
    match arg.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str) {
        // A flag may be meant just as well; the daemon need not be asked for that.
        Some(_) if typed.starts_with('-') => flags(command).into(),
        Some("FILE") if command.get_name() == "unshare" => of(Kind::OwnFile, typed),
        Some("FILE") => of(Kind::File, typed),
        Some("PEER") => of(Kind::Peer, typed),
        Some("ID") => of(Kind::Transfer, ""),
        Some("TOPIC") => help_topics().into(),
        _ => arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> (usize, Vec<String>) {
        let mut tree = crate::cli::line_tree();
        tree.build();
        let names = |wanted: Wanted| {
            let words: &[&str] = match wanted.kind {
                Kind::OwnFile => &["mine.iso"],
                Kind::File if wanted.start.contains('/') => &["ana/my file"],
                Kind::File => &["my file", "my other", "data"],
                Kind::Peer => &["peer-1", "peer-2"],
                Kind::Transfer => &["17"],
            };
            words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().into()
        };
        match offer(&tree, line, names) {
            Offer::Words(start, names) => (start, names.words),
            Offer::Path => (usize::MAX, vec!["a path".to_owned()]),
        }
    }

    #[test]
    fn what_fits_where() {
        for (line, start, expected) in [
            ("downl", 0, vec!["download"]),
            ("show-", 0, vec!["show-file", "show-peer"]),
            ("download --de", 9, vec!["--detach"]),
            ("download my", 9, vec!["my file", "my other"]),
            ("download my\\ o", 9, vec!["my other"]),
            ("download 'my o", 9, vec!["my other"]),
            ("download ana/m", 9, vec!["ana/my file"]),
            ("download da", 9, vec!["data"]),
            ("get data --from peer-1 my", 23, vec!["my file", "my other"]),
            ("get --from ", 11, vec!["peer-1", "peer-2"]),
            ("unshare ", 8, vec!["mine.iso"]),
            ("cancel ", 7, vec!["17"]),
            ("cancel 17 ", 10, vec![]),
            ("help exit-", 5, vec!["exit-codes"]),
            ("completions f", 12, vec!["fish"]),
            ("--json sta", 7, vec!["status"]),
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
        let typable = |name: &str| typable(name.to_owned(), "the id".to_owned());
        assert_eq!(typable("plain name"), "plain name");
        for hostile in ["a\u{202e}b", "-rf", "ana/\u{1b}[2J"] {
            assert_eq!(typable(hostile), "the id", "{hostile:?}");
        }
        assert_eq!(typable_last("part-\u{1b}[2J".to_owned(), "the id".to_owned()), "part-");
        assert_eq!(typable_last("part-z".to_owned(), "the id".to_owned()), "part-z");
    }
}
