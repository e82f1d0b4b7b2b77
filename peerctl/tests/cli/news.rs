//! What a session is told while nobody types: above the prompt, and nothing that the user knows already.

use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};

use proto::control::{DirectoryState, DirectoryStatus, News, Progress, Request, Transfer, TransferState};
use proto::ids::PeerId;

use crate::daemon::{Daemon, House, Say};
use crate::samples::{healthy, key, status, transfer};
use crate::terminal::Terminal;

/// A daemon that tells some news, one for each word of the test.
fn telling(news: Vec<News>) -> (House, SyncSender<()>) {
    let (go, gone) = sync_channel(1);
    let told = Mutex::new(Some((news, gone)));
    let house = House::new(move |request| {
        let untold = matches!(request, Request::Subscribe(_)).then(|| told.lock().unwrap().take()).flatten();
        let Some((news, gone)) = untold else { return healthy(request) };
        let mut said = vec![Say::Progress(Progress::News(News::Listening {})), Say::Until(gone)];
        said.extend(news.into_iter().map(|news| Say::Progress(Progress::News(news))));
        said.push(Say::Stall);
        said
    });
    (house, go)
}

fn session(house: &House) -> Terminal {
    let mut terminal = Terminal::start(house, 100, "");
    terminal.expect("1@directory> ");
    terminal
}

fn directory(state: DirectoryState, problem: Option<&str>) -> News {
    News::Directory(DirectoryStatus { state, problem: problem.map(str::to_owned), ..status().directory })
}

#[test]
fn they_come_above_the_prompt_and_what_is_typed_stays() {
    let failed = Transfer { reason: Some("no holder is left".into()), ..transfer(9, "b", TransferState::Failed) };
    let peer = |name: &str| (PeerId::of(&key()), name.parse().unwrap());
    let ((peer_id, two), (_, three)) = (peer("2"), peer("3"));
    let (house, go) = telling(vec![
        News::Ended(transfer(8, "a", TransferState::Done)),
        News::Ended(failed),
        News::PeerDown { peer_id, peer: two },
        News::PeerUp { peer_id, peer: three },
        directory(DirectoryState::Unreachable, Some("connection refused")),
        directory(DirectoryState::Connected, None),
    ]);
    let mut terminal = session(&house);
    terminal.type_in("who");
    terminal.expect("who");
    go.send(()).unwrap();
    for line in [
        "* saved /downloads/a  1000 B in 0.50 s",
        "* download of `b` failed: no holder is left",
        "* peer 2 is down",
        "* peer 3 is up",
        "* the directory does not answer: connection refused",
        "* the directory answers again",
    ] {
        terminal.expect(line);
    }
    terminal.expect("1@directory> ");
    terminal.type_in("ami -q\r");
    terminal.expect("1\r\n");
    terminal.expect("1@directory> ");
}

#[test]
fn what_the_user_has_waited_for_is_no_news() {
    let ended = |number, name| News::Ended(transfer(number, name, TransferState::Done));
    let (house, go) = telling(vec![
        ended(7, "a"),
        News::Ended(transfer(5, "c", TransferState::Cancelled)),
        directory(DirectoryState::Connected, None),
        directory(DirectoryState::LoggedOut, None),
        ended(8, "z"),
    ]);
    let mut terminal = session(&house);
    terminal.enter("download a");
    terminal.expect("saved /downloads/a");
    terminal.expect("1@directory> ");
    terminal.enter("cancel 5");
    terminal.expect("cancelled 5");
    terminal.expect("1@directory> ");
    go.send(()).unwrap();
    let before = terminal.expect("* saved /downloads/z");
    assert!(!before.contains('*'), "{before}");
}

#[test]
fn they_cannot_steer_the_terminal() {
    let hostile = Transfer {
        name: "a\u{202e}gpj.exe".parse().unwrap(),
        path: "/x/\u{1b}[2Ja".into(),
        ..transfer(8, "a", TransferState::Done)
    };
    let (house, go) =
        telling(vec![News::Ended(hostile), directory(DirectoryState::Unreachable, Some("\u{1b}[2J\u{7}nothing"))]);
    let mut terminal = session(&house);
    go.send(()).unwrap();
    let before = terminal.expect("nothing");
    assert!(before.contains(r"/x/\u{1b}[2Ja") && !before.contains("\u{1b}[2J"), "{before:?}");
}

#[test]
fn a_daemon_that_goes_and_comes_back_is_told() {
    let house = House::new(healthy);
    let mut terminal = session(&house);
    house.daemon.wait_for(|asked| matches!(asked, Request::Subscribe(_)));
    terminal.type_in("who");
    let House { folder, daemon } = house;
    drop(daemon);
    terminal.expect("* the daemon has gone");
    let _daemon = Daemon::at(&folder.path().join("peerd.sock"), healthy);
    terminal.expect("* the daemon is back");
    terminal.type_in("ami -q\r");
    terminal.expect("1\r\n");
    terminal.expect("1@directory> ");
}
