//! `download`: how it ends, and how it goes on alone.

use std::io::Read;
use std::process::{Command, Stdio};

use proto::control::{Failure, FailureCode, Progress, Request, Transfer, TransferState, Transfers};

use crate::daemon::{House, Say, done};
use crate::samples::{healthy, started, transfer};

/// A daemon whose transfers end in some way.
fn ending(end: impl Fn(u64) -> Transfer + Send + Sync + 'static) -> House {
    House::new(move |request| match request {
        Request::Download(download) => {
            let number = if download.file == "second" { 2 } else { 1 };
            done(&started(number, &download.file))
        }
        Request::Wait(wait) => done(&end(wait.transfer_id.0)),
        other => healthy(other),
    })
}

#[test]
fn a_failed_one_ends_with_its_code() {
    for (failure, status) in [
        (Some(FailureCode::VerificationFailed), 6),
        (Some(FailureCode::OutOfSpace), 1),
        (Some(FailureCode::Conflict), 7),
        (None, 6),
    ] {
        let house = ending(move |number| Transfer {
            failure,
            reason: Some("peer-2 sent a wrong piece".into()),
            ..transfer(number, "a", TransferState::Failed)
        });
        let ran = house.run(&["download", "a"]);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(status), ""));
        assert!(
            ran.stderr.starts_with("peerctl: download of `a` failed: peer-2 sent a wrong piece ("),
            "{}",
            ran.stderr
        );
        let ran = house.run(&["download", "a", "--json"]);
        assert!(ran.stderr.starts_with(r#"{"v":1,"error":{"code":"#), "{}", ran.stderr);
    }
    let house = ending(|number| transfer(number, "a", TransferState::Cancelled));
    assert_eq!(house.run(&["download", "a"]).status, Some(130));
}

#[test]
fn a_file_that_nobody_had_to_send() {
    let house = ending(|number| Transfer { sources: Vec::new(), ..transfer(number, "a", TransferState::Done) });
    assert!(house.run(&["download", "a"]).good().contains(" from what this peer had, verified"));
}

#[test]
fn what_has_ended_is_not_cancelled() {
    let house = House::new(|request| match request {
        Request::Cancel(asked) => done(&transfer(asked.transfer_id.0, "a", TransferState::Done)),
        other => healthy(other),
    });
    let ran = house.run(&["cancel", "7"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(7), ""));
    assert!(ran.stderr.contains("transfer 7 has ended: it is done"), "{}", ran.stderr);
}

#[test]
fn several_at_once() {
    let house = ending(|number| match number {
        1 => transfer(1, "first", TransferState::Failed),
        _ => transfer(2, "second", TransferState::Done),
    });
    let ran = house.run(&["download", "first", "second", "--json"]);
    assert_eq!((ran.status, ran.stdout.lines().count(), ran.stderr.lines().count()), (Some(6), 1, 1), "{ran:?}");
    let ran = house.run(&["download", "first", "second", "-o", "nowhere"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("is no folder"), "{}", ran.stderr);
}

#[test]
fn what_was_asked_reaches_the_daemon() {
    let house = ending(|number| transfer(number, "a", TransferState::Done));
    house.run(&["get", "--from", "1,2", "--from", "3", "--force", "-o", "x/y", "--", "-odd"]).good();
    let Request::Download(asked) = &house.daemon.asked()[0] else { panic!() };
    assert_eq!((asked.file.as_str(), asked.force), ("-odd", true));
    assert_eq!(asked.from, ["1", "2", "3"]);
    assert_eq!(asked.output.as_deref(), Some(house.folder.path().join("x/y").as_path()));
}

#[test]
fn detached_it_is_not_waited_for() {
    let house = ending(|_| panic!("nobody waits"));
    let written = house.run(&["download", "a", "--detach"]).good();
    assert_eq!(written, "transfer 1 fetches a to /downloads/a\n");
}

#[test]
fn waiting_joins_the_one_that_is_there() {
    let house = House::new(|request| match request {
        Request::ListTransfers(_) => {
            done(&Transfers { items: vec![transfer(9, "a", TransferState::Done)], next: None })
        }
        Request::Download(_) => vec![Say::Fail(Failure::new(FailureCode::Conflict, "it is there already"))],
        other => healthy(other),
    });
    assert!(house.run(&["download", "--wait", "a"]).good().starts_with("saved "));
    assert_eq!(house.run(&["download", "--wait", "b"]).status, Some(7));
    assert_eq!(house.run(&["download", "a"]).status, Some(7));
}

#[test]
fn what_holds_it_up_is_told_once() {
    let stalled = || Transfer { reason: Some("no holders".into()), ..transfer(1, "a", TransferState::Stalled) };
    let house = House::new(move |request| match request {
        Request::Wait(_) => {
            let mut said: Vec<Say> = (0..3).map(|_| Say::Progress(Progress::Transfer(stalled()))).collect();
            said.extend(done(&transfer(1, "a", TransferState::Done)));
            said
        }
        other => healthy(other),
    });
    let ran = house.run(&["download", "a"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), "a: stalled: no holders\n"));
}

#[test]
fn a_deadline_leaves_it_running() {
    let house = House::new(|request| match request {
        Request::Wait(_) => vec![Say::Stall],
        other => healthy(other),
    });
    let ran = house.run(&["download", "it's a", "--timeout", "200ms"]);
    assert_eq!(ran.status, Some(8));
    assert!(ran.stderr.contains("`peerctl download --wait \"it's a\"` follows it"), "{}", ran.stderr);
}

#[test]
fn an_interrupt_leaves_it_running() {
    let house = House::new(|request| match request {
        Request::Wait(_) => vec![Say::Stall],
        other => healthy(other),
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_peerctl"))
        .arg("--socket")
        .arg(house.folder.path().join("peerd.sock"))
        .args(["download", "a"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    house.daemon.wait_for(|asked| matches!(asked, Request::Wait(_)));
    let status = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        said.contains(
            "peerctl: interrupted (cancelled)\nhint: the daemon goes on with it: `peerctl download --wait a`"
        ),
        "{said}"
    );
    assert!(!house.daemon.asked().iter().any(|asked| matches!(asked, Request::Cancel(_))));
}
