//! Files without content, as in the course project: announced by name and URL, pretended to be fetched, held by whoever did.

use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Expect, Regex, Session};
use serde_json::Value;

use crate::proxy::Proxy;
use crate::supervision::{crash, restarts};
use crate::world::{Peer, World, content, eventually, program, write};

const FILM: &str = "film.mkv";
const URL: &str = "https://example.org/film.mkv";

fn listed(peer: &Peer) -> Value {
    peer.ask(["list-files"])["items"][0].clone()
}

#[test]
fn the_original_scenario_as_one_shots() {
    let world = World::new();
    let gate = world.address(9, 5001);
    let mut one = world.peer_with("1", &["--advertise", &gate.to_string()]);
    let (two, three) = (world.peer("2"), world.peer("3"));
    let proxy = Proxy::new(gate, one.address, 1 << 30);
    let shared = one.ask(["upload", "--simulated", FILM, "--url", URL, "--size", "8MiB"]);
    assert_eq!((&shared["simulated"], &shared["size"]), (&true.into(), &(8 << 20).into()));

    let item = listed(&two);
    assert_eq!((&item["name"], &item["url"], &item["simulated"]), (&FILM.into(), &URL.into(), &true.into()));
    assert_eq!((&item["holders"], &item["holders_up"]), (&1.into(), &1.into()));
    let done = two.ask(["download", FILM]);
    assert_eq!((&done["simulated"], &done["verified"]), (&true.into(), &false.into()));
    assert_eq!(
        (&done["sources"][0]["peer"], &done["bytes"], &done["path"]),
        (&"1".into(), &(8 << 20).into(), &Value::Null)
    );
    // 8 MiB at the 100 Mbit/s of an uplink without a limit.
    assert!((0.6..5.0).contains(&done["seconds"].as_f64().unwrap()), "{done}");
    eventually("there are two holders", || listed(&three)["holders"] == 2);
    // All that crossed: handshakes, what is known of the file, and some numbers.
    assert!(proxy.passed() < 64 << 10, "{} bytes", proxy.passed());
    assert_eq!((two.finished(), one.finished()), (Vec::new(), Vec::new()));

    assert!(one.stop().success());
    let done = three.ask(["download", FILM]);
    assert_eq!((&done["sources"][0]["peer"], &done["simulated"]), (&"2".into(), &true.into()));
    eventually("two of three holders are up", || listed(&two)["holders"] == 3 && listed(&two)["holders_up"] == 2);
}

/// A session at a terminal.
struct Repl(OsSession);

impl Repl {
    fn start(peer: &Peer, name: &str) -> Self {
        let mut command = Command::new(program("peerctl"));
        command.arg("--socket").arg(peer.home.join("peerd.sock")).arg("--no-color");
        command.env("TERM", "dumb").env("XDG_STATE_HOME", &peer.home);
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(20)));
        session.expect(Regex(format!("{name}@directory> "))).unwrap();
        Self(session)
    }

    #[track_caller]
    fn types(&mut self, line: &str, shown: &str) {
        self.0.send_line(line).unwrap();
        if let Err(error) = self.0.expect(Regex(shown)) {
            let mut rest = [0; 8192];
            let read = self.0.try_read(&mut rest).unwrap_or(0);
            panic!("`{line}` should show `{shown}`: {error}; there is {}", String::from_utf8_lossy(&rest[..read]));
        }
        self.0.expect(Regex("@directory> ")).unwrap();
    }
}

#[test]
fn the_original_scenario_in_the_repl() {
    let world = World::new();
    let mut one = world.peer("1");
    let (two, three) = (world.peer("2"), world.peer("3"));
    let (mut first, mut second) = (Repl::start(&one, "1"), Repl::start(&two, "2"));
    first.types(&format!("upload --simulated {FILM} --url {URL}"), r"shared \(simulated\) film\.mkv");
    second.types("list-files", r"film\.mkv +1\.0 MiB +1/1 .*simulated, https://example\.org");
    second.types("download film.mkv", r"simulated film\.mkv .* from 1; this peer is a holder now");
    eventually("there are two holders", || listed(&three)["holders"] == 2);
    second.types("list-files", r"film\.mkv +1\.0 MiB +2/2 ");
    second.types("transfers", r"film\.mkv +done .*simulated");
    drop(first);
    assert!(one.stop().success());
    Repl::start(&three, "3").types("download film.mkv", r"simulated film\.mkv .* from 2; this peer is a holder now");
}

#[test]
fn they_survive_a_restart_and_can_be_taken_back() {
    let world = World::new();
    let (mut one, two) = (world.peer_with("1", &["--fault-injection"]), world.peer("2"));
    one.ask(["upload", "--simulated", FILM, "--url", URL]);
    one.kill();
    one.start();
    crash(&one, "simulation");
    eventually("the part is back", || restarts(&one, "simulation") == 1);
    eventually("it is still shared", || one.ask(["status"])["shares"] == 1 && listed(&two)["holders_up"] == 1);
    two.ask(["download", FILM]);
    one.ask(["unshare", FILM]);
    eventually("one holder is left", || listed(&two)["holders"] == 1);
    one.fails(3, ["unshare", FILM]);
    one.fails(2, ["upload", "--simulated", "a/b", "--url", URL]);
    one.fails(2, ["upload", "--simulated", "a"]);
    one.fails(2, ["download", FILM, "-o", "x"]);
}

#[test]
fn a_real_file_can_be_pretended_and_stays_what_it_is() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let three = world.peer("3");
    write(&world.path("data.bin"), &content(1 << 20));
    let id = one.upload(&world.path("data.bin"));
    let done = two.ask(["download", "data.bin", "--simulate"]);
    assert_eq!((&done["simulated"], &done["file_id"], two.finished().len()), (&true.into(), &id.clone().into(), 0));
    // Whoever wants the content must not be sent to a peer without it.
    assert_eq!(two.ask(["show-file", &id])["holders"], 1);
    eventually("its copy is listed", || three.ask(["list-files", "(simulated)"])["items"][0]["holders"] == 1);
    let copy = three.ask(["list-files", "(simulated)"])["items"][0].clone();
    assert_eq!((&copy["name"], &copy["url"]), (&"data.bin (simulated)".into(), &format!("enjambre:{id}").into()));
    assert_eq!(three.ask(["download", "data.bin"])["verified"], true);
}

#[test]
fn one_that_nobody_can_tell_of_waits_and_can_be_given_up() {
    let world = World::new();
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    one.ask(["upload", "--simulated", FILM, "--url", URL, "--size", "1TiB"]);
    let id = two.ask(["download", FILM, "--detach"])["transfer_id"].to_string();
    eventually("it moves", || two.transfer()["state"] == "running" && two.transfer()["bytes"].as_u64() > Some(0));
    assert_eq!(two.transfer()["simulated"], true);
    assert!(one.stop().success());
    eventually("it waits", || two.transfer()["state"] == "stalled");
    two.ask(["cancel", &id]);
    assert_eq!(two.transfer()["state"], "cancelled");
}
