//! `upload` and `unshare` of many things.

use std::path::PathBuf;

use proto::control::{Failure, FailureCode, Request};

use crate::daemon::{House, Say};
use crate::samples::healthy;

/// A daemon that refuses what has `bad` in its name.
fn choosy() -> House {
    House::new(|request| match request {
        Request::Upload(upload) if upload.path.to_string_lossy().contains("bad") => {
            vec![Say::Fail(Failure::new(FailureCode::Io, format!("cannot read {}", upload.path.display())))]
        }
        Request::Unshare(unshare) if unshare.file == "bad" => {
            vec![Say::Fail(Failure::new(FailureCode::NotFound, "no share is called `bad`"))]
        }
        other => healthy(other),
    })
}

fn paths(house: &House) -> Vec<PathBuf> {
    let path = |asked: Request| match asked {
        Request::Upload(upload) => Some(upload.path),
        _ => None,
    };
    house.daemon.asked().into_iter().filter_map(path).collect()
}

#[test]
fn folders_are_walked() {
    let house = choosy();
    let at = |name: &str| house.folder.path().join("data").join(name);
    std::fs::create_dir_all(at("deep")).unwrap();
    for name in ["b", "a", "-rf", "deep/c d"] {
        std::fs::write(at(name), "").unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
    let ran = house.run(&["upload", "data"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("is a folder (usage)\nhint: --recursive"), "{}", ran.stderr);
    let ran = house.run(&["upload", "--recursive", "data", "-q"]);
    assert!(ran.stderr.contains("link`: it is a symbolic link"), "{}", ran.stderr);
    assert_eq!(ran.good().lines().count(), 4);
    let mut asked = paths(&house);
    asked.sort_unstable();
    assert_eq!(asked, [at("-rf"), at("a"), at("b"), at("deep/c d")]);
}

#[test]
fn lines_come_in_the_order_of_the_arguments() {
    let house = choosy();
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let args: Vec<&str> = ["upload", "--plain"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let written = house.run(&args).good();
    let listed: Vec<&str> = written.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(listed, names);
}

#[test]
fn failures_are_told_at_the_end_and_the_rest_is_done() {
    let house = choosy();
    let ran = house.run(&["upload", "a", "bad1", "b", "bad2"]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (Some(1), 2), "{ran:?}");
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("peerctl: cannot read")).count(), 2);
    let ran = house.run(&["unshare", "bad", "a"]);
    assert_eq!((ran.status, ran.stdout.lines().count()), (Some(3), 1), "{ran:?}");
}

#[test]
fn another_name() {
    let house = choosy();
    let written = house.run(&["add", "a", "--name", "nightly.img"]).good();
    assert!(written.starts_with("shared nightly.img  1000 B  "), "{written}");
    assert_eq!(house.run(&["add", "a", "--name", "../x"]).status, Some(2));
}

#[test]
fn a_daemon_that_dies_ends_it() {
    let house = House::new(|_| vec![Say::Close]);
    let ran = house.run(&["upload", "a", "b", "c", "d", "e", "f"]);
    assert_eq!(ran.status, Some(5));
    assert_eq!(ran.stderr.matches("peerctl:").count(), 1, "{}", ran.stderr);
}
