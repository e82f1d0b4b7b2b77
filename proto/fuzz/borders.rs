//! What each fuzz target does with its input. The normal tests replay the committed corpus through the same functions.

use proto::control::{Incoming, RequestFrame};
use proto::ids::{ByteCount, FileId, PeerId};
use proto::manifest::Manifest;
use proto::ticket::{Signer, Verifier};

/// A line on the control socket, in either direction.
pub(crate) fn control_frame(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    if let Ok(frame) = RequestFrame::parse(line) {
        // What is understood can be said again, and means the same.
        let again = serde_json::to_string(&frame).expect("a frame is JSON");
        assert!(RequestFrame::parse(&again).is_ok(), "{again}");
    }
    drop(serde_json::from_str::<Incoming>(line));
}

/// A manifest from a holder: 32 bytes of id, 8 of size, the rest piece hashes; and a piece for it.
pub(crate) fn manifest(data: &[u8]) {
    let Some((head, hashes)) = data.split_at_checked(40) else { return };
    let id = FileId::from_bytes(head[..32].try_into().expect("32 bytes"));
    let size = ByteCount::new(u64::from_le_bytes(head[32..].try_into().expect("8 bytes")));
    if let Ok(manifest) = Manifest::decode(id, size, hashes) {
        for piece in [0, 1, manifest.geometry().count(), u32::MAX] {
            manifest.verify(piece, hashes);
        }
    }
}

/// A ticket from a stranger: never genuine, whatever it looks like.
pub(crate) fn ticket(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut secret = [7; 64];
    secret[32..].copy_from_slice(&PUBLIC);
    let key = Signer::from_secret(&secret).map(|signer| signer.public_key());
    let verifier = Verifier::new("fuzz".into(), key);
    assert!(verifier.check(text, &PeerId::from_bytes([1; 20])).is_err());
}

/// The Ed25519 public key of the seed `[7; 32]`.
const PUBLIC: [u8; 32] = [
    0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50, 0x7b, 0x13, 0x2e, 0xc5, 0xf9, 0x95, 0x47, 0x76,
    0xae, 0xbe, 0xbe, 0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69, 0x14, 0x46, 0xd2, 0x2c,
];
