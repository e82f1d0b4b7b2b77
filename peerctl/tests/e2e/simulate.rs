//! What-if questions, asked of a real daemon: the same scenario has the same answer, and the daemon goes on with its work.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::world::{Peer, World, content, eventually, write};

/// An answer without what the wall clock says.
fn timeless(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("elapsed_s");
    answer
}

#[test]
fn a_kept_scenario_has_the_same_answer_wherever_it_is_asked_again() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let (file, picture) = (world.path("kept.toml"), world.path("kept.svg"));
    let (kept, drawn) = (file.to_str().unwrap(), picture.to_str().unwrap());
    one.ask(["simulate", "calibrate"]);
    let flags = ["--peers", "40", "--size", "8MiB", "--seed-up", "100Mbit", "--churn", "10%", "--liars", "5%"];
    let asked = one.ask(["simulate", "--seed", "7"].iter().chain(&flags).chain(&["--save", kept, "--plot", drawn]));
    for key in ["first_s", "median_s", "p99_s", "last_s", "bound_s", "ratio", "seed_copies", "duplicates", "elapsed_s"]
    {
        assert!(asked[key].is_number(), "{key}: {asked}");
    }
    assert_eq!((&asked["peers"], &asked["seed"], &asked["complete"]), (&40.into(), &7.into(), &true.into()));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("source = \"measured on ") && text.contains("churn = \"10%\""), "{text}");
    assert!(std::fs::read_to_string(&picture).unwrap().starts_with("<svg "));
    // The other daemon was not calibrated; the constants came with the question.
    assert_eq!(timeless(two.ask(["simulate", "--scenario", kept])), timeless(asked.clone()));
    let other = two.ask(["simulate", "--scenario", kept, "--seed", "8"]);
    assert_ne!(other["last_s"], asked["last_s"]);
    two.fails(2, ["simulate", "--peers", "2000000"]);
    write(&file, b"piers = 3\n");
    let said = two.fails(2, ["simulate", "--scenario", kept]);
    assert!(said.contains("piers") && said.contains(":1:"), "{said}");
}

#[test]
fn two_scenarios_and_a_real_file_with_its_holders() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let three = world.peer("3");
    write(&world.path("data.bin"), &content(3 << 20));
    one.upload(&world.path("data.bin"));
    two.ask(["download", "data.bin"]);
    let today = three.ask(["simulate", "--file", "data.bin"]);
    assert_eq!((&today["size"], &today["peers"]), (&(3 << 20).into(), &1.into()));
    assert_eq!(today["scenario"]["seed_up"], serde_json::json!(["50Mbit", "50Mbit"]));
    let both = one.ctl(["--json", "simulate", "--size", "4MiB", "--compare", "--piece-order in-order --seed-up 1Gbit"]);
    let both: Vec<Value> =
        String::from_utf8(both.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((both.len(), &both[1]["scenario"]["piece_order"]), (2, &"in-order".into()));
    assert!(both[1]["first_s"].as_f64() < both[0]["first_s"].as_f64(), "{both:?}");
    let table = one.ctl(["simulate", "--size", "4MiB", "--compare", "--peers 4"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("FIRST") && table.contains("lower bound"), "{table}");
}

/// A question that takes minutes.
fn long(peer: &Peer) -> std::process::Child {
    let mut command = peer.command(["--json", "simulate", "--peers", "2000", "--size", "4GiB"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_daemon_works_on_meanwhile_and_an_interrupt_gives_what_is_known() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let mut asking = long(&one);
    let computes = |peer: &Peer| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", peer.pid())).unwrap();
        let name =
            |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
        tasks.map(name).any(|name| name.is_ok_and(|name| name.trim() == "simulation"))
    };
    eventually("it computes", || computes(&one));
    write(&world.path("f"), &content(4 << 20));
    one.upload(&world.path("f"));
    assert_eq!(two.ask(["download", "f"])["verified"], true);
    assert!(computes(&one) && asking.try_wait().unwrap().is_none());
    let pid = rustix::process::Pid::from_child(&asking);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    asking.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(asking.wait().unwrap().code(), Some(130), "{said}");
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&answer["complete"], &answer["last_s"], &answer["peers"]),
        (&false.into(), &Value::Null, &2_000.into())
    );
    eventually("nobody waits, so nothing computes", || !computes(&one));
}
