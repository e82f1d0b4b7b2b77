//! What other peers may cost this one.

use transport::Limits;

/// Pieces that are read and hashed at the same time. Each holds one piece in memory: 32 of the usual size are 32 MiB.
pub const READS: usize = 32;
/// Most pieces of one request.
pub const MOST_PIECES: u32 = 64;
/// Bytes of one message: as much as one HTTP/2 frame of a peer carries, so that a piece of 1 MiB is four frames.
pub const PART: usize = 256 << 10;
/// Parts that wait for a slow reader; the next piece is read when there is room again.
pub const PARTS_AHEAD: usize = 4;
/// Piece hashes of one message, in bytes.
pub const MANIFEST_PART: usize = 64 << 10;

/// Limits of the connections: gRPC only.
pub fn connections() -> Limits {
    Limits::http2_only()
}
