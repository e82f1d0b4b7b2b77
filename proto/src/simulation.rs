//! What-if questions to the simulator, and its answers: one form for the control socket and for files that are kept.
//!
//! A scenario says all that decides the answer, the constants of the world included; the same scenario has the same answer
//! on any machine. In a file (TOML) every amount is written with its unit.

use serde::{Deserialize, Serialize};

use crate::ids::{ByteCount, Rate};

mod units;

pub use units::{Portion, Span};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Machines that want the file.
    pub peers: u32,
    /// Bytes of the file.
    #[serde(with = "units::size")]
    pub size: ByteCount,
    /// Bytes of a piece; as the product cuts them where it is missing.
    #[serde(with = "units::maybe_size", skip_serializing_if = "Option::is_none")]
    pub piece_size: Option<ByteCount>,
    /// Uplink of those who fetch.
    #[serde(with = "units::rate")]
    pub up: Rate,
    /// Downlink of those who fetch.
    #[serde(with = "units::rate")]
    pub down: Rate,
    /// Uplinks of those who have all of it at the start, one each.
    #[serde(with = "units::rates")]
    pub seed_up: Vec<Rate>,
    /// One way between any two machines.
    pub latency: Span,
    /// Packets lost.
    pub loss: Portion,
    /// How many of those who fetch leave for good before they are done.
    pub churn: Portion,
    /// Peers that lie about what they have, for all that fetch.
    pub liars: Portion,
    /// Time over which those who fetch begin, one after another; all at once where it is none.
    pub arrivals: Span,
    /// In which order pieces are fetched.
    pub piece_order: PieceOrder,
    /// Decides all luck.
    pub seed: u64,
    /// What the world costs; those of the daemon that is asked where they are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constants: Option<Constants>,
}

impl Default for Scenario {
    /// 64 MiB to 16 machines on links of 50 Mbit/s each way, from one seed on such a link.
    fn default() -> Self {
        let link = Rate::bytes_per_second(6_250_000);
        Self {
            peers: 16,
            size: ByteCount::mib(64),
            piece_size: None,
            up: link,
            down: link,
            seed_up: vec![link],
            latency: Span::from_micros(1000),
            loss: Portion::NONE,
            churn: Portion::NONE,
            liars: Portion::NONE,
            arrivals: Span::from_micros(0),
            piece_order: PieceOrder::Rarest,
            seed: 1,
            constants: None,
        }
    }
}

impl Scenario {
    /// As a file that can be kept.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a scenario has no key that TOML lacks")
    }
}

/// In which order the pieces of a file are fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceOrder {
    /// What fewest have: everybody gets everything soonest.
    #[default]
    Rarest,
    /// From the first to the last: a file can be read while it comes, and comes later.
    InOrder,
}

impl std::fmt::Display for PieceOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Rarest => "rarest",
            Self::InOrder => "in-order",
        })
    }
}

impl std::str::FromStr for PieceOrder {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rarest" => Ok(Self::Rarest),
            "in-order" => Ok(Self::InOrder),
            other => Err(format!("`{}` is neither rarest nor in-order", other.escape_debug())),
        }
    }
}

/// What the world costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// Where the figures come from.
    pub source: String,
    /// Bytes on the wire for each thousand of a piece beyond them.
    pub header_permille: u32,
    /// Bytes on the uplink for each piece beyond its own.
    pub request_bytes: u32,
    /// From a request's arrival to the first byte of its answer.
    pub service: Span,
    /// To verify and write 1 MiB.
    pub verify_per_mib: Span,
    /// Round trips before a new connection carries its first message.
    pub handshake_trips: u32,
    /// What a new connection takes beyond these.
    pub connect: Span,
}

/// An answer, whole or so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was simulated, constants included.
    pub scenario: Scenario,
    /// Whether it ran to its end.
    pub complete: bool,
    /// When the first had everything, in virtual seconds.
    pub first_s: Option<f64>,
    /// When half of those who did not leave had everything.
    pub median_s: Option<f64>,
    /// When 99 of 100 had.
    pub p99_s: Option<f64>,
    /// When the last had; nothing while somebody has not.
    pub last_s: Option<f64>,
    /// The least time in which any protocol can do it.
    pub bound_s: f64,
    /// `last_s` over `bound_s`.
    pub ratio: Option<f64>,
    /// Copies of the file that the holders at the start sent, headers included.
    pub seed_copies: f64,
    /// Bytes that came twice or in vain, of all that were wanted.
    pub duplicates: f64,
    /// What keeps it from being faster.
    pub limited_by: LimitedBy,
    /// How many have everything.
    pub finished: u32,
    /// How many left before.
    pub left: u32,
    /// How long the simulation took by the wall clock, in seconds.
    pub elapsed_s: f64,
    /// The picture over time.
    pub samples: Vec<Sample>,
}

/// What keeps a swarm from being faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitedBy {
    /// The uplinks of those who had the file at the start.
    HoldersUplink,
    /// All uplinks together.
    AllUplinks,
    /// The downlinks of those who fetch.
    Downlinks,
    /// Nothing moves any more.
    Stuck,
}

impl LimitedBy {
    /// As on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HoldersUplink => "holders-uplink",
            Self::AllUplinks => "all-uplinks",
            Self::Downlinks => "downlinks",
            Self::Stuck => "stuck",
        }
    }

    /// As a person reads it.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::HoldersUplink => "the uplink of those who had it at the start",
            Self::AllUplinks => "all uplinks together",
            Self::Downlinks => "the downlinks of those who fetch",
            Self::Stuck => "nothing: somebody will never have everything",
        }
    }
}

/// The state at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in virtual seconds.
    pub at_s: f64,
    /// How many had everything.
    pub finished: u32,
    /// How much of their uplinks those used since the sample before who had it at the start, from 0 to 1.
    pub seeds_use: f64,
    /// The same of everybody who is there.
    pub uplinks_use: f64,
    /// Copies of the rarest piece among those who fetch.
    pub rarest: u32,
    /// Copies of a piece among them on average.
    pub mean_copies: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_scenario_reads_as_it_was() {
        let constants = Constants {
            source: "measured".into(),
            header_permille: 48,
            request_bytes: 200,
            service: Span::from_micros(200),
            verify_per_mib: Span::from_micros(701),
            handshake_trips: 3,
            connect: Span::from_micros(1500),
        };
        let scenario = Scenario {
            piece_size: Some(ByteCount::new(256 << 10)),
            size: ByteCount::new((64 << 20) + 1),
            loss: "0.1%".parse().unwrap(),
            arrivals: "2min".parse().unwrap(),
            constants: Some(constants),
            piece_order: PieceOrder::InOrder,
            ..Scenario::default()
        };
        let text = scenario.to_toml();
        assert!(text.contains("up = \"50Mbit\"") && text.contains("latency = \"1ms\""), "{text}");
        assert_eq!(toml::from_str::<Scenario>(&text).unwrap(), scenario, "{text}");
        assert_eq!(toml::from_str::<Scenario>("peers = 8\nsize = 1048576").unwrap().size, ByteCount::mib(1));
        let error = toml::from_str::<Scenario>("piers = 8").unwrap_err().to_string();
        assert!(error.contains("piers"), "{error}");
    }
}
