//! What other peers may cost this one.

use std::time::Duration;

use transport::Limits;

/// Pieces that are read and hashed at the same time. Each holds one piece in memory: 32 of the usual size are 32 MiB.
pub const READS: usize = 32;
/// Bytes of one message, at most: as much as one HTTP/2 frame of a peer carries, and a whole piece of the usual size.
pub const LARGEST_PART: usize = 1 << 20;
/// Largest piece that is read and hashed where it is sent from, if it is in memory: that takes half a millisecond.
pub const LARGEST_READ_AT_ONCE: u32 = 1 << 20;
/// And at least: what a frame costs is no longer worth speaking of.
pub const SMALLEST_PART: usize = 32 << 10;
/// From this size on, whatever there is room for may wait on a connection.
pub const UNHELD_PART: usize = 256 << 10;
/// On a slow link a part takes no longer than this, so that news and cancelled pieces do not wait behind it.
pub const PART_TIME: Duration = Duration::from_millis(10);
/// Piece hashes of one message, in bytes.
pub const MANIFEST_PART: usize = 64 << 10;

/// Limits of the connections: gRPC only.
pub fn connections() -> Limits {
    Limits::http2_only()
}
