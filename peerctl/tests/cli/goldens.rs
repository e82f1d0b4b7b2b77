//! Every command's help, table, JSON and error, word for word as in `goldens/`. `GOLDENS=write` writes them anew; what has
//! changed is then for the reviewer to read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proto::control::{Failure, FailureCode};

use crate::daemon::{House, Ran, Say};
use crate::samples::healthy;

/// Every command with arguments that let it run against the sample daemon; none for one that has no daemon to ask.
const COMMANDS: &[(&str, Option<&[&str]>)] = &[
    ("login", None),
    ("logout", Some(&[])),
    ("whoami", Some(&[])),
    ("status", Some(&[])),
    ("list-peers", Some(&["--all"])),
    ("show-peer", Some(&["peer-1"])),
    ("list-files", Some(&[])),
    ("show-file", Some(&["a file"])),
    ("upload", Some(&["a file"])),
    ("unshare", Some(&["a file"])),
    ("download", Some(&["a"])),
    ("transfers", Some(&[])),
    ("events", Some(&[])),
    ("pause", Some(&["7"])),
    ("resume", Some(&["7"])),
    ("cancel", Some(&["7"])),
    ("explain", Some(&["7"])),
    ("simulate", Some(&["--peers", "40"])),
    ("verify", Some(&["a file"])),
    ("doctor", Some(&[])),
    ("connect", None),
    ("menu", None),
    ("completions", None),
    ("man", None),
    ("version", Some(&[])),
    ("help", None),
    ("exit", None),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/goldens")
}

/// A run as a golden has it: what was typed, what came, how it ended. Spans up to now are not the same tomorrow.
fn written(ran: &Ran, typed: &[&str]) -> String {
    let mut text = format!("$ peerctl {}\n{}", typed.join(" "), ran.stdout);
    text.extend(ran.stderr.lines().map(|line| format!("! {line}\n")));
    let _ = writeln!(text, "= {}\n", ran.status.unwrap());
    text.lines().map(|line| timeless(line) + "\n").collect()
}

/// `324 d` becomes `N d`, at whatever place.
fn timeless(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_span = |i: usize| {
        words[i].bytes().all(|byte| byte.is_ascii_digit())
            && !words[i].is_empty()
            && words.get(i + 1).is_some_and(|unit| matches!(unit.trim_end_matches(','), "s" | "min" | "h" | "d"))
    };
    let shown: Vec<&str> = (0..words.len()).map(|i| if is_span(i) { "N" } else { words[i] }).collect();
    shown.join(" ").trim_end().to_owned()
}

fn compare(name: &str, text: &str) {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("GOLDENS").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{} differs (GOLDENS=write writes it anew); there is\n{text}", path.display());
}

#[test]
fn every_command_says_what_it_said() {
    let house = House::new(healthy);
    let refusing = House::new(|_| vec![Say::Fail(Failure::new(FailureCode::NotFound, "it is not there"))]);
    for (command, args) in COMMANDS {
        let mut text = String::new();
        text.push_str(&written(&house.run(&[command, "--help"]), &[command, "--help"]));
        if let Some(args) = args {
            for flags in [&[][..], &["--json"], &["--plain"], &["-q"]] {
                let typed = [&[*command][..], flags, args].concat();
                text.push_str(&written(&house.run(&typed), &typed));
            }
            for flags in [&[][..], &["--json"]] {
                let typed = [&[*command][..], flags, args].concat();
                text.push_str(&written(&refusing.run(&typed), &typed));
            }
        }
        compare(command, &text);
    }
}

#[test]
fn every_topic_and_every_command_is_there() {
    let house = House::new(healthy);
    let help = house.run(&["help"]).good();
    compare(
        "topics",
        &["names", "output", "json", "exit-codes"].map(|topic| house.run(&["help", topic]).good()).concat(),
    );
    let commands = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    // What a line has no room for stands in the next one, further in.
    let commands = commands.filter(|line| !line.starts_with("   "));
    for command in commands.map(|line| line.split_whitespace().next().unwrap()) {
        assert!(COMMANDS.iter().any(|(known, _)| *known == command), "{command} has no golden");
    }
}

#[test]
fn the_keys_of_every_command_are_written_down() {
    let house = House::new(healthy);
    let topic = house.run(&["help", "json"]).good();
    let manual = house.run(&["man"]).good();
    for (command, args) in COMMANDS {
        let Some(args) = args else { continue };
        let line = house.run(&[&[*command, "--json"][..], args].concat()).good();
        for key in Ran::keys(line.lines().next().unwrap()) {
            let is_key = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_') == key;
            assert!(topic.split_whitespace().any(is_key), "{command}: `{key}` is not in `help json`");
            assert!(manual.contains(&key), "{command}: `{key}` is not in the manual");
        }
    }
}

#[test]
fn a_manual_page_for_every_command() {
    let house = House::new(healthy);
    house.run(&["man", "--dir", "."]).good();
    for (command, _) in COMMANDS {
        let page = std::fs::read_to_string(house.folder.path().join(format!("peerctl-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{command}: {page}");
    }
    assert_eq!(house.run(&["man", "--dir", "/no/such/folder"]).status, Some(3));
}
