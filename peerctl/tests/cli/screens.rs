//! Everything on a screen: as wide as it is, and steered by nobody but us.

use proto::control::{Failure, FailureCode, Request};
use serde_json::Value;

use crate::daemon::{House, Say};
use crate::samples::healthy;
use crate::terminal::Terminal;

/// Clears the screen, rings, turns the writing round.
const HOSTILE: &str = "\u{1b}[2J\u{7}\u{9b}1A\u{202e}x\r\n";

/// The sample daemon among hostile people: every text that others may choose is hostile.
fn hostile(request: &Request) -> Vec<Say> {
    let poisoned = |said| match said {
        Say::Done(mut answer) => {
            poison(&mut answer);
            Say::Done(answer)
        }
        other => other,
    };
    healthy(request).into_iter().map(poisoned).collect()
}

fn poison(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), &*value) {
                    (
                        "reason" | "because" | "trouble" | "problem" | "message" | "fix" | "path" | "url" | "banned",
                        Value::Null | Value::String(_),
                    ) => {
                        *value = HOSTILE.into();
                    }
                    _ => poison(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn hostile_texts_never_move_the_cursor() {
    let house = House::new(hostile);
    for command in [
        "status",
        "list-files",
        "show-file x",
        "list-peers",
        "transfers",
        "explain 7",
        "pause 7",
        "cancel 7",
        "doctor",
        "verify x",
        "upload x",
        "download a --detach",
        "version",
    ] {
        let (text, _) = Terminal::start(&house, 80, &format!("{command} --no-color")).ended();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{command}: {text:?}");
    }
    let (text, _) = Terminal::start(&house, 80, "status --no-color").ended();
    assert!(text.contains(r"\u{1b}[2J\u{7}"), "shown, but harmless: {text:?}");
}

#[test]
fn tables_fit_forty_columns() {
    let house = House::new(healthy);
    for command in ["list-files", "list-peers", "transfers", "explain 7"] {
        let (text, status) = Terminal::start(&house, 40, &format!("{command} --no-color 2>/dev/null")).ended();
        assert_eq!(status, 0, "{command}: {text}");
        let table = text
            .lines()
            .map(str::trim_end)
            .skip_while(|line| !line.contains("  NAME") && !line.starts_with("NAME") && !line.starts_with("PEER"));
        for line in table {
            assert!(line.chars().count() <= 40, "{command}: {line:?} of\n{text}");
        }
    }
}

#[test]
fn sentences_fit_forty_columns() {
    let house = House::new(healthy);
    for command in ["doctor", "help", "help names", "help output", "help json"] {
        let (text, status) = Terminal::start(&house, 40, &format!("{command} --no-color")).ended();
        assert_eq!(status, 0, "{command}: {text}");
        // The first line is the one that was typed.
        for line in text.lines().map(str::trim_end).skip(1) {
            assert!(line.chars().count() <= 40, "{command}: {line:?} of\n{text}");
        }
    }
    let refusing = House::new(|_| {
        let failure = Failure::new(FailureCode::NotFound, "a sentence of more than forty columns is cut between words");
        vec![Say::Fail(failure.hint("`peerctl a command stays whole whatever` it takes"))]
    });
    let (text, _) = Terminal::start(&refusing, 40, "status --no-color").ended();
    for line in [
        "peerctl: a sentence of more than forty",
        "         columns is cut between words",
        "hint: `peerctl a command stays whole whatever`",
        "      it takes",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_watched_list_is_drawn_anew_and_the_screen_is_given_back() {
    let house = House::new(healthy);
    let mut terminal = Terminal::start(&house, 40, "transfers --watch");
    terminal.expect("\u{1b}[?1049h");
    terminal.expect("running");
    let before = terminal.expect("running");
    assert!(before.contains("\u{1b}[H"), "{before:?}");
    terminal.resize(100);
    terminal.expect("PEERS");
    terminal.interrupt();
    let (rest, status) = terminal.ended();
    assert!(rest.contains("\u{1b}[?1049l") && rest.contains("\u{1b}[?25h"), "{rest:?}");
    assert_eq!(status, 130);
}
