//! Typed ids, names and sizes. Each has one textual form; parsing it is the only way in from outside, so that a value of
//! one of these types is well-formed wherever it turns up.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

mod keys;
mod names;
mod sizes;

pub use keys::{Challenge, InstanceId, PublicKey, Signature};
pub use names::{FileName, PeerAddress, PeerName, SourceUrl, UserName};
pub use sizes::{ByteCount, Rate};

/// Why a text is not what it should be. The message is a whole clause: "`x` is not a file id: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0)]
pub struct Malformed(String);

impl Malformed {
    pub(crate) fn new(what: &str, text: &str, why: impl fmt::Display) -> Self {
        Self(format!("`{}` is not {what}: {why}", text.escape_debug()))
    }
}

/// Serde, `Debug` by way of the one textual form, for a type that has `Display` and `FromStr`.
macro_rules! textual {
    ($($name:ty),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )+};
}
pub(crate) use textual;

/// Identity of a file: BLAKE3 of its content; 64 hex digits, exactly what `b3sum` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId([u8; 32]);

impl FileId {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The id of some content, hashed at once.
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// Identity of a simulated file: a name, a URL and a size without content. Two announcers of the same three share it.
    /// The domain keeps it apart from the id of any real content.
    pub fn simulated(name: &FileName, url: &str, size: ByteCount) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("enjambre 2026 simulated file v1");
        for field in [name.as_str().as_bytes(), url.as_bytes()] {
            hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
        }
        hasher.update(&size.as_u64().to_le_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// First digits, enough for people to tell files apart in a table.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..6])
    }
}

impl From<blake3::Hash> for FileId {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for FileId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        decode_hex(text).map(Self).ok_or_else(|| Malformed::new("a file id", text, "64 hex digits are expected"))
    }
}

/// Identity of a peer: the first 160 bits of BLAKE3 over its public key, under a domain of its own; 32 lower-case base32
/// digits (RFC 4648). 160 bits keep a second key with the same id out of reach (RFC 6920 puts its floor for names at 120).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId([u8; 20]);

impl PeerId {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// The id that a key stands for.
    pub fn of(key: &PublicKey) -> Self {
        let hash = blake3::derive_key("enjambre 2026 peer id v1", key.as_bytes());
        let mut id = [0; 20];
        id.copy_from_slice(&hash[..20]);
        Self(id)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// From the 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The id in eight groups of four, for reading aloud and comparing.
    pub fn grouped(&self) -> String {
        let text = self.to_string();
        let groups: Vec<&str> = (0..8).map(|i| &text[i * 4..i * 4 + 4]).collect();
        groups.join("-")
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for PeerId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain: String = text.chars().filter(|c| *c != '-').collect();
        BASE32_NOPAD
            .decode(plain.to_ascii_uppercase().as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| Malformed::new("a peer id", text, "32 digits of a-z and 2-7 are expected"))
    }
}

/// Number of a transfer within one peer; never reused by that peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TransferId(pub u64);

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TransferId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse()
            .map(Self)
            .map_err(|_| Malformed::new("a transfer id", text, "a number as `transfers` shows it is expected"))
    }
}

textual!(FileId, PeerId);

/// Exactly `N` bytes out of `2·N` hex digits of either case.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_id_is_what_b3sum_prints() {
        let id = FileId::of(b"");
        assert_eq!(id.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
        assert_eq!(id.to_string().to_uppercase().parse::<FileId>().unwrap(), id);
    }

    #[test]
    fn malformed_ids_are_refused_by_name() {
        let error = "af13\u{1b}".parse::<FileId>().unwrap_err().to_string();
        assert_eq!(error, r"`af13\u{1b}` is not a file id: 64 hex digits are expected");
        assert!("abc".parse::<PeerId>().is_err());
    }

    #[test]
    fn peer_id_reads_back_in_groups_too() {
        let id = PeerId::of(&PublicKey::from_bytes([7; 32]));
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.grouped().parse::<PeerId>().unwrap(), id);
    }

    #[test]
    fn simulated_files_differ_in_every_field() {
        let name: FileName = "a".parse().unwrap();
        let id = FileId::simulated(&name, "http://x", ByteCount::new(1));
        assert_eq!(id, FileId::simulated(&name, "http://x", ByteCount::new(1)));
        assert_ne!(id, FileId::simulated(&name, "http://x", ByteCount::new(2)));
        assert_ne!(id, FileId::simulated(&name, "http://y", ByteCount::new(1)));
        assert_ne!(id, FileId::simulated(&"ah".parse().unwrap(), "ttp://x", ByteCount::new(1)));
    }
}
