//! How much one session may ask: `1000`, or `off`.

use std::num::NonZeroU32;
use std::str::FromStr;

use serde::Deserialize;

/// Requests per second of one session in the long run; bursts of five seconds' worth are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxRequests {
    /// So many.
    PerSecond(NonZeroU32),
    /// As many as it likes.
    Off,
}

impl MaxRequests {
    /// Where nothing else is said. A peer that announces a hundred thousand files sends a hundred requests.
    pub const USUAL: Self = Self::PerSecond(NonZeroU32::new(1000).unwrap());

    /// The number, where there is one.
    pub const fn limit(self) -> Option<NonZeroU32> {
        match self {
            Self::PerSecond(limit) => Some(limit),
            Self::Off => None,
        }
    }
}

impl FromStr for MaxRequests {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let unknown = |_| format!("`{}` is neither a number from 1 on nor `off`", text.escape_debug());
        text.parse().map(Self::PerSecond).map_err(unknown)
    }
}

impl<'de> Deserialize<'de> for MaxRequests {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number from 1 on or `off` is expected")]
        enum Written {
            Number(NonZeroU32),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(limit) => Ok(Self::PerSecond(limit)),
            Written::Word(word) => word.parse().map_err(serde::de::Error::custom),
        }
    }
}
