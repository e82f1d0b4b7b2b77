//! The session in a real terminal.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use proto::control::{Completable, Completions, Failure, FailureCode, Progress, Request, TransferState};

use crate::daemon::{Daemon, House, Say, done};
use crate::samples::{healthy, logged_out, transfer, words};
use crate::terminal::Terminal;

fn session(house: &House) -> Terminal {
    let mut terminal = Terminal::start(house, 80, "");
    terminal.expect("1@directory> ");
    terminal
}

#[test]
fn commands_and_the_ways_out() {
    let house = House::new(healthy);
    let mut terminal = session(&house);
    terminal.enter("whoami -q");
    terminal.expect("1\r\n");
    terminal.expect("1@directory> ");
    terminal.enter("fly");
    terminal.expect("unrecognized subcommand");
    terminal.expect("1@directory> ");
    terminal.enter("help");
    terminal.expect("Examples:");
    terminal.expect("1@directory> ");
    terminal.enter("exit");
    assert_eq!(terminal.ended().1, 0);
    let mut terminal = session(&house);
    terminal.end_of_input();
    assert_eq!(terminal.ended().1, 0);
}

#[test]
fn the_prompt_says_who_is_there() {
    let out = Mutex::new(true);
    let house = House::new(move |request| match request {
        Request::GetStatus(_) if *out.lock().unwrap() => done(&logged_out()),
        Request::Login(login) if login.password.expose() == "right horse" => {
            *out.lock().unwrap() = false;
            healthy(request)
        }
        Request::Login(_) => {
            vec![Say::Fail(Failure::new(FailureCode::BadCredentials, "user name or password is wrong"))]
        }
        other => healthy(other),
    });
    let mut terminal = Terminal::start(&house, 80, "");
    terminal.expect("Nobody is logged in");
    terminal.expect("peerctl> ");
    terminal.enter("login");
    terminal.expect("User: ");
    terminal.interrupt();
    terminal.expect("interrupted");
    terminal.expect("peerctl> ");
    terminal.enter("login");
    terminal.expect("User: ");
    terminal.enter("1");
    terminal.expect("Password of 1: ");
    terminal.enter("wrong");
    terminal.expect("password is wrong");
    terminal.expect("peerctl> ");
    terminal.enter("login 1");
    terminal.expect("Password of 1: ");
    terminal.interrupt();
    terminal.expect("interrupted");
    terminal.expect("peerctl> ");
    terminal.enter("login 1");
    terminal.expect("Password of 1: ");
    terminal.enter("right horse");
    let echoed = terminal.expect("logged in as 1");
    assert!(!echoed.contains("horse"), "{echoed}");
    terminal.expect("1@directory> ");
    terminal.enter("exit");
    terminal.ended();
    let history = std::fs::read_to_string(house.folder.path().join(".local/state/enjambre/peerctl_history")).unwrap();
    assert!(history.contains("login 1") && !history.contains("horse") && !history.contains("wrong"), "{history}");
}

#[test]
fn words_are_completed() {
    let house = House::new(|request| match request {
        Request::Complete(asked) if asked.kind == Completable::File => done(&words(&["another", "my file.iso"])),
        Request::Complete(_) => done(&words(&["peer-1"])),
        other => healthy(other),
    });
    let mut terminal = session(&house);
    terminal.type_in("downl\t");
    terminal.expect("download ");
    terminal.type_in("my\t");
    terminal.expect("my\\ file.iso ");
    terminal.type_in("--from \t");
    terminal.expect("peer-1 ");
    terminal.type_in("--det\t");
    terminal.expect("--detach ");
    terminal.enter("");
    terminal.expect("transfer 7 fetches my file.iso");
    terminal.expect("1@directory> ");
    std::fs::write(house.folder.path().join("local file"), "").unwrap();
    terminal.type_in("upload loc\t");
    terminal.expect("local\\ file");
    terminal.enter("");
    terminal.expect("shared local file");
}

#[test]
fn history_lasts_and_is_private() {
    let house = House::new(healthy);
    let mut terminal = session(&house);
    terminal.enter("whoami --plain");
    terminal.expect("role\tuser");
    terminal.expect("1@directory> ");
    // Even a session that is killed has its history.
    drop(terminal);
    let file = house.folder.path().join(".local/state/enjambre/peerctl_history");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut terminal = session(&house);
    terminal.type_in("\u{1b}[A");
    terminal.expect("whoami --plain");
    terminal.enter("");
    terminal.expect("role\tuser");
}

#[test]
fn an_interrupt_ends_the_command_and_not_the_session() {
    let house = House::new(|request| match request {
        Request::Wait(_) => vec![Say::Stall],
        other => healthy(other),
    });
    let mut terminal = session(&house);
    terminal.type_in("half a line");
    terminal.interrupt();
    terminal.expect("1@directory> ");
    terminal.enter("download a");
    house.daemon.wait_for(|asked| matches!(asked, Request::Wait(_)));
    terminal.interrupt();
    terminal.expect("the daemon goes on with it");
    terminal.expect("1@directory> ");
    terminal.enter("whoami -q");
    terminal.expect("1\r\n");
}

#[test]
fn the_daemon_goes_and_comes_back() {
    let house = House::new(healthy);
    let mut terminal = session(&house);
    terminal.enter("whoami -q");
    terminal.expect("1\r\n");
    terminal.expect("1@directory> ");
    let House { folder, daemon } = house;
    drop(daemon);
    terminal.enter("whoami -q");
    terminal.expect("nobody listens on");
    terminal.expect("peerctl> ");
    let _daemon = Daemon::at(&folder.path().join("peerd.sock"), healthy);
    terminal.enter("whoami -q");
    terminal.expect("1\r\n");
    terminal.expect("1@directory> ");
}

