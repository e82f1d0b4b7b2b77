//! Amounts of bytes and rates, as people write and read them.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use super::Malformed;

/// A number of bytes. On the wire a plain integer; for people `700MiB`, `1.5 GiB`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ByteCount(u64);

impl ByteCount {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// From a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From mebibytes.
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The difference, or nothing where there is none.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for ByteCount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for ByteCount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for ByteCount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::iter::Sum for ByteCount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Binary units (IEC 80000-13), largest first.
const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = UNITS.iter().find(|(_, scale)| self.0 >= *scale).unwrap_or(&UNITS[4]);
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        let text =
            if *scale == 1 { format!("{} B", self.0) } else { format!("{:.1} {unit}", self.0 as f64 / *scale as f64) };
        f.pad(&text)
    }
}

impl FromStr for ByteCount {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("a size", text, "a number of bytes, or one with B, KiB, MiB, GiB or TiB is expected");
        let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = text.trim()[digits.len()..].to_ascii_lowercase();
        let scale = match unit.as_str() {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| name.to_ascii_lowercase() == unit).ok_or_else(malformed)?.1,
        };
        scaled(digits.trim(), scale).map(Self).ok_or_else(malformed)
    }
}

/// A rate of transfer. Written `100Mbit` (bits per second) or `10MiB` (bytes per second).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Rate(u64);

impl Rate {
    /// From bytes per second.
    pub const fn bytes_per_second(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes per second.
    pub const fn as_bytes_per_second(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", ByteCount(self.0)))
    }
}

impl FromStr for Rate {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("a rate", text, "bits as in 100Mbit, or bytes per second as in 10MiB, are expected");
        let plain = text.trim().trim_end_matches("/s");
        // Bits come in powers of ten, as links are sold.
        for (unit, bits) in [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)] {
            if let Some(digits) = plain.to_ascii_lowercase().strip_suffix(unit) {
                return scaled(digits.trim(), bits)
                    .map(|bits| Self(bits / 8))
                    .filter(|rate| rate.0 > 0)
                    .ok_or_else(malformed);
            }
        }
        plain.parse::<ByteCount>().map(|bytes| Self(bytes.0)).ok().filter(|rate| rate.0 > 0).ok_or_else(malformed)
    }
}

/// A decimal number times a scale, if it is one and fits.
fn scaled(digits: &str, scale: u64) -> Option<u64> {
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    if !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let amount = digits.parse::<f64>().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range"
    )]
    let bytes = (amount * scale as f64).round() as u64;
    (amount.is_finite() && bytes < u64::MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written() {
        for (text, bytes) in
            [("0", 0), ("12", 12), ("700MiB", 700 << 20), ("1.5 GiB", 3 << 29), ("2kib", 2048), ("3B", 3)]
        {
            assert_eq!(text.parse::<ByteCount>().unwrap().as_u64(), bytes, "{text}");
        }
        for bad in ["", "-1", "MiB", "1XB", "1e3", "99999999999TiB", "nan"] {
            assert!(bad.parse::<ByteCount>().is_err(), "{bad}");
        }
        assert_eq!(ByteCount::new(1536 << 20).to_string(), "1.5 GiB");
        assert_eq!(ByteCount::new(1023).to_string(), "1023 B");
    }

    #[test]
    fn rates_read_as_written() {
        for (text, rate) in [
            ("100Mbit", 12_500_000),
            ("10MiB", 10 << 20),
            ("10MiB/s", 10 << 20),
            ("8bit", 1),
            ("1.5gbit/s", 187_500_000),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().as_bytes_per_second(), rate, "{text}");
        }
        for bad in ["", "0", "0Mbit", "fast", "1bit"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
