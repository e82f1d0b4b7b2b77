//! `connect`: the prompt says where one is, and list and download speak through it; and the menu, which does the same by
//! digits.

use std::sync::Mutex;

use proto::control::{Failure, FailureCode, Request};

use crate::daemon::{House, Ran, Say, done};
use crate::samples::{healthy, key, logged_out, status};
use crate::terminal::Terminal;

/// Everything that was asked about files, as text.
fn asked(house: &House) -> Vec<String> {
    let told = |asked: Request| match asked {
        Request::ListFiles(list) => {
            Some(format!("list via={} own={} peer={:?}", list.via.is_some(), list.own, list.peer))
        }
        Request::Download(get) => Some(format!("get {} via={} from={:?}", get.file, get.via.is_some(), get.from)),
        Request::ShowPeer(show) => Some(format!("peer {}", show.peer)),
        Request::ListPeers(_) => Some("peers".to_owned()),
        Request::Upload(upload) => Some(format!("upload {}", upload.path.file_name().unwrap().display())),
        Request::Login(login) => Some(format!("login {}", login.user)),
        _ => None,
    };
    house.daemon.asked().into_iter().filter_map(told).collect()
}

#[test]
fn the_prompt_says_where() {
    let house = House::new(healthy);
    let mut terminal = Terminal::start(&house, 100, "");
    terminal.expect("1@directory> ");
    terminal.enter("connect peer 1");
    terminal.expect("list and download speak through peer peer-1");
    terminal.expect("1@peer peer-1> ");
    terminal.enter("ls");
    terminal.expect("700.0 MiB");
    terminal.expect("1@peer peer-1> ");
    terminal.enter("connect directory");
    terminal.expect("1@directory> ");
    terminal.enter("exit");
    terminal.ended();
    assert_eq!(asked(&house), ["peer 1", "list via=true own=true peer=None", "list via=true own=false peer=None"]);
    let Some(Request::ListFiles(list)) =
        house.daemon.asked().into_iter().find(|asked| matches!(asked, Request::ListFiles(_)))
    else {
        panic!()
    };
    assert_eq!(list.via, Some(proto::ids::PeerId::of(&key()).to_string()), "an id, for names may be given twice");
}

#[test]
fn list_and_download_speak_through_it() {
    let house = House::new(healthy);
    let script = "connect peer 2\nlist-files --own\nlist-files --mine\nlist-files --peer 3\ndownload a\n\
                  connect directory\nlist-files --own --via 2\ndownload a\n";
    Ran::of(house.peerctl(&[]).write_stdin(script)).good();
    assert_eq!(
        asked(&house),
        [
            "peer 2",
            "list via=true own=true peer=None",
            "list via=true own=true peer=None",
            "list via=false own=false peer=None",
            "list via=false own=false peer=Some(\"3\")",
            "get a via=true from=[]",
            "list via=true own=true peer=None",
            "get a via=false from=[]",
        ]
    );
}

#[test]
fn a_peer_that_cannot_be_reached_is_no_place() {
    let house = House::new(|request| match request {
        Request::ListFiles(_) => vec![Say::Fail(Failure::new(FailureCode::TransferFailed, "peer 2 cannot be reached"))],
        other => healthy(other),
    });
    let mut terminal = Terminal::start(&house, 100, "");
    terminal.expect("1@directory> ");
    terminal.enter("connect peer 2");
    terminal.expect("cannot be reached");
    terminal.expect("1@directory> ");
}

