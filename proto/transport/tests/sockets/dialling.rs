//! `dial`: the pin, and each way in which a peer is not reached.

use proto::ids::PeerAddress;
use tokio::net::TcpListener;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialError, DialOptions, Identity, Limits, dial, server_config, web_server_config};

use super::support::{LONG, Running, SHORT, hello, identity, patient, soon, start, start_on};

fn serve_health_on(listener: TcpListener, peer: &Identity) -> Running {
    let (_reporter, health) = tonic_health::server::health_reporter();
    start_on(listener, Some(server_config(peer)), patient(), tonic::service::Routes::new(health))
}

async fn serve_health(peer: &Identity) -> Running {
    serve_health_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), peer)
}

async fn failure(address: &PeerAddress, expected: &Identity, options: DialOptions) -> DialError {
    soon("dial to fail", dial(address, &identity(), expected.peer_id(), options)).await.expect_err("it cannot succeed")
}

#[tokio::test]
async fn another_key_than_the_pin_ends_in_the_handshake_and_harms_nobody_else() {
    let (peer, meant) = (identity(), identity());
    let server = serve_health(&peer).await;
    for _ in 0..20 {
        match failure(&server.peer_address(), &meant, DialOptions::default()).await {
            DialError::WrongKey { expected, presented, .. } => {
                assert_eq!((expected, presented), (meant.peer_id(), peer.peer_id()));
            }
            other => panic!("{other}"),
        }
    }
    dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default())
        .await
        .expect("the listener lives");
}

#[tokio::test]
async fn the_pin_holds_when_the_channel_reconnects() {
    let peer = identity();
    let server = serve_health(&peer).await;
    let address = server.address;
    let channel = dial(&server.peer_address(), &identity(), peer.peer_id(), DialOptions::default()).await.unwrap();
    let mut health = HealthClient::new(channel);
    health.check(HealthCheckRequest::default()).await.unwrap();
    let _ = server.stop().await;

    let impostor = identity();
    let _server = serve_health_on(TcpListener::bind(address).await.unwrap(), &impostor);
    let cause = soon("the channel to notice", async {
        loop {
            // The first call may still fall into the old connection.
            let status = health.check(HealthCheckRequest::default()).await.expect_err("an impostor answers");
            if let Some(cause) = DialError::cause(&status) {
                return cause.clone();
            }
        }
    })
    .await;
    assert!(matches!(cause, DialError::WrongKey { presented, .. } if presented == impostor.peer_id()), "{cause}");
}

#[tokio::test]
async fn nobody_there() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string().parse().unwrap();
    let error = failure(&address, &identity(), DialOptions::default()).await;
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");

    let unknown = "no-such-host.invalid:5001".parse().unwrap();
    let error = failure(&unknown, &identity(), DialOptions::default()).await;
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn somebody_who_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string().parse().unwrap();
    let error = failure(&address, &identity(), DialOptions { connect_timeout: SHORT, ..DialOptions::default() }).await;
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("no answer within 500ms"), "{error}");
}

#[tokio::test]
async fn something_else_than_a_peer() {
    let server = start(None, Limits { first_request: SHORT, ..patient() }, hello()).await;
    let error = failure(&server.peer_address(), &identity(), DialOptions::default()).await;
    assert!(matches!(error, DialError::Tls { .. }), "{error}");

    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (chain, secret) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    let web = start(Some(web_server_config(&chain, &secret).unwrap()), patient(), hello()).await;
    let error = failure(&web.peer_address(), &identity(), DialOptions::default()).await;
    assert!(matches!(error, DialError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_half_open_connection_is_found() {
    let peer = identity();
    let server = serve_health(&peer).await;
    let (middle, frozen) = freezable_proxy(server.address).await;
    let options = DialOptions { keepalive_interval: SHORT, keepalive_timeout: SHORT, ..DialOptions::default() };
    let channel = dial(&middle, &identity(), peer.peer_id(), options).await.unwrap();
    let mut watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().is_some(), "the stream is open");

    frozen.cancel();
    soon("the break to be found", watch.message()).await.expect_err("nobody is there any more");
}

/// Copies bytes both ways until it is told to stop; then it keeps both connections open and lets nothing through.
async fn freezable_proxy(to: std::net::SocketAddr) -> (PeerAddress, tokio_util::sync::CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let frozen = tokio_util::sync::CancellationToken::new();
    let stop = frozen.clone();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
        let copying = tokio::io::copy_bidirectional(&mut near, &mut far);
        let _ = stop.run_until_cancelled(copying).await;
        tokio::time::sleep(LONG).await;
    });
    (address, frozen)
}
