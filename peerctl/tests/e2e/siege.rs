//! Clients that say nothing, or hardly anything, at a peer's port: they hold up nobody, and do not stay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::ids::PeerId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use transport::{Identity, Limits, client_config};

use crate::world::{World, content, write};

const CLIENTS: usize = 300;
/// A TLS record that announces 16 KiB, and the beginning of a `ClientHello`.
const HALF_A_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc];
/// The HTTP/2 preface, and the head of a SETTINGS frame that announces 16,380 bytes: polite, and no request.
const HALF_OF_THE_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\x3f\xfc\x04\0\0\0\0\0";

/// Says the first part at once, then a byte now and then, until the other end has had enough.
async fn say_little(stream: impl AsyncRead + AsyncWrite, first: &[u8], drip: Option<u8>) {
    let (mut reads, mut writes) = tokio::io::split(stream);
    let speaking = async {
        let _ = writes.write_all(first).await;
        while let Some(byte) = drip {
            if writes.write_all(&[byte]).await.is_err() || writes.flush().await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        std::future::pending::<()>().await;
    };
    let closed = async { while !matches!(reads.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
    tokio::select! {
        () = speaking => unreachable!("it goes on for ever"),
        () = closed => {}
    }
}

/// One of the ways to be a nuisance; for how long the peer put up with it.
async fn besiege(way: usize, address: SocketAddr, peer: PeerId, identity: Identity) -> Duration {
    let (start, stream) = (Instant::now(), TcpStream::connect(address).await.unwrap());
    let shake_hands = async |stream| {
        let connector = TlsConnector::from(Arc::new(client_config(&identity, peer)));
        connector.connect("peer.invalid".try_into().unwrap(), stream).await.unwrap()
    };
    match way % 5 {
        0 => say_little(stream, b"", None).await,
        1 => say_little(stream, HALF_A_HELLO, None).await,
        2 => say_little(stream, HALF_A_HELLO, Some(0)).await,
        3 => say_little(shake_hands(stream).await, b"", None).await,
        _ => say_little(shake_hands(stream).await, HALF_OF_THE_SETTINGS, Some(0)).await,
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_silent_clients_hold_up_no_peer_and_do_not_stay() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let bytes = content(3_000_000);
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    let (peer, identity) = (one.id(), Identity::load_or_create(&world.path("nuisance.pem")).unwrap());

    let mut besiegers = JoinSet::new();
    for way in 0..CLIENTS {
        besiegers.spawn(besiege(way, one.address, peer, identity.clone()));
    }
    let start = Instant::now();
    let (listed, done) = (two.ask(["list-files", "--via", "1"]), two.ask(["download", "f"]));
    let took = start.elapsed();
    assert_eq!((&listed["items"][0]["name"], &done["verified"]), (&"f".into(), &true.into()));
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
    assert!(besiegers.try_join_next().is_none(), "all of them were there for the whole {took:?}");
    assert!(took < Duration::from_secs(5), "the siege held it up for {took:?}");

    // The clocks that they run into, one after the other at worst, and room for a busy machine.
    let Limits { handshake, first_request, .. } = Limits::http2_only();
    let longest = handshake + first_request + Duration::from_secs(5);
    let stayed = tokio::time::timeout(longest, besiegers.join_all()).await.expect("none outlives its clocks");
    assert_eq!(stayed.len(), CLIENTS);
}
