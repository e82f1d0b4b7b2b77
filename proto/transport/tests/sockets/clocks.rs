//! The clocks of a connection that has begun to talk: what they end, and what they must leave alone.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialOptions, Limits, dial, server_config};
use warp::Filter;

use super::support::{GET, HTTP2_GET, SHORT, ask, closed, fed, hello, identity, patient, read_until, soon, start};

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(None, Limits { idle: SHORT, ..patient() }, hello()).await;
    let mut client = server.connect().await;
    ask(&mut client, "hello").await;
    closed(&mut client).await;
}

#[tokio::test]
async fn an_open_answer_outlives_every_clock() {
    let (service, mut opened) = fed();
    let limits = Limits { first_request: SHORT, header: SHORT, idle: SHORT, answer: SHORT, ..patient() };
    let server = start(None, limits, service).await;
    let mut streaming = server.connect().await;
    streaming.write_all(GET).await.unwrap();
    let feed = opened.recv().await.unwrap();
    feed.send(Bytes::from_static(b"first")).await.unwrap();
    read_until(&mut streaming, "first").await;

    // Three connections live and die by those clocks, one after the other, before the stream goes on.
    for _ in 0..3 {
        let mut idle = server.connect().await;
        idle.write_all(GET).await.unwrap();
        drop(opened.recv().await.unwrap());
        closed(&mut idle).await;
    }
    feed.send(Bytes::from_static(b"second")).await.unwrap();
    read_until(&mut streaming, "second").await;
    drop(feed);
    closed(&mut streaming).await;
}

#[tokio::test]
async fn an_open_grpc_stream_outlives_every_clock() {
    let peer = identity();
    let (reporter, health) = tonic_health::server::health_reporter();
    let limits = Limits { first_request: SHORT, idle: SHORT, answer: SHORT, ..patient() };
    let server = start(Some(server_config(&peer)), limits, tonic::service::Routes::new(health)).await;
    let channel = dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default()).await.unwrap();
    let mut watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().unwrap();

    for _ in 0..3 {
        closed(&mut server.connect_tls(peer.peer_id()).await).await;
    }
    reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    let message = soon("the next message", watch.message()).await.unwrap().unwrap();
    assert_eq!(message.status(), tonic_health::pb::health_check_response::ServingStatus::NotServing);
}

#[tokio::test]
async fn a_request_whose_body_trickles_is_cut() {
    let filter = warp::body::bytes().map(|body: Bytes| format!("{} bytes", body.len()));
    let server = start(None, Limits { answer: SHORT, ..patient() }, warp::service(filter)).await;
    let mut client = server.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nonly this").await.unwrap();
    closed(&mut client).await;

    let mut prompt = server.connect().await;
    prompt.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody").await.unwrap();
    read_until(&mut prompt, "4 bytes").await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed() {
    let (service, mut opened) = fed();
    let limits = Limits { keepalive_interval: SHORT, keepalive_timeout: SHORT, ..patient() };
    let server = start(None, limits, service).await;
    let mut client = server.connect().await;
    client.write_all(HTTP2_GET).await.unwrap();
    let _open_for_ever = opened.recv().await.unwrap();
    closed(&mut client).await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let (service, mut opened) = fed();
    let server = start(None, Limits { unacknowledged: SHORT, ..patient() }, service).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    let feed = opened.recv().await.unwrap();
    let chunk = Bytes::from(vec![0; 1 << 20]);
    soon("the server to stop sending", async { while feed.send(chunk.clone()).await.is_ok() {} }).await;
}

#[tokio::test]
async fn http1_is_refused_where_only_http2_is_spoken() {
    let server = start(None, Limits { http2_only: true, ..patient() }, hello()).await;
    let mut client = server.connect().await;
    client.write_all(GET).await.unwrap();
    closed(&mut client).await;
}
