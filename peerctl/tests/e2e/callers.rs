//! Other users at the control socket. Needs root: only root can become somebody else.

use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::world::{Peer, World, content, program, write};

/// `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// Whether this process may become another user. A test that cannot says so; where nothing may be skipped, it fails.
fn may_become_somebody_else() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CHECK_STRICT").is_none(), "this test needs root");
    if !root {
        eprintln!("skipped: it takes root to become another user");
    }
    root
}

/// A peer whose socket others may use; what they need lies where they may go.
fn open_peer(world: &World, flags: &[&str]) -> Peer {
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&world.path(""), 0o755);
    std::fs::copy(program("peerctl"), world.path("peerctl")).unwrap();
    let socket = world.path("open.sock");
    let mut peer = world.idle_peer("1", &[&["--socket-group", "65534"], flags].concat());
    let at = peer.args.iter().position(|arg| arg == "--socket").unwrap() + 1;
    socket.to_str().unwrap().clone_into(&mut peer.args[at]);
    std::fs::create_dir(&peer.home).unwrap();
    symlink(&socket, peer.home.join("peerd.sock")).unwrap();
    peer.start();
    peer
}

fn as_nobody<S: AsRef<OsStr>>(world: &World, args: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(world.path("peerctl"));
    command.arg("--socket").arg(world.path("open.sock")).args(args).env_clear().current_dir("/");
    command.uid(NOBODY).gid(NOBODY).output().unwrap()
}

fn refusal<S: AsRef<OsStr>>(world: &World, args: impl IntoIterator<Item = S>) -> String {
    let output = as_nobody(world, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("uid 65534"), "{said}");
    said
}

#[test]
fn other_users_share_from_beneath_the_share_roots_alone() {
    if !may_become_somebody_else() {
        return;
    }
    let world = World::new();
    for folder in ["shared", "private"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    let (shared, private) = (world.path("shared"), world.path("private"));
    write(&private.join("secret"), b"for the owner's eyes");
    symlink(private.join("secret"), shared.join("link")).unwrap();
    symlink(&private, shared.join("door")).unwrap();
    let one = open_peer(&world, &["--share", shared.to_str().unwrap()]);
    write(&shared.join("good"), &content(1000));

    for path in ["private/secret", "shared/link", "shared/door/secret", "shared/../private/secret"] {
        let said = refusal(&world, ["upload".as_ref(), world.path(path).as_os_str()]);
        assert!(said.contains("private/secret") && said.contains(shared.to_str().unwrap()), "{said}");
    }
    assert!(one.ask(["list-files"])["items"].as_array().unwrap().iter().all(|item| item["name"] != "secret"));
    let good = as_nobody(&world, ["upload".as_ref(), shared.join("good").as_os_str()]);
    assert!(good.status.success(), "{good:?}");
    // The daemon's own user may.
    one.upload(&private.join("secret"));
}

#[test]
fn other_users_fetch_into_the_download_folder_alone() {
    if !may_become_somebody_else() {
        return;
    }
    let world = World::new();
    let (one, two) = (open_peer(&world, &[]), world.peer("2"));
    write(&world.path("f"), &content(1000));
    two.upload(&world.path("f"));
    std::fs::create_dir(world.path("outside")).unwrap();
    std::fs::create_dir(one.downloads()).unwrap();
    symlink(world.path("outside"), one.downloads().join("door")).unwrap();
    for place in [world.path("outside/f"), one.downloads().join("door/f"), one.downloads().join("../f")] {
        let words = ["download".as_ref(), "f".as_ref(), "-o".as_ref(), place.as_os_str()];
        assert!(refusal(&world, words).contains("download folder"));
    }
    assert_eq!(std::fs::read_dir(world.path("outside")).unwrap().count(), 0);
    // A share root is asked for where there is none.
    assert!(refusal(&world, ["upload".as_ref(), world.path("f").as_os_str()]).contains("--share"));
    let fetched = as_nobody(&world, ["download", "f"]);
    assert!(fetched.status.success(), "{fetched:?}");
    assert_eq!(std::fs::read(one.downloads().join("f")).unwrap(), content(1000));
}
