//! How things go wrong: every code has its exit status, its sentence and its hint, for people and for programs.

use proto::control::{Failure, FailureCode};

use crate::daemon::{House, Ran, Say, peerctl};
use crate::samples::healthy;

fn failing(failure: Failure) -> House {
    House::new(move |_| vec![Say::Fail(failure.clone())])
}

#[test]
fn every_code_has_its_exit_status() {
    for code in FailureCode::ALL {
        let house = failing(Failure::new(*code, format!("it is {code}")).hint("do this"));
        let ran = house.run(&["whoami"]);
        assert_eq!(ran.status, Some(code.exit_status().into()), "{code}");
        assert_eq!(ran.stderr, format!("peerctl: it is {code} ({code})\nhint: do this\n"));
        assert_eq!(ran.stdout, "");
        let ran = house.run(&["--json", "whoami"]);
        assert_eq!(
            ran.stderr,
            format!(r#"{{"v":1,"error":{{"code":"{code}","message":"it is {code}","hint":"do this"}}}}"#) + "\n"
        );
    }
}

#[test]
fn candidates_are_listed() {
    let names = vec!["1/report.pdf".to_owned(), "2/\u{1b}[2Jreport.pdf".to_owned()];
    let house = failing(Failure::new(FailureCode::Ambiguous, "two files").candidates(names));
    let ran = house.run(&["show-file", "report.pdf"]);
    assert_eq!(ran.status, Some(2));
    assert_eq!(ran.stderr, "peerctl: two files (ambiguous)\n  1/report.pdf\n  2/\\u{1b}[2Jreport.pdf\n");
    let ran = house.run(&["show-file", "report.pdf", "--json"]);
    assert!(ran.stderr.contains(r#""candidates":["1/report.pdf","2/\u001b[2Jreport.pdf"]"#), "{}", ran.stderr);
}

#[test]
fn messages_cannot_steer_the_terminal() {
    let house = failing(Failure::new(FailureCode::Internal, "a\u{1b}[2J\u{202e}\nb"));
    assert_eq!(house.run(&["status"]).stderr, "peerctl: a\\u{1b}[2J\\u{202e}\\nb (internal)\n");
}

#[test]
fn not_logged_in_says_how_to() {
    let ran = failing(Failure::new(FailureCode::NotLoggedIn, "nobody is logged in")).run(&["list-files"]);
    assert_eq!((ran.status, ran.stderr.contains("`peerctl login`")), (Some(4), true), "{ran:?}");
}

#[test]
fn no_socket_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Ran::of(peerctl(folder.path()).args(["--socket", "/nowhere/peerd.sock", "status"]));
    assert_eq!(ran.status, Some(5));
    assert!(
        ran.stderr.starts_with(
            "peerctl: no daemon: there is no control socket at `/nowhere/peerd.sock` (daemon-unreachable)\n"
        )
    );
    assert!(ran.stderr.contains("\nhint: start it: `peerd --name NAME"), "{}", ran.stderr);
}

#[test]
fn a_socket_left_behind() {
    let house = House::new(healthy);
    drop(house.daemon);
    let socket = house.folder.path().join("peerd.sock");
    let ran = Ran::of(peerctl(house.folder.path()).arg("--socket").arg(&socket).arg("status"));
    assert_eq!(ran.status, Some(5));
    assert!(ran.stderr.contains("nobody listens on"), "{}", ran.stderr);
}

#[test]
fn the_socket_is_found_in_the_runtime_folder_or_by_variable() {
    let house = House::new(healthy);
    let runtime = house.folder.path().join("run");
    std::fs::create_dir_all(runtime.join("enjambre")).unwrap();
    let socket = house.folder.path().join("peerd.sock");
    std::os::unix::fs::symlink(&socket, runtime.join("enjambre/peerd.sock")).unwrap();
    Ran::of(peerctl(house.folder.path()).env("XDG_RUNTIME_DIR", &runtime).arg("whoami")).good();
    Ran::of(peerctl(house.folder.path()).env("PEERCTL_SOCKET", &socket).arg("whoami")).good();
}

#[test]
fn answers_that_make_no_sense() {
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "x".repeat(1 << 20));
    for (line, why) in [
        ("{", "is not understood"),
        ("", "is not understood"),
        (r#"{"jsonrpc":"2.0","id":1,"result":{"user":7}}"#, "is not understood"),
        (r#"{"jsonrpc":"2.0","id":99,"result":{}}"#, "answers another question"),
        (long.as_str(), "longer than 1 MiB"),
    ] {
        let line = line.to_owned();
        let ran = House::new(move |_| vec![Say::Raw(line.clone())]).run(&["whoami"]);
        assert_eq!(ran.status, Some(1), "{why}: {ran:?}");
        assert!(ran.stderr.contains(why) && ran.stderr.contains("hint: "), "{ran:?}");
    }
}

#[test]
fn a_daemon_that_hangs_up() {
    let ran = House::new(|_| vec![Say::Close]).run(&["status"]);
    assert_eq!(ran.status, Some(5));
    assert!(ran.stderr.contains("closed the connection without an answer"), "{}", ran.stderr);
}

#[test]
fn a_daemon_that_stalls_meets_the_deadline() {
    let house = House::new(|_| vec![Say::Stall]);
    let ran = house.run(&["status", "--timeout", "200ms"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(8), "peerctl: not done within 200ms (timed-out)\n"));
    assert_eq!(house.run(&["--json", "--timeout", "0.1", "list-files"]).status, Some(8));
}

#[test]
fn usage() {
    let house = House::new(healthy);
    for (args, what) in [
        (&["downlaod", "x"][..], "download"),
        (&["download"], "<FILE>..."),
        (&["status", "--jsn"], "--json"),
        (&["status", "--json", "--plain"], "cannot be used with"),
        (&["list-files", "--limit", "0"], "0 is not in"),
        (&["list-files", "--peer", "1", "--mine"], "cannot be used with"),
        (&["cancel", "x"], "is not a transfer id"),
        (&["--timeout", "soon", "status"], "10s, 500ms or 2m"),
        (&["-c", "status", "status"], "-c LINE"),
        (&["-c", "download 'x"], "quote"),
        (&["upload", "a", "b", "--name", "c"], "--name goes with one file"),
        (&["help", "flying"], "no help about"),
    ] {
        let ran = house.run(args);
        assert_eq!(ran.status, Some(2), "{args:?}");
        assert!(ran.stderr.contains(what), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    assert_eq!(house.daemon.asked().len(), 0);
    let ran = house.run(&["downlaod", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], "usage");
    assert_eq!(error["error"]["hint"], "did you mean `download`?");
}

#[test]
fn a_full_disk_behind_standard_output() {
    let house = House::new(healthy);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_peerctl"));
    command.arg("--socket").arg(house.folder.path().join("peerd.sock")).arg("list-files").stdout(full);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no space left"), "{output:?}");
}
