//! Lists: pages, limits, widths, hostile names, readers that go.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use proto::control::Request;
use proto::directory::{FileEntry, Page};

use crate::daemon::{House, Say, done};
use crate::samples::{file, files, healthy, page};

/// A daemon with so many files.
fn many(count: u64) -> House {
    House::new(move |request| match request {
        Request::ListFiles(asked) => {
            let from: u64 = asked.cursor.as_deref().unwrap_or("0").parse().unwrap();
            let to = count.min(from + u64::from(asked.limit.unwrap()));
            let items: Vec<FileEntry> = (from..to).map(|number| file(&format!("file {number}"), number, 1)).collect();
            done(&Page { items, next: (to < count).then(|| to.to_string()) })
        }
        other => healthy(other),
    })
}

#[test]
fn all_pages_are_listed() {
    let house = many(1000);
    let listed = house.run(&["list-files", "--plain"]).good();
    let names: Vec<&str> = listed.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(names.len(), 1000);
    assert_eq!((names[0], names[999]), ("file 0", "file 999"));
    assert!(house.daemon.asked().len() > 1);
    let listed = house.run(&["list-files", "--json"]).good();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["next"]), (1000, &serde_json::Value::Null));
}

#[test]
fn a_limit_cuts_the_last_page() {
    let ran = many(1000).run(&["ls", "--limit", "203"]);
    assert!(ran.stderr.contains("there are more"), "{}", ran.stderr);
    assert_eq!(ran.good().lines().count(), 204);
    assert_eq!(many(3).run(&["ls", "--limit", "3", "-q"]).stderr, "");
}

#[test]
fn a_daemon_that_pages_in_circles_is_left() {
    let house = House::new(|_| done(&Page { items: files(), next: Some("same".into()) }));
    let ran = house.run(&["list-files"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("again and again"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let house = many(1_000_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_peerctl"))
        .arg("--socket")
        .arg(house.folder.path().join("peerd.sock"))
        .args(["list-files", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line.trim().len(), 64);
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    // It stopped asking long before the end.
    assert!(house.daemon.asked().len() < 4000);
}

#[test]
fn tables_fit_the_terminal() {
    let house = House::new(healthy);
    let wide = "\
NAME                                                  SIZE  HOLDERS  ID
a rather long name of a file that is shared.iso  700.0 MiB      2/3  08ec62d7e8fc
日本語                                                 1 B      0/3  b4c93ae12a92
";
    let narrow = "\
NAME                       SIZE  HOLDERS
a rather long name …  700.0 MiB      2/3
日本語                      1 B      0/3
";
    for (columns, expected) in [("120", wide), ("40", narrow)] {
        let listed = crate::daemon::Ran::of(house.peerctl(&["list-files"]).env("COLUMNS", columns)).good();
        assert_eq!(listed, expected);
    }
}

#[test]
fn a_file_is_written_in_full() {
    let listed = House::new(healthy).run(&["list-files"]).good();
    assert!(listed.contains("a rather long name of a file that is shared.iso"), "{listed}");
}

#[test]
fn hostile_names_are_shown_harmlessly() {
    let name = "a\u{202e}gpj.exe\u{200b}";
    let house = House::new(move |_| done(&page(vec![file(name, 1, 1)])));
    let listed = house.run(&["list-files"]).good();
    assert!(listed.contains(r"a\u{202e}gpj.exe\u{200b}"), "{listed}");
    let json = house.run(&["list-files", "--json"]).good();
    assert!(json.contains(r"a\u202egpj.exe\u200b"), "{json}");
    // A program gets the very name.
    assert!(house.run(&["list-files", "--plain"]).good().contains(name));
}

#[test]
fn a_name_with_control_characters_is_refused_as_a_whole() {
    let house = House::new(|_| {
        let mut answer = serde_json::to_value(page(files())).unwrap();
        answer["items"][0]["name"] = "\u{1b}[2J".into();
        vec![Say::Done(answer)]
    });
    let ran = house.run(&["list-files"]);
    assert_eq!(ran.status, Some(1));
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn nothing_is_told_as_nothing() {
    let house = House::new(|_| done(&page(Vec::<FileEntry>::new())));
    let ran = house.run(&["list-files", "xyz"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), ("", "no name matches\n", Some(0)));
    assert_eq!(house.run(&["list-files", "--json"]).good(), "{\"v\":1,\"items\":[],\"next\":null}\n");
}
