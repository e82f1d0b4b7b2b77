//! Key material and what is signed with it, as hex on the wire.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::{Malformed, decode_hex, textual};

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From the bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                decode_hex(text).map(Self).ok_or_else(|| {
                    Malformed::new($what, text, format_args!("{} hex digits are expected", 2 * $len))
                })
            }
        }

        textual!($name);
    };
}

hex_bytes!(
    /// Ed25519 public key of a peer (RFC 8032): 64 hex digits.
    PublicKey, 32, "a public key"
);
hex_bytes!(
    /// Ed25519 signature: 128 hex digits.
    Signature, 64, "a signature"
);
hex_bytes!(
    /// A nonce that the directory gives out once and a peer signs: 64 hex digits.
    Challenge, 32, "a challenge"
);
hex_bytes!(
    /// One start of one `peerd`, drawn at random: tells a copied state folder from the original.
    InstanceId, 16, "an instance id"
);
