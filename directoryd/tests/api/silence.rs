//! Clients that say nothing, or hardly anything: they hold up nobody, and do not stay.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use directoryd::{Database, Server};
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use transport::Limits;

use crate::program::Process;
use crate::support::{Api, Directory, PATIENCE, config};

const CLIENTS: usize = 300;
/// What a client is given for each step.
const CLOCK: Duration = Duration::from_secs(2);

fn impatient(connections: usize) -> Limits {
    Limits {
        connections,
        handshake: CLOCK,
        first_request: CLOCK,
        header: CLOCK,
        idle: CLOCK,
        answer: CLOCK,
        ..Limits::default()
    }
}

/// The ways of saying too little; each sends the first part, and then the second a byte at a time for as long as it can.
const WAYS: [(&[u8], &[u8]); 5] = [
    (b"", b""),
    (b"GET /api/v1/files HTTP/1.1\r\nhost: x\r\n", b""),
    (b"GET /api/v1/files HTTP/1.1\r\nhost: x\r\nx-slow: ", b"a"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b""),
    (b"POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n", b" "),
];

/// Says too little until the connection is closed; for how long that took.
async fn say_little(mut stream: TcpStream, way: usize) -> Duration {
    let (start, (first, drip)) = (Instant::now(), WAYS[way]);
    let _ = stream.write_all(first).await;
    let (mut reads, mut writes) = stream.into_split();
    let dripping = async {
        while !drip.is_empty() && writes.write_all(drip).await.is_ok() {
            tokio::time::sleep(CLOCK / 20).await;
        }
        std::future::pending::<()>().await;
    };
    let closed = async { while !matches!(reads.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
    tokio::select! {
        () = dripping => unreachable!("it goes on for ever"),
        () = closed => start.elapsed(),
    }
}

/// Three hundred of them against a directory with so many seats, while somebody works with it.
async fn besiege(connections: usize) {
    let directory = Directory::configured(|config| config.limits = impatient(connections)).await;
    let ana = directory.user("ana").await;
    let address = directory.api.base.trim_start_matches("http://").to_owned();
    let mut besiegers = JoinSet::new();
    for number in 0..CLIENTS {
        let stream = TcpStream::connect(&address).await.unwrap();
        besiegers.spawn(say_little(stream, number % WAYS.len()));
    }
    let (mut longest, mut slowest) = (Duration::ZERO, Duration::ZERO);
    let work = async {
        while !besiegers.is_empty() {
            let start = Instant::now();
            // A connection of its own each time: the front door must be free.
            let newcomer = Api::at(&address);
            let answer = newcomer.request(Method::GET, "/sessions/current").bearer_auth(&ana.token).send().await;
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
            slowest = slowest.max(start.elapsed());
            while let Some(stayed) = besiegers.try_join_next() {
                longest = longest.max(stayed.unwrap());
            }
        }
    };
    tokio::time::timeout(PATIENCE, work).await.expect("all of them are closed in the end");
    assert!(longest < CLOCK * 3, "one of them stayed for {longest:?}");
    assert!(slowest < CLOCK, "somebody had to wait for {slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_silent_clients_hold_up_nobody_and_do_not_stay() {
    besiege(1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_when_they_could_take_every_seat() {
    besiege(100).await;
}

#[tokio::test]
async fn a_crowd_may_wait_at_the_door() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind(config(Database::Sqlite(folder.path().join("directory.db")))).await.unwrap();
    // Nobody is let in: all of them have to fit into the queue in front of it.
    let crowd = futures_util::future::try_join_all((0..CLIENTS).map(|_| TcpStream::connect(server.address())));
    assert_eq!(tokio::time::timeout(PATIENCE, crowd).await.unwrap().unwrap().len(), CLIENTS);
}

#[tokio::test]
async fn open_files_are_no_limit_while_the_system_has_more() {
    let folder = tempfile::tempdir().unwrap();
    let limits = |id: u32| {
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        line.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let process = Process::start(folder.path(), &[]).await;
    let [soft, hard] = &limits(process.id())[..] else { panic!() };
    assert_eq!(soft, hard);
    assert_eq!(process.terminate().await, Some(0));
    // Where it has not, that is said at the start.
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n 512; exec "$0" "$@""#, env!("CARGO_BIN_EXE_directoryd")]);
    shell.args(["--listen", "127.0.0.1:0", "--state-dir"]).arg(folder.path()).arg0("sh");
    let process = Process::spawn(shell).await;
    let (exit, said) = process.last_words().await;
    assert_eq!(exit, Some(0));
    assert!(said.contains("too few open files"), "{said}");
}
