//! What happens when the process has no file descriptor left. A test target of its own: the limit is the whole process's.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use transport::{Lanes, Limits, serve};

const DEADLINE: Duration = Duration::from_secs(20);

async fn answers(stream: &mut TcpStream) -> bool {
    let mut head = [0; 12];
    let answered = async {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        stream.read_exact(&mut head).await
    };
    let answered = tokio::time::timeout(DEADLINE, answered).await.expect("an answer or an end");
    answered.is_ok() && &head == b"HTTP/1.1 200"
}

fn allow(descriptors: u64, before: Rlimit) {
    setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors), ..before }).expect("below the hard limit");
}

#[tokio::test]
async fn running_out_of_descriptors_ends_when_the_silent_give_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    // Every clock is far off: only giving way can help.
    let far = Duration::from_mins(10);
    let limits = Limits { first_request: far, header: far, idle: far, ..Limits::default() };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(Lanes::none(), listener, None, service, limits, shutdown.clone()));

    // Both ends of every connection are ours: 40 descriptors are soon gone.
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let before = getrlimit(Resource::Nofile);
    let mut allowed = open + 40;
    allow(allowed, before);
    let mut silent = Vec::new();
    while let Ok(stream) = TcpStream::connect(address).await {
        silent.push(stream);
    }
    // One descriptor more for the client's end; for its own end the server must take one from a silent connection.
    let mut client = loop {
        allowed += 1;
        allow(allowed, before);
        if let Ok(client) = TcpStream::connect(address).await {
            break client;
        }
    };
    assert!(answers(&mut client).await);

    setrlimit(Resource::Nofile, before).unwrap();
    shutdown.cancel();
    assert_eq!(tokio::time::timeout(DEADLINE, serving).await.expect("the end of serving").unwrap().cut, 0);
}
