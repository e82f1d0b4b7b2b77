//! What both daemons tell the service manager that has started them.

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, program};

/// A daemon and who has started it.
struct Pair {
    socket: UnixDatagram,
    daemon: Child,
    log: PathBuf,
}

impl Pair {
    /// What the manager hears next.
    fn word(&mut self) -> String {
        let mut word = [0; 64];
        match self.socket.recv(&mut word) {
            Ok(length) => String::from_utf8_lossy(&word[..length]).into_owned(),
            Err(error) => {
                let ended = self.daemon.try_wait();
                panic!("no word: {error}; {ended:?}; its log:\n{}", std::fs::read_to_string(&self.log).unwrap());
            }
        }
    }
}

/// None is left behind by a test that fails.
impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The daemon says that it is ready, then that it lives, says nothing while it is stopped, goes on, and says that it ends.
fn assert_well_behaved(world: &World, name: &str, mut command: Command) {
    let place = world.path(name);
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "600000");
    let log = world.path(&format!("{name}.log"));
    let stderr = File::create(&log).unwrap();
    let daemon = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let pid = Pid::from_child(&daemon);
    let mut pair = Pair { socket: manager, daemon, log };
    assert_eq!(pair.word(), "READY=1", "{name}");
    for _ in 0..3 {
        assert_eq!(pair.word(), "WATCHDOG=1", "{name}");
    }

    kill_process(pid, Signal::STOP).unwrap();
    // What it had said by then is in the socket.
    pair.socket.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    while pair.socket.recv(&mut [0; 64]).is_ok() {}
    kill_process(pid, Signal::CONT).unwrap();
    pair.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(pair.word(), "WATCHDOG=1", "{name}");

    kill_process(pid, Signal::TERM).unwrap();
    while pair.word() != "STOPPING=1" {}
    assert!(pair.daemon.wait().unwrap().success(), "{name}");
}

#[test]
fn it_hears_when_a_daemon_is_ready_lives_and_stops() {
    let world = World::new();
    let mut directoryd = Command::new(program("directoryd"));
    directoryd.args(["--listen", &world.address(9, 4001).to_string(), "--admin-listen", "off", "--state-dir"]);
    directoryd.arg(world.path("other"));
    assert_well_behaved(&world, "directoryd", directoryd);
    let mut peerd = Command::new(program("peerd"));
    peerd.args(&world.idle_peer("1", &[]).args);
    assert_well_behaved(&world, "peerd", peerd);
}