#[test]
fn a_block_is_pasted() {
    let house = House::new(healthy);
    let mut terminal = session(&house);
    let block: Vec<String> = (0..20).map(|number| format!("show-file f{number}")).collect();
    terminal.type_in(&format!("\u{1b}[200~{}\u{1b}[201~", block.join("\n")));
    terminal.expect("show-file f19");
    terminal.enter("");
    terminal.expect("> show-file f19");
    terminal.expect("1@directory> ");
    let asked: Vec<String> = house
        .daemon
        .asked()
        .into_iter()
        .filter_map(|asked| match asked {
            Request::ShowFile(show) => Some(show.file),
            _ => None,
        })
        .collect();
    assert_eq!(asked, (0..20).map(|number| format!("f{number}")).collect::<Vec<_>>());
}

#[test]
fn a_session_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::in_home(folder.path(), &folder.path().join("peerd.sock"), 80, "");
    terminal.expect("no daemon: there is no control socket at");
    terminal.expect("peerctl> ");
    terminal.enter("exit");
    assert_eq!(terminal.ended().1, 0);
}

#[test]
fn tables_are_as_wide_as_the_terminal() {
    let house = House::new(healthy);
    for columns in [40, 120] {
        let (text, status) = Terminal::start(&house, columns, "list-files --no-color").ended();
        assert_eq!(status, 0);
        assert!(text.contains("700.0 MiB"), "{text}");
        assert_eq!(text.contains("a rather long name of a file that is shared.iso"), columns == 120, "{text}");
    }
}

#[test]
fn colours_on_a_terminal_unless_refused() {
    let house = House::new(healthy);
    assert!(Terminal::start(&house, 80, "list-peers").ended().0.contains("\u{1b}[32mup"));
    assert!(!Terminal::start(&house, 80, "list-peers --no-color").ended().0.contains('\u{1b}'));
}

#[test]
fn bars_move_on_a_terminal_only() {
    let house = House::new(|request| match request {
        Request::Wait(_) => {
            let step = Progress::Transfer(transfer(7, "a", TransferState::Running));
            let mut said = vec![Say::Progress(step)];
            said.extend(done(&transfer(7, "a", TransferState::Done)));
            said
        }
        other => healthy(other),
    });
    let (text, status) = Terminal::start(&house, 80, "download a").ended();
    assert_eq!(status, 0);
    assert!(text.contains("25%") && text.contains("saved /downloads/a"), "{text}");
    let (text, _) = Terminal::start(&house, 80, "download a -q").ended();
    assert!(!text.contains("25%"), "{text}");
    assert_eq!(house.run(&["download", "a"]).stderr, "");
}

#[test]
fn a_terminal_that_is_resized_under_a_bar() {
    let (go, gone) = std::sync::mpsc::sync_channel(1);
    let gone = Mutex::new(Some(gone));
    let house = House::new(move |request| match request {
        Request::Wait(_) => {
            let step = |bytes| {
                let moving = transfer(7, "a rather long name that does not fit", TransferState::Running);
                let bytes = proto::ids::ByteCount::new(bytes);
                Say::Progress(Progress::Transfer(proto::control::Transfer { bytes, ..moving }))
            };
            vec![step(250), Say::Until(gone.lock().unwrap().take().unwrap()), step(500), Say::Stall]
        }
        other => healthy(other),
    });
    let mut terminal = Terminal::start(&house, 100, "download a");
    terminal.expect("25% of ");
    terminal.resize(40);
    go.send(()).unwrap();
    terminal.expect("50%");
    terminal.interrupt();
    // In lines of the forty columns that there are now.
    let warned = terminal.expect("it up");
    let note = warned.split("still fetching").nth(1).unwrap();
    assert!(note.contains("Ctrl-C again leaves it\r\nto the daemon; `peerctl cancel 7` gives\r\n"), "{note:?}");
    terminal.interrupt();
    let (rest, status) = terminal.ended();
    assert_eq!(status, 130);
    assert!(rest.contains("the daemon goes on with it"), "{rest}");
}

#[test]
fn names_that_are_too_many_are_completed_to_what_all_share() {
    let house = House::new(|request| match request {
        Request::Complete(asked) if asked.start == "pa" => {
            let first = (0..98).map(|n| format!("part-of-it-{n:05}"));
            // Only the last one differs from the rest before the digits: without it they would be completed too far.
            let names: Vec<String> = first.chain(["part-z".to_owned()]).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            done(&Completions { more: true, ..words(&names) })
        }
        Request::Complete(asked) => done(&words(&[&format!("{}z", asked.start)])),
        other => healthy(other),
    });
    let mut terminal = session(&house);
    terminal.type_in("show-file pa\t");
    terminal.expect("rt-");
    terminal.type_in("\t");
    terminal.expect("part-of-it-00097");
    // That there are others is said, and a longer beginning is asked for anew.
    terminal.expect("…");
    terminal.expect("part-z");
    terminal.type_in("q\t");
    terminal.expect("part-qz ");
    terminal.enter("");
    house.daemon.wait_for(|asked| matches!(asked, Request::ShowFile(show) if show.file == "part-qz"));
}
