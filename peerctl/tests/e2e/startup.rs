//! What can be wrong before anything runs: one clear line, a non-zero exit, nothing damaged.

use std::process::{Command, Output};

use crate::world::{Peer, World, content, program, write};

/// Runs a peer that must not come up, and answers what it said.
fn refused(peer: &Peer, status: i32) -> String {
    let output: Output = Command::new(program("peerd")).args(&peer.args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    let complaints = said.lines().filter(|line| line.starts_with("peerd: ")).count();
    assert_eq!(complaints, 1, "{said}");
    said
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let wrong = world.path("wrong");
    write(&wrong, b"not the password\n");
    let said = one.fails(4, ["login", "1", "--password-file", wrong.to_str().unwrap()]);
    assert!(!said.contains("not the password"), "{said}");
    let nobody = one.fails(4, ["login", "nobody", "--password-file", wrong.to_str().unwrap()]);
    assert_eq!(
        said.lines().next().map(|l| l.split("(request").next()),
        nobody.lines().next().map(|l| l.split("(request").next())
    );
    one.fails(3, ["download", "no-such-file"]);
    one.fails(3, ["show-file", "abcdef"]);
    one.fails(3, ["upload", "/no/such/path"]);
    one.fails(3, ["cancel", "99"]);
    one.fails(2, ["download"]);

    for (peer, folder, len) in [(&one, "a", 10), (&two, "b", 20)] {
        std::fs::create_dir(world.path(folder)).unwrap();
        let path = world.path(folder).join("same-name");
        write(&path, &content(len));
        peer.upload(&path);
    }
    let said = one.fails(2, ["download", "same-name"]);
    for len in [10, 20] {
        let id = crate::world::b3sum(&content(len));
        assert!(said.contains(&id[..12]), "{said}");
    }
    // Said more precisely, it works.
    one.ask(["download", "2/same-name"]);
}

#[test]
fn manual_and_completions_need_no_configuration() {
    let peerd =
        |words: &[&str]| Command::new(program("peerd")).args(words).env("PEERD_CONFIG", "/nowhere").output().unwrap();
    let man = peerd(&["man"]);
    assert!(man.status.success() && String::from_utf8_lossy(&man.stdout).contains("max\\-upload"), "{man:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = peerd(&["completions", shell]);
        assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("healthcheck"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(peerd(&["man", "--dir", folder.path().to_str().unwrap()]).status.success());
    assert!(folder.path().join("peerd.8").exists() && folder.path().join("peerd-config-check.8").exists());
    assert!(!peerd(&["man", "--dir", "/no/such/folder"]).status.success());
}

#[test]
fn no_daemon() {
    let world = World::new();
    let peer = world.idle_peer("1", &[]);
    std::fs::create_dir_all(&peer.home).unwrap();
    let said = peer.fails(5, ["status"]);
    assert!(said.contains("peerd"), "{said}");
}

#[test]
fn a_second_daemon_and_a_port_in_use() {
    let world = World::new();
    let one = world.peer("1");
    let mut twin = world.idle_peer("1", &[]);
    assert!(refused(&twin, 1).contains("state folder"));

    twin.args = world.idle_peer("2", &[]).args;
    twin.args.extend(["--listen".into(), one.address.to_string()]);
    let doubled: Vec<String> = twin.args.clone();
    let first = doubled.iter().position(|arg| arg == "--listen").unwrap();
    twin.args.drain(first..first + 2);
    assert!(refused(&twin, 1).contains("cannot listen on"));

    let mut third = world.idle_peer("3", &[]);
    let at = third.args.iter().position(|arg| arg == "--socket").unwrap();
    third.args[at + 1] = one.home.join("peerd.sock").to_str().unwrap().into();
    assert!(refused(&third, 1).contains("control socket"));
    assert_eq!(one.state(), Some("connected".into()), "the first is unharmed");
}

#[test]
fn folders_that_cannot_be_used() {
    let world = World::new();
    let mut peer = world.idle_peer("1", &[]);
    let file = world.path("a-file");
    write(&file, b"");
    let at = peer.args.iter().position(|arg| arg == "--state-dir").unwrap();
    peer.args[at + 1] = file.join("state").to_str().unwrap().into();
    assert!(refused(&peer, 1).contains("state folder"));
}

#[test]
fn every_fault_of_the_configuration_at_once() {
    let world = World::new();
    let mut peer = world.idle_peer("1", &[]);
    let config = world.path("peerd.toml");
    write(&config, b"nmae = \"x\"\nlisten = 7\nshare = [\"/tmp\"]\n");
    peer.args = ["run", "--config", config.to_str().unwrap()].map(String::from).to_vec();
    let output = Command::new(program("peerd")).args(&peer.args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains(":1: `nmae`") && said.contains(":2: `listen`"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn a_stale_socket_is_no_obstacle() {
    let world = World::new();
    let mut one = world.peer("1");
    one.kill();
    assert!(one.home.join("peerd.sock").exists(), "kill -9 leaves it");
    let said = one.fails(5, ["status"]);
    assert!(said.contains("peerd"), "{said}");
    one.start();
    assert!(one.stop().success());
    assert!(!one.home.join("peerd.sock").exists(), "an orderly stop removes it");
}

/// Where the disk behind `-o` is full is said before anything is fetched. Needs a file system of its own, which only root
/// can mount.
#[test]
fn a_full_disk_behind_an_output() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(8_000_000));
    one.upload(&world.path("f"));
    let disk = world.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&disk).output();
    if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
        println!("not run: a_full_disk_behind_an_output: no tmpfs can be mounted here: {mounted:?}");
        return;
    }
    let output = two.ctl(["download", "f", "-o", disk.join("f").to_str().unwrap()]);
    let left = std::fs::read_dir(&disk).unwrap().count();
    assert!(Command::new("umount").arg("-l").arg(&disk).status().unwrap().success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), left), (Some(1), 0), "{said}");
    assert!(said.contains("hint: make room"), "{said}");
}
