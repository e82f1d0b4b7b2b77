//! The shutdown: what may finish, what is cut, and that nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialOptions, Limits, dial, server_config};

use super::support::{GET, HTTP2_GET, SHORT, ask, closed, fed, hello, identity, patient, read_until, soon, start};

#[tokio::test]
async fn the_quiet_are_closed_at_once() {
    let server = start(None, patient(), hello()).await;
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    ask(&mut idle, "hello").await;
    let address = server.address;
    assert_eq!(server.stop().await.cut, 0);
    closed(&mut silent).await;
    closed(&mut idle).await;
    TcpStream::connect(address).await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn an_open_answer_may_finish() {
    let (service, mut opened) = fed();
    let server = start(None, patient(), service).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    let feed = opened.recv().await.unwrap();

    server.shutdown.cancel();
    soon("the listener to close", async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    feed.send(Bytes::from_static(b"the rest")).await.unwrap();
    drop(feed);
    read_until(&mut client, "the rest").await;
    closed(&mut client).await;
    assert_eq!(server.stop().await.cut, 0);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_and_its_handlers_with_it() {
    for request in [GET, HTTP2_GET] {
        let (service, mut opened) = fed();
        let server = start(None, Limits { drain: SHORT, ..patient() }, service).await;
        let mut client = server.connect().await;
        client.write_all(request).await.unwrap();
        let feed = opened.recv().await.unwrap();
        assert_eq!(server.stop().await.cut, 1);
        assert!(feed.is_closed(), "the body is gone when serving has ended");
        closed(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn even_a_handler_that_blocks_is_gone_when_serving_has_ended() {
    let (entered, mut inside) = mpsc::channel::<()>(1);
    let left = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&left);
    let blocking = tower::service_fn(move |_: http::Request<hyper::body::Incoming>| {
        let (entered, left) = (entered.clone(), Arc::clone(&left));
        async move {
            entered.send(()).await.unwrap();
            // Holds its thread much longer than the drain lasts; nobody ever sends.
            let (_never, nothing) = std::sync::mpsc::sync_channel::<()>(1);
            let _ = nothing.recv_timeout(SHORT * 2);
            left.store(true, Ordering::SeqCst);
            Ok(http::Response::new(String::new()))
        }
    });
    let server = start(None, Limits { drain: SHORT, ..patient() }, blocking).await;
    let mut client = server.connect().await;
    client.write_all(HTTP2_GET).await.unwrap();
    inside.recv().await.unwrap();
    let _ = server.stop().await;
    assert!(seen.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_endless_grpc_stream_is_cut() {
    let peer = identity();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let limits = Limits { drain: SHORT, ..patient() };
    let server = start(Some(server_config(&peer)), limits, tonic::service::Routes::new(health)).await;
    let channel = dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default()).await.unwrap();
    let mut watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();
    assert_eq!(server.stop().await.cut, 1);
    soon("the end of the stream", watch.message()).await.expect_err("cut");
}

#[tokio::test]
async fn a_handler_that_never_answers_is_gone_when_serving_is_dropped() {
    let peer = identity();
    let (alive, mut gone) = mpsc::channel::<()>(1);
    let (entered, mut inside) = mpsc::channel::<()>(1);
    let never = tower::service_fn(move |_: http::Request<hyper::body::Incoming>| {
        let (alive, entered) = (alive.clone(), entered.clone());
        async move {
            entered.send(()).await.unwrap();
            std::future::pending::<()>().await;
            drop(alive);
            Ok(http::Response::new(String::new()))
        }
    });
    let server = start(Some(server_config(&peer)), patient(), never).await;
    let channel = dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default()).await.unwrap();
    let call = tokio::spawn(async move { HealthClient::new(channel).check(HealthCheckRequest::default()).await });
    inside.recv().await.unwrap();

    server.serving.abort();
    assert_eq!(soon("every task to end", gone.recv()).await, None);
    soon("the call to fail", call).await.unwrap().expect_err("cut");
    TcpStream::connect(server.address).await.expect_err("nobody listens any more");
}
