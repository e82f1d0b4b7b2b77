//! Connections on threads of their own.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::num::NonZeroUsize;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::Service;
use transport::{Lanes, serve};

use crate::support::{GET, Running, closed, fed, patient, read_until, soon};

/// Where a request was answered.
async fn answer(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let thread = std::thread::current();
    Ok(Response::new(format!("on <{}>", thread.name().unwrap_or_default())))
}

const LANES: usize = 3;

async fn on_lanes<S, B>(service: S) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let lanes = Lanes::threads(NonZeroUsize::new(LANES).unwrap()).unwrap();
    let serving = tokio::spawn(serve(lanes, listener, None, service, patient(), shutdown.clone()));
    Running { address, shutdown, serving }
}

#[tokio::test]
async fn a_connection_stays_on_its_lane_and_the_next_is_on_another() {
    let server = on_lanes(tower::service_fn(answer)).await;
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
async fn what_is_under_way_when_the_shutdown_begins_is_answered() {
    let (service, mut opened) = fed();
    let server = on_lanes(service).await;
    let mut connection = server.connect().await;
    connection.write_all(GET).await.unwrap();
    let body = soon("the request", opened.recv()).await.unwrap();
    server.shutdown.cancel();
    soon("the end of accepting", async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    body.send("at last".into()).await.unwrap();
    drop(body);
    read_until(&mut connection, "at last").await;
    assert_eq!(soon("the end of serving", server.serving).await.unwrap().cut, 0);
}

#[tokio::test]
async fn dropping_closes_what_is_there() {
    let server = on_lanes(tower::service_fn(answer)).await;
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