#[test]
fn connect_and_own_need_something_to_hold_to() {
    let house = House::new(healthy);
    let ran = house.run(&["connect", "peer", "2"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("list-files --via PEER"), "{}", ran.stderr);
    let ran = house.run(&["list-files", "--own"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("list-files --own --via PEER"), "{}", ran.stderr);
}

#[test]
fn the_menu_by_bare_digits() {
    let out = Mutex::new(true);
    let house = House::new(move |request| match request {
        Request::GetStatus(_) if *out.lock().unwrap() => done(&logged_out()),
        Request::GetStatus(_) => done(&status()),
        Request::Login(_) => {
            *out.lock().unwrap() = false;
            healthy(request)
        }
        other => healthy(other),
    });
    let mut terminal = Terminal::start(&house, 100, "menu");
    terminal.expect("Log in as: ");
    terminal.enter("1");
    terminal.expect("Password of 1: ");
    terminal.enter("secret");
    terminal.expect("logged in as 1");
    // To the directory: upload, peers, files, files of a peer in both ways, download in both ways.
    for (asked, digits) in [
        ("Digit: ", "1"),
        ("Connected to the directory", ""),
        ("Digit: ", "9"),
        ("`9` is none of 1 to 8", ""),
        ("Digit: ", "1"),
        ("Path of the file: ", "data.tar"),
        ("shared data.tar", ""),
        ("Digit: ", "2"),
        ("Digit: ", "3"),
        ("Digit: ", "4"),
        ("Which peer? ", "2"),
        ("Digit: ", "1"),
        ("Digit: ", "4"),
        ("Which peer? ", "2"),
        ("Digit: ", "2"),
        ("Digit: ", "5"),
        ("Name or id of the file: ", "a"),
        ("Digit: ", "1"),
        ("saved /downloads/a", ""),
        ("Digit: ", "5"),
        ("Name or id of the file: ", "a"),
        ("Digit: ", "2"),
        ("Which peer? ", "2"),
        ("saved /downloads/a", ""),
        // Another connection: a peer.
        ("Digit: ", "7"),
        ("Digit: ", "2"),
        ("Which peer? ", "2"),
        ("Connected to peer peer-1", ""),
        ("Digit: ", "3"),
        ("Digit: ", "8"),
    ] {
        terminal.expect(asked);
        if !digits.is_empty() {
            terminal.enter(digits);
        }
    }
    let (_, status) = terminal.ended();
    assert_eq!(status, 0);
    assert_eq!(
        asked(&house),
        [
            "login 1",
            "upload data.tar",
            "peers",
            "list via=false own=false peer=None",
            "list via=true own=true peer=None",
            "list via=true own=false peer=None",
            "get a via=false from=[]",
            "get a via=false from=[\"2\"]",
            "peers",
            "peer 2",
            "list via=true own=true peer=None",
            "list via=true own=false peer=None",
        ]
    );
}

#[test]
fn the_menu_takes_its_digits_from_a_pipe_too() {
    let house = House::new(healthy);
    let ran = Ran::of(house.peerctl(&["menu"]).write_stdin("1\n2\n8\n"));
    assert_eq!((ran.status, asked(&house)), (Some(0), vec!["peers".to_owned()]), "{ran:?}");
    assert!(ran.stdout.contains("peer-1"), "{ran:?}");
    // The end of the input is the end of the menu.
    assert_eq!(Ran::of(house.peerctl(&["menu"]).write_stdin("1\n")).status, Some(0));
    // In a script its digits would be commands.
    let ran = Ran::of(house.peerctl(&[]).write_stdin("menu\n"));
    assert_eq!(ran.status, Some(2), "{ran:?}");
}

#[test]
fn an_interrupt_in_the_menu_ends_the_command_then_the_menu() {
    let house = House::new(|request| match request {
        Request::Wait(_) => vec![Say::Stall],
        other => healthy(other),
    });
    let mut terminal = Terminal::start(&house, 100, "");
    terminal.expect("1@directory> ");
    for (asked, typed) in [("", "menu"), ("Digit: ", "1"), ("Digit: ", "5"), ("the file: ", "a"), ("Digit: ", "1")] {
        terminal.expect(asked);
        terminal.enter(typed);
    }
    house.daemon.wait_for(|asked| matches!(asked, Request::Wait(_)));
    terminal.interrupt();
    terminal.expect("the daemon goes on with it");
    terminal.expect("Digit: ");
    terminal.interrupt();
    terminal.expect("1@directory> ");
}
