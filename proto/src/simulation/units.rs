//! Amounts as people write them in a file: `64MiB`, `50Mbit`, `1ms`, `0.1%`. A bare number is bytes, bytes per second, or
//! seconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// A length of time in whole microseconds, as in `250us`, `1ms`, `30s`, `2min`, `1h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span(Duration);

const UNITS: [(&str, u64); 5] = [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl Span {
    /// From microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// The time.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let fits = |(_, unit): &&(&str, u64)| micros > 0 && micros.is_multiple_of(u128::from(*unit));
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1_000_000));
        f.pad(&format!("{}{name}", micros / u128::from(*unit)))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{}` is no time as in 250us, 1ms, 30s, 2min or 1h", text.escape_debug());
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let scale = match &text[digits.len()..] {
            "" => 1_000_000,
            "m" => 60_000_000,
            name => UNITS.iter().find(|(unit, _)| *unit == name).ok_or_else(malformed)?.1,
        };
        parse_decimal(digits, scale).map(Self::from_micros).ok_or_else(malformed)
    }
}

/// A part of a whole in millionths, as in `33%`, `0.1%` or `0.33`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Portion(u32);

impl Portion {
    /// Nothing of it.
    pub const NONE: Self = Self(0);

    /// From 0 to a million.
    pub const fn as_millionths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        let decimals = format!(".{rest:04}");
        let decimals = decimals.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{whole}{decimals}%"))
    }
}

impl FromStr for Portion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, scale) = match text.strip_suffix('%') {
            Some(percent) => (percent, 10_000),
            None => (text, 1_000_000),
        };
        let parts = parse_decimal(digits, scale).and_then(|parts| u32::try_from(parts).ok());
        let malformed = || format!("`{}` is no part from 0% to 100%", text.escape_debug());
        parts.filter(|parts| *parts <= 1_000_000).map(Self).ok_or_else(malformed)
    }
}

/// A decimal number times a scale, exactly, rounded down to whole ones.
fn parse_decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || decimals.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let tens = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let rest = u128::from(format!("0{decimals}").parse::<u64>().ok()?) * u128::from(scale) / tens;
    whole.checked_add(u64::try_from(rest).ok()?)
}

/// Reads a text, or a bare number as if it were one.
struct Reader<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount with its unit")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

fn read<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Reader(std::marker::PhantomData))
}

macro_rules! written {
    ($($name:ty),+) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer)
            }
        }
    )+};
}
written!(Span, Portion);

/// Sizes that lose nothing: in the largest unit of which they are a multiple.
pub(super) mod size {
    use super::{Deserializer, Serializer, read};
    use crate::ids::ByteCount;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(size: &ByteCount, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*size))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteCount, D::Error> {
        read(deserializer)
    }

    pub(super) fn text(size: ByteCount) -> String {
        let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
        let fits = |(_, unit): &&(&str, u64)| size.as_u64() > 0 && size.as_u64().is_multiple_of(*unit);
        let (name, unit) = units.iter().find(fits).unwrap_or(&("B", 1));
        format!("{}{name}", size.as_u64() / unit)
    }
}

/// The same, where there may be none.
pub(super) mod maybe_size {
    use super::{Deserializer, Serializer, read, size};
    use crate::ids::ByteCount;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(it: &Option<ByteCount>, serializer: S) -> Result<S::Ok, S::Error> {
        match it {
            Some(it) => size::serialize(it, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ByteCount>, D::Error> {
        read(from).map(Some)
    }
}

/// Rates that lose nothing: in bits where they are whole megabits, else in bytes.
pub(super) mod rate {
    use super::{Deserializer, Serializer, read, size};
    use crate::ids::{ByteCount, Rate};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(rate: &Rate, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*rate))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        read(deserializer)
    }

    pub(super) fn text(rate: Rate) -> String {
        let bits = u128::from(rate.as_bytes_per_second()) * 8;
        if bits.is_multiple_of(1_000_000) {
            return format!("{}Mbit", bits / 1_000_000);
        }
        size::text(ByteCount::new(rate.as_bytes_per_second()))
    }
}

/// A list of them.
pub(super) mod rates {
    use super::{Deserialize, Deserializer, Serializer, rate};
    use crate::ids::Rate;

    #[derive(serde::Serialize, Deserialize)]
    struct Item(#[serde(with = "rate")] Rate);

    pub(in super::super) fn serialize<S: Serializer>(rates: &[Rate], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(rates.iter().map(|rate| Item(*rate)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rate>, D::Error> {
        Ok(Vec::<Item>::deserialize(deserializer)?.into_iter().map(|item| item.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_written() {
        for (text, micros) in [("250us", 250), ("1ms", 1000), ("30s", 30_000_000), ("2min", 120_000_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Span::from_micros(micros)), "{text}");
            assert_eq!(Span::from_micros(micros).to_string(), text);
        }
        assert_eq!("1.5".parse(), Ok(Span::from_micros(1_500_000)));
        for bad in ["", "-1s", "1 s", "soon", "1e3", "99999999999999999999h"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn portions_read_as_written() {
        for (text, parts) in [("33%", 330_000), ("0.1%", 1000), ("0%", 0), ("100%", 1_000_000), ("12.3456%", 123_456)] {
            assert_eq!(text.parse(), Ok(Portion(parts)), "{text}");
            assert_eq!(Portion(parts).to_string(), text);
        }
        assert_eq!("0.33".parse(), Ok(Portion(330_000)));
        for bad in ["", "101%", "2", "-1%", "x"] {
            assert!(bad.parse::<Portion>().is_err(), "{bad}");
        }
    }
}
