//! Silent, trickling and half-open clients: none outlives its clock, none keeps another client waiting.

use std::iter;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialOptions, Limits, dial, server_config};

use super::support::{LONG, Running, SHORT, ask, closed, hello, identity, patient, soon, start, trickle};

/// The HTTP/2 preface, an empty SETTINGS frame and one that acknowledges the server's: a well-behaved client so far.
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

fn impatient() -> Limits {
    Limits { handshake: SHORT, first_request: SHORT, ..patient() }
}

/// A request head that never ends.
fn endless_head() -> impl Iterator<Item = u8> + Send {
    b"GET / HTTP/1.1\r\n".iter().copied().chain(b"x: y\r\n".iter().copied().cycle())
}

/// A TLS record that announces 16 KiB, and then a `ClientHello` that never ends.
fn endless_hello() -> impl Iterator<Item = u8> + Send {
    [0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc].into_iter().chain(iter::repeat(0))
}

#[tokio::test]
async fn a_silent_client_is_closed() {
    let plain = start(None, impatient(), hello()).await;
    closed(&mut plain.connect().await).await;
    let tls = start(Some(server_config(&identity())), impatient(), hello()).await;
    closed(&mut tls.connect().await).await;
}

#[tokio::test]
async fn a_client_that_falls_silent_after_the_handshake_is_closed() {
    let peer = identity();
    let server = start(Some(server_config(&peer)), Limits { handshake: LONG, ..impatient() }, hello()).await;
    closed(&mut server.connect_tls(peer.peer_id()).await).await;
}

#[tokio::test]
async fn settings_are_no_request() {
    for limits in [impatient(), Limits { http2_only: true, ..impatient() }] {
        let server = start(None, limits, hello()).await;
        let mut client = server.connect().await;
        client.write_all(HTTP2_HELLO).await.unwrap();
        closed(&mut client).await;
    }
}

#[tokio::test]
async fn trickling_is_no_request() {
    let plain = start(None, impatient(), hello()).await;
    trickle(plain.connect().await, endless_head()).await;
    trickle(plain.connect().await, HTTP2_HELLO[..20].iter().copied()).await;
    let tls = start(Some(server_config(&identity())), impatient(), hello()).await;
    trickle(tls.connect().await, endless_hello()).await;
}

#[tokio::test]
async fn a_later_head_that_trickles_is_cut_by_its_own_clock() {
    let server = start(None, Limits { header: SHORT, ..patient() }, hello()).await;
    let mut client = server.connect().await;
    ask(&mut client, "hello").await;
    trickle(client, endless_head()).await;
}

#[tokio::test]
async fn a_head_without_end_is_refused_by_size() {
    let server = start(None, Limits { header_list_size: 8 << 10, ..patient() }, hello()).await;
    let (mut reads, mut writes) = server.connect().await.into_split();
    tokio::spawn(async move {
        let head: Vec<u8> = endless_head().take(64 << 10).collect();
        let _ = writes.write_all(&head).await;
        writes
    });
    let mut answer = vec![0; 12];
    soon("an answer", reads.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = start(None, Limits { max_pending_accept_reset_streams: 5, ..patient() }, hello()).await;
    let mut client = server.connect().await;
    let mut frames = HTTP2_HELLO.to_vec();
    for stream in (1..200_u32).step_by(2).map(u32::to_be_bytes) {
        // HEADERS of a whole GET request, and RST_STREAM with CANCEL (RFC 9113, 6.2 and 6.4).
        frames.extend([b"\0\0\x03\x01\x05", stream.as_slice(), b"\x82\x86\x84"].concat());
        frames.extend([b"\0\0\x04\x03\0", stream.as_slice(), b"\0\0\0\x08"].concat());
    }
    client.write_all(&frames).await.unwrap();
    closed(&mut client).await;
}

#[tokio::test]
async fn an_aborted_handshake_harms_nobody_else() {
    let peer = identity();
    let server = start(Some(server_config(&peer)), patient(), hello()).await;
    for garbage in [b"".as_slice(), b"GET / HTTP/1.1\r\n\r\n", &[0x16, 0x03, 0x01], &[0xff; 512]] {
        let mut client = server.connect().await;
        client.write_all(garbage).await.unwrap();
        drop(client);
    }
    dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default())
        .await
        .expect("the listener lives");
}

async fn misbehave(stream: TcpStream, how: usize, secure: bool) {
    match (how % 3, secure) {
        (0, _) => closed(&mut { stream }).await,
        (1, false) => trickle(stream, endless_head()).await,
        (1, true) => trickle(stream, endless_hello()).await,
        (_, false) => trickle(stream, HTTP2_HELLO.iter().copied()).await,
        (_, true) => trickle(stream, iter::once(0x16)).await,
    }
}

/// Opens 300 bad connections, runs the normal client while they all are there, and waits for the last to be closed.
async fn besiege(server: &Running, secure: bool, normal_client: impl Future<Output = ()>) {
    let mut attackers = JoinSet::new();
    for how in 0..300 {
        attackers.spawn(misbehave(server.connect().await, how, secure));
    }
    let start = Instant::now();
    soon("a normal client", normal_client).await;
    assert!(attackers.try_join_next().is_none(), "all of them were there for the whole time");
    assert!(start.elapsed() < SIEGE / 2, "the normal client waited {:?}", start.elapsed());
    while let Some(attacker) = soon("the attackers' end", attackers.join_next()).await {
        attacker.unwrap();
    }
}

/// Long enough that 300 connections are all open while the normal client has its turn.
const SIEGE: std::time::Duration = std::time::Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_do_not_block_rest() {
    let limits = Limits { first_request: SIEGE, ..patient() };
    let server = start(None, limits, hello()).await;
    besiege(&server, false, async { ask(&mut server.connect().await, "hello").await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_do_not_block_grpc() {
    let (peer, caller) = (identity(), identity());
    let limits = Limits { handshake: SIEGE, http2_only: true, ..patient() };
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = start(Some(server_config(&peer)), limits, tonic::service::Routes::new(health)).await;
    besiege(&server, true, async {
        let channel = dial(&server.peer_address(), &caller, peer.peer_id(), DialOptions::default()).await.unwrap();
        HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    })
    .await;
}
