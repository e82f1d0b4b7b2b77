//! A peer of very many files is back at once: nothing is hashed again, and nothing is told that the directory knows.

use std::path::Path;
use std::time::Duration;

use crate::figures::{answered, scrape};
use crate::world::{World, eventually, within, write};

const FILES: usize = 100_000;
/// In a folder, so that no folder is larger than people have them.
const IN_A_FOLDER: usize = 1000;
/// Hashing and announcing so many, in a development build on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

fn fill(root: &Path) {
    for folder in 0..FILES / IN_A_FOLDER {
        let path = root.join(folder.to_string());
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..IN_A_FOLDER {
            let name = format!("{folder}-{file}");
            write(&path.join(&name), name.as_bytes());
        }
    }
}

/// How often a process has read from anything.
fn reads(pid: u32) -> usize {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    counts.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
}

#[test]
fn a_hundred_thousand_files_are_there_again_without_a_look_into_any() {
    let mut world = World::new();
    world.kill_directory();
    world.serve_figures();
    world.start_directory();
    let root = world.path("shared");
    fill(&root);
    let mut one = world.peer_with("1", &["--share", root.to_str().unwrap()]);
    let two = world.peer("2");
    let listed = || two.ask(["show-peer", "1"])["files"].as_u64();
    within(PATIENCE, "all are listed", || listed() == Some(FILES as u64));
    // One exchange at a time: when this one has been answered, all have.
    write(&world.path("one-more"), b"one more");
    one.upload(&world.path("one-more"));
    let all_told = || answered(&scrape(world.address(0, 4002)), "/peers/{peer_id}/files", "PATCH");
    let told = all_told();

    for kill in [false, true] {
        if kill {
            one.kill();
        } else {
            assert!(one.stop().success());
            eventually("it is down", || two.ask(["show-file", "0-0"])["holders_up"] == 0);
        }
        one.start();
        assert_eq!(one.ask(["status"])["shares"].as_u64(), Some(FILES as u64 + 1));
        assert_eq!(listed(), Some(FILES as u64 + 1));
        let (first, last) = ("0-0", format!("{}-{}", FILES / IN_A_FOLDER - 1, IN_A_FOLDER - 1));
        for name in [first, &last] {
            eventually("it is up", || two.ask(["show-file", name])["holders_up"] == 1);
        }
        // Each file hashed would be read at least once.
        let reads = reads(one.pid());
        assert!(reads < FILES / 10, "{reads} reads");
        assert_eq!(all_told(), told, "nothing was announced again");
    }
    two.ask(["download", "7-7"]);
    assert_eq!(std::fs::read(two.downloads().join("7-7")).unwrap(), b"7-7");
}
