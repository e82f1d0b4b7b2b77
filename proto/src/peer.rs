//! The gRPC interface between peers, generated from `proto/peer.proto`.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated; the documentation stands in the .proto file"
)]

tonic::include_proto!("enjambre.peer.v1");

/// The interface as `google.protobuf.FileDescriptorSet`, encoded.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("peer");

/// Path of the call whose answers are the bytes of pieces: both ends frame those by hand.
pub const FETCH_PIECES: &str = "/enjambre.peer.v1.Transfer/FetchPieces";
/// Most pieces that one of its messages asks for, and most that it takes back.
pub const MOST_PIECES: usize = 64;
