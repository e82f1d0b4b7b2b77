//! The main job: share on one peer, find from another, download on a third.

use std::ffi::OsStr;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::world::{World, b3sum, content, write};

#[test]
fn across_three_peers() {
    let world = World::new();
    let (one, two, three) = (world.peer("1"), world.peer("2"), world.peer("3"));
    let bytes = content(3_000_001);
    let path = world.path("data.bin");
    write(&path, &bytes);
    let id = one.upload(&path);
    assert_eq!(id, b3sum(&bytes));

    let listed = two.ask(["list-files"]);
    let item = &listed["items"][0];
    assert_eq!((item["file_id"].as_str(), item["holders_up"].as_u64()), (Some(id.as_str()), Some(1)));

    let done = three.ask(["download", "data.bin"]);
    assert_eq!((done["verified"].as_bool(), done["bytes"].as_u64()), (Some(true), Some(bytes.len() as u64)));
    assert_eq!(done["sources"][0]["peer"], "1");
    assert_eq!(std::fs::read(three.downloads().join("data.bin")).unwrap(), bytes);

    // The downloader is a holder now, and enough of one to be the only one.
    let shown = two.ask(["show-file", &id]);
    assert_eq!((shown["holders"].as_u64(), shown["holders_list"].as_array().unwrap().len()), (Some(2), 2));
    drop(one);
    let done = two.ask(["download", &id[..8], "--from", "3"]);
    assert_eq!(done["sources"][0]["peer"], "3");
    assert_eq!(std::fs::read(two.downloads().join("data.bin")).unwrap(), bytes);
}

#[test]
fn every_size_and_name_comes_back_as_it_was() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let long = format!("{}.bin", "é".repeat(125)) + "x";
    assert_eq!(long.len(), 255);
    let cases = [
        ("empty", 0),
        ("one byte", 1),
        ("café ☕ 🐝.bin", 1 << 20),
        ("-rf", (1 << 20) + 1),
        (long.as_str(), 16 << 10),
        ("back\\slash 'quote\" $HOME", (16 << 10) + 1),
        ("...", 5_000_000),
    ];
    for (name, len) in cases {
        let bytes = content(len);
        let path = world.path(name);
        write(&path, &bytes);
        let id = one.upload(&path);
        assert_eq!(id, b3sum(&bytes), "{name}");
        let done = two.ask([OsStr::new("download"), OsStr::new("--"), OsStr::new(name)]);
        assert_eq!(done["name"], *name);
        assert_eq!(std::fs::read(two.downloads().join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn names_that_could_harm_are_refused_or_made_harmless() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let path = world.path("new\nline");
    write(&path, b"x");
    let said = one.fails(2, [OsStr::new("upload"), path.as_os_str()]);
    assert!(said.contains("control character") && said.contains("--name"), "{said}");
    assert!(!said.contains("new\nline"), "{said}");
    one.ask([OsStr::new("upload"), path.as_os_str(), OsStr::new("--name"), OsStr::new("fine")]);
    for name in ["../escape", "/etc/escape", "a\u{1b}[2J"] {
        one.fails(2, [OsStr::new("upload"), path.as_os_str(), OsStr::new("--name"), OsStr::new(name)]);
    }
    let sly = world.path("gpj\u{202e}exe");
    write(&sly, b"sly");
    one.upload(&sly);
    let listed = two.ctl(["list-files"]);
    assert!(!String::from_utf8(listed.stdout).unwrap().contains('\u{202e}'));
}

#[test]
fn a_file_that_is_there_is_not_replaced_unasked() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(100_000));
    one.upload(&world.path("f"));
    let target = world.path("target");
    write(&target, b"precious");
    let download = |flag: &str| {
        ["download", "f", "-o"]
            .map(OsStr::new)
            .into_iter()
            .chain([target.as_os_str(), OsStr::new(flag)])
            .map(OsStr::to_owned)
            .collect::<Vec<_>>()
    };
    let said = two.fails(7, &download("--wait")[..4]);
    assert!(said.contains("is there already") && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    two.ask(download("--force"));
    assert_eq!(std::fs::read(&target).unwrap(), content(100_000));
}

#[test]
fn unshared_and_changed_files_are_withdrawn() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let (stays, changes) = (world.path("stays"), world.path("changes"));
    write(&stays, &content(300_000));
    write(&changes, &content(400_000));
    one.upload(&stays);
    one.upload(&changes);
    one.ask(["unshare", "stays"]);
    let names = || two.ask(["list-files"])["items"].as_array().unwrap().len();
    assert_eq!(names(), 1);
    // Same size, same time: only the hash can tell.
    let before = std::fs::metadata(&changes).unwrap().modified().unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&changes).unwrap();
    file.write_all(b"changed").unwrap();
    file.set_modified(before).unwrap();
    drop(file);
    let started = two.ask(["download", "changes", "--detach"]);
    // It stays listed as long as somebody wants it, and nobody holds it.
    crate::world::eventually("the changed file is withdrawn", || {
        two.ask(["list-files"])["items"].as_array().unwrap().iter().all(|item| item["holders"] == 0)
    });
    assert_eq!(two.finished(), Vec::<String>::new());
    assert_eq!(one.log().matches("may have changed").count(), 1, "{}", one.log());
    two.ctl(["cancel", &started["transfer_id"].to_string()]);
}

/// Must be shown of the daemons: 4 GiB pass through them, and neither grows with it.
#[test]
fn four_gib_in_little_memory() {
    const SIZE: u64 = 4 << 30;
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let path = world.path("huge");
    let mut file = std::fs::File::create(&path).unwrap();
    file.set_len(SIZE).unwrap();
    // Mostly a hole: what counts is what the daemons do with it.
    for at in [0, SIZE / 3, SIZE - 5] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"alive").unwrap();
    }
    let id = one.upload(&path);
    two.ask(["download", &id]);
    for peer in [&one, &two] {
        let peak = peak_memory(peer.pid());
        assert!(peak < 200 << 20, "peak of {peak} bytes");
    }
    let (mut sent, mut received) =
        (std::fs::File::open(&path).unwrap(), std::fs::File::open(two.downloads().join("huge")).unwrap());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        sent.read_exact(&mut left).unwrap();
        received.read_exact(&mut right).unwrap();
        assert!(left == right);
    }
}

/// Bytes, as `VmHWM` of proc(5) has it.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
