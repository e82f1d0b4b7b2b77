//! Connections on threads of their own.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::num::NonZeroUsize;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use transport::{Lanes, serve_on};

use crate::support::{GET, Running, closed, patient, read_until, soon};

/// Where a request was answered.
async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let thread = std::thread::current();
    Ok(Response::new(format!("on <{}>", thread.name().unwrap_or_default())))
}

const LANES: usize = 3;

async fn on_lanes() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let (lanes, service) = (Lanes::threads(NonZeroUsize::new(LANES).unwrap()).unwrap(), tower::service_fn(answer));
    let serving = tokio::spawn(serve_on(lanes, listener, None, service, patient(), shutdown.clone()));
    Running { address, shutdown, serving }
}

#[tokio::test]
async fn a_connection_stays_on_its_lane_and_the_next_is_on_another() {
    let server = on_lanes().await;
    let (mut used, mut connections) = (BTreeSet::new(), Vec::new());
    for _ in 0..LANES {
        let mut connection = server.connect().await;
        connection.write_all(GET).await.unwrap();
        let first = read_until(&mut connection, ">").await;
        connection.write_all(GET).await.unwrap();
        assert_eq!(lane(&read_until(&mut connection, ">").await), lane(&first));
        used.insert(lane(&first));
        connections.push(connection);
    }
    assert_eq!(used.len(), LANES, "{used:?}");
    server.shutdown.cancel();
    for connection in &mut connections {
        closed(connection).await;
    }
    assert_eq!(soon("the end of serving", server.serving).await.unwrap().cut, 0);
}

#[tokio::test]
async fn dropping_closes_what_is_there() {
    let server = on_lanes().await;
    let mut connection = server.connect().await;
    connection.write_all(GET).await.unwrap();
    read_until(&mut connection, ">").await;
    server.serving.abort();
    closed(&mut connection).await;
}

fn lane(answer: &str) -> String {
    let name = answer.split('<').nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    assert!(name.starts_with("lane-"), "{answer}");
    name.to_owned()
}
