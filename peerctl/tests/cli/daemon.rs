//! The daemon of these tests: a socket, and a function from requests to what is said.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use assert_cmd::Command;
use proto::control::{Failure, Notification, Progress, Request, RequestFrame, Response};
use serde::Serialize;

/// One thing said.
pub(crate) enum Say {
    /// On the way.
    Progress(Progress),
    /// The answer.
    Done(serde_json::Value),
    /// The answer, when something is wrong.
    Fail(Failure),
    /// A line as it is.
    Raw(String),
    /// Nothing, until the test says so, or has ended.
    Until(Receiver<()>),
    /// Nothing, until the caller goes.
    Stall,
    /// The connection is closed.
    Close,
}

/// The answer that a request gets.
pub(crate) fn done(answer: &impl Serialize) -> Vec<Say> {
    vec![Say::Done(serde_json::to_value(answer).unwrap())]
}

type Answer = dyn Fn(&Request) -> Vec<Say> + Send + Sync;

/// What is shared between the threads of a daemon.
struct Inner {
    answer: Box<Answer>,
    asked: Mutex<Vec<Request>>,
    more: Condvar,
    connections: Mutex<Vec<UnixStream>>,
    stopped: AtomicBool,
}

/// A daemon; it goes when it is dropped, and leaves its socket behind as a killed one does.
pub(crate) struct Daemon {
    inner: Arc<Inner>,
    socket: PathBuf,
    accepting: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts one at a path.
    pub(crate) fn at(socket: &Path, answer: impl Fn(&Request) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let inner = Arc::new(Inner {
            answer: Box::new(answer),
            asked: Mutex::default(),
            more: Condvar::new(),
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&inner);
        let accepting = std::thread::spawn(move || accept(&listener, &serving));
        Self { inner, socket: socket.to_owned(), accepting: Some(accepting) }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// Waits until something has been asked.
    #[track_caller]
    pub(crate) fn wait_for(&self, asked: impl Fn(&Request) -> bool) {
        let (requests, deadline) = (self.inner.asked.lock().unwrap(), Duration::from_secs(10));
        let nothing = |requests: &mut Vec<Request>| !requests.iter().any(&asked);
        let (_requests, waited) = self.inner.more.wait_timeout_while(requests, deadline, nothing).unwrap();
        assert!(!waited.timed_out(), "it is never asked");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then drops the listener.
        let _ = UnixStream::connect(&self.socket);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.inner.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn accept(listener: &UnixListener, inner: &Arc<Inner>) {
    for connection in listener.incoming().map_while(Result::ok) {
        if inner.stopped.load(Ordering::SeqCst) {
            return;
        }
        inner.connections.lock().unwrap().push(connection.try_clone().unwrap());
        let inner = Arc::clone(inner);
        std::thread::spawn(move || serve(connection, &inner));
    }
}

fn serve(mut connection: UnixStream, inner: &Inner) {
    let lines = BufReader::new(connection.try_clone().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        let frame = RequestFrame::parse(&line).unwrap();
        inner.asked.lock().unwrap().push(frame.request.clone());
        inner.more.notify_all();
        for said in (inner.answer)(&frame.request) {
            let line = match said {
                Say::Progress(progress) => serde_json::to_string(&Notification::progress(frame.id, progress)).unwrap(),
                Say::Done(answer) => serde_json::to_string(&Response::done(frame.id, &answer)).unwrap(),
                Say::Fail(failure) => serde_json::to_string(&Response::failed(Some(frame.id), failure)).unwrap(),
                Say::Raw(line) => line,
                Say::Until(go) => {
                    let _ = go.recv();
                    continue;
                }
                Say::Stall => break,
                Say::Close => return connection.shutdown(std::net::Shutdown::Both).unwrap_or(()),
            };
            if connection.write_all(format!("{line}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A folder with a daemon in it.
pub(crate) struct House {
    // Goes first: a daemon whose socket is gone cannot be woken to end.
    pub(crate) daemon: Daemon,
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new(answer: impl Fn(&Request) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::at(&folder.path().join("peerd.sock"), answer);
        Self { daemon, folder }
    }

    /// `peerctl` with that daemon and nothing else of the surroundings.
    pub(crate) fn peerctl(&self, args: &[&str]) -> Command {
        let mut command = peerctl(self.folder.path());
        command.arg("--socket").arg(self.folder.path().join("peerd.sock")).args(args);
        command
    }

    /// Runs it; what it wrote, and how it ended.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.peerctl(args))
    }
}

/// `peerctl` in a home of its own.
pub(crate) fn peerctl(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerctl"));
    command.env_clear().env("HOME", home).env("TERM", "xterm").current_dir(home);
    command.timeout(Duration::from_secs(20));
    command
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: Option<i32>,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code(),
        }
    }

    /// The data of a run that went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// The keys of a JSON line in their order.
    #[track_caller]
    pub(crate) fn keys(line: &str) -> Vec<String> {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut keys: Vec<String> = parsed.as_object().unwrap().keys().cloned().collect();
        keys.sort_by_key(|key| line.find(&format!("\"{key}\":")).unwrap());
        keys
    }
}
