//! Lines from a pipe, and `-c`.

use proto::control::{Failure, FailureCode, Request};

use crate::daemon::{House, Ran, Say};
use crate::samples::healthy;

fn script(house: &House, lines: &str) -> Ran {
    Ran::of(house.peerctl(&[]).write_stdin(lines))
}

#[test]
fn lines_run_in_their_order() {
    let house = House::new(healthy);
    let written = script(&house, "# a comment\n\nwhoami -q\n  upload 'a b' -q # two words\nexit\nstatus\n").good();
    assert_eq!(written.lines().count(), 2);
    // As hints write it.
    assert_eq!(house.run(&["-c", "peerctl whoami -q"]).good(), "1\n");
    assert!(matches!(&house.daemon.asked()[..], [Request::WhoAmI(_), Request::Upload(upload), Request::WhoAmI(_)]
        if upload.path.ends_with("a b")));
}

#[test]
fn the_first_failure_stops_it() {
    let house = House::new(|request| match request {
        Request::ShowFile(_) => vec![Say::Fail(Failure::new(FailureCode::NotFound, "no such file"))],
        other => healthy(other),
    });
    let ran = script(&house, "whoami\nshow-file x\nwhoami\n");
    assert_eq!(ran.status, Some(3));
    assert!(ran.stderr.ends_with("peerctl: stopped at line 2 of standard input\n"), "{}", ran.stderr);
    assert_eq!(house.daemon.asked().len(), 2);
    for (lines, status) in [("fly\n", 2), ("whoami 'x\n", 2), ("help\n", 0), ("", 0), ("status --help\n", 0)] {
        assert_eq!(script(&house, lines).status, Some(status), "{lines}");
    }
}

#[test]
fn flags_of_the_program_hold_for_each_line() {
    let house = House::new(healthy);
    let ran = Ran::of(house.peerctl(&["--json"]).write_stdin("whoami\nwhoami --plain\n"));
    let written = ran.good();
    assert!(written.starts_with("{\"v\":1,") && written.contains("\nuser\t1\n"), "{written}");
}

#[test]
fn the_script_holds_no_password() {
    let ran = script(&House::new(healthy), "login 1 --password-file -\nsecret\n");
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("standard input is where the commands come from"), "{}", ran.stderr);
}

#[test]
fn one_line() {
    let house = House::new(healthy);
    house.run(&["-c", "upload 'a b'"]).good();
    assert!(matches!(&house.daemon.asked()[..], [Request::Upload(upload)] if upload.path.ends_with("a b")));
    assert_eq!(house.run(&["-c", "fly"]).status, Some(2));
    assert_eq!(house.run(&["-c", "exit"]).status, Some(0));
}

#[test]
fn a_line_that_is_not_text() {
    let house = House::new(healthy);
    let mut command = house.peerctl(&[]);
    command.write_stdin(&b"whoami\n\xff\n"[..]);
    assert_eq!(Ran::of(&mut command).status, Some(1));
}
