//! What people put behind the loop: warp filters and tonic routes.

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialOptions, Limits, PeerIdentity, RemoteAddress, dial, server_config};
use warp::Filter;

use super::support::{ask, identity, start};

#[tokio::test]
async fn a_warp_filter_over_plain_http_sees_the_remote_address() {
    let filter = warp::ext::get::<RemoteAddress>().map(|remote: RemoteAddress| format!("you are {}", remote.0));
    let server = start(None, Limits::default(), warp::service(filter)).await;
    let mut client = server.connect().await;
    let me = client.local_addr().unwrap();
    ask(&mut client, &format!("you are {me}")).await;
    ask(&mut client, &format!("you are {me}")).await;
    assert_eq!(server.stop().await.cut, 0);
}

#[tokio::test]
async fn grpc_health_over_pinned_tls() {
    let (peer, caller) = (identity(), identity());
    let (_reporter, health) = tonic_health::server::health_reporter();
    let routes = tonic::service::Routes::new(health);
    let server = start(Some(server_config(&peer)), Limits::http2_only(), routes).await;

    let channel = dial(&server.peer_address(), &caller, peer.peer_id(), DialOptions::default()).await.unwrap();
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    assert_eq!(server.stop().await.cut, 0);
}

#[tokio::test]
async fn the_service_sees_who_calls() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    let (peer, caller) = (identity(), identity());
    let whoami = tower::service_fn(|request: http::Request<hyper::body::Incoming>| async move {
        let caller = request.extensions().get::<PeerIdentity>().copied();
        Ok(http::Response::new(format!("{caller:?}")))
    });
    let server = start(Some(server_config(&peer)), Limits::http2_only(), whoami).await;
    let channel = dial(&server.peer_address(), &caller, peer.peer_id(), DialOptions::default()).await.unwrap();

    let answer = channel.oneshot(http::Request::new(tonic::body::Body::empty())).await.unwrap();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let expected = Some(PeerIdentity { peer_id: caller.peer_id(), key: caller.public_key() });
    assert_eq!(text, format!("{expected:?}").as_bytes());
}
