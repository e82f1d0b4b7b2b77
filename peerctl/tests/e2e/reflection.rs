//! A peer's interface, as tools for gRPC find it: asked from the peer itself, where it was told to answer that.

use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};
use transport::Identity;

use crate::world::{Peer, World};

/// One question of a stranger, without a ticket.
#[tokio::main(flavor = "current_thread")]
async fn ask(peer: &Peer, stranger: &Identity, question: MessageRequest) -> Result<MessageResponse, Status> {
    let channel = peer.dial(stranger).await;
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let answers = ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::once(question)).await?;
    answers.into_inner().next().await.unwrap()?.message_response.ok_or_else(|| Status::internal("no answer"))
}

#[test]
fn a_peer_that_may_says_what_it_can_be_asked() {
    let world = World::new();
    let one = world.peer_with("1", &["--reflection"]);
    let stranger = Identity::load_or_create(&world.path("stranger.pem")).unwrap();
    let services = ask(&one, &stranger, MessageRequest::ListServices(String::new())).unwrap();
    let MessageResponse::ListServicesResponse(services) = services else { panic!("{services:?}") };
    let mut names: Vec<String> = services.service.into_iter().map(|ServiceResponse { name }| name).collect();
    names.sort();
    let expected = [
        "enjambre.peer.v1.Peer",
        "enjambre.peer.v1.Transfer",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];
    assert_eq!(names, expected);

    let call = MessageRequest::FileContainingSymbol("enjambre.peer.v1.Transfer.FetchPieces".to_owned());
    let file = ask(&one, &stranger, call).unwrap();
    let MessageResponse::FileDescriptorResponse(file) = file else { panic!("{file:?}") };
    assert!(file.file_descriptor_proto.iter().any(|file| file.windows(18).any(|text| text == b"FetchPiecesRequest")));
}

#[test]
fn others_do_not() {
    let world = World::new();
    let one = world.peer("1");
    let stranger = Identity::load_or_create(&world.path("stranger.pem")).unwrap();
    let refused = ask(&one, &stranger, MessageRequest::ListServices(String::new())).unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
