//! What is simulated, and the constants of the world it happens in.

use std::time::Duration;

use crate::core::Config as FetchConfig;
use crate::serve::Config as ServeConfig;
use crate::timers::scale;

/// A question to the simulator. All of it, constants and policies included, decides the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Machines that want the file.
    pub peers: u32,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of a piece.
    pub piece_size: u32,
    /// Uplink of those who fetch, in bytes per second.
    pub up: u64,
    /// Downlink of those who fetch, in bytes per second.
    pub down: u64,
    /// Uplinks of those who have the file at the start, in bytes per second; at least one.
    pub holders: Vec<u64>,
    /// One way between any two machines.
    pub latency: Duration,
    /// Packets lost, in millionths.
    pub loss_ppm: u32,
    /// How many in a thousand of those who fetch leave for good before they are done.
    pub churn_permille: u32,
    /// Liars for a thousand of those who fetch, in turn of every kind in [`Lie::ALL`].
    pub liars_permille: u32,
    /// When those who fetch begin.
    pub arrivals: Arrivals,
    /// Decides all luck.
    pub seed: u64,
    /// What the world costs.
    pub constants: Constants,
    /// Policy of fetching.
    pub fetch: FetchConfig,
    /// Policy of serving.
    pub serve: ServeConfig,
}

/// When those who fetch begin.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// All at the beginning.
    AtOnce,
    /// One after another, evenly over this time.
    Over(Duration),
}

/// A way of not being what one says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Says it has everything and sends wrong bytes.
    WrongBytes,
    /// Says it has everything and refuses every piece.
    Refuses,
    /// Says it has everything and never answers.
    Silent,
}

impl Lie {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::WrongBytes, Self::Refuses, Self::Silent];
}

/// What the world costs. To be measured on real machines; the defaults are what is known without measuring.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Constants {
    /// Bytes on the wire for each thousand of a piece beyond them: 66 of 1,514 in a full Ethernet frame are headers
    /// (14 + 20 + 32), and TLS and HTTP/2 add 0.2 %. Acknowledgements of what goes the other way take 16 more where links
    /// are full both ways (measured on links of 50 Mbit/s: one of 70 bytes for every 4.4 kB).
    pub header_permille: u32,
    /// Bytes on the uplink for each piece beyond its own: heads of HTTP/2 frames (two of 9), what stands before the bytes (up to
    /// 16), the head and tag of a TLS record more (22), the headers of a packet that is filled partly (half of 66).
    pub request_bytes: u32,
    /// Time from an ask's arrival to the first byte sent: scheduling, reading.
    pub service: Duration,
    /// Time to verify and write 1 MiB. BLAKE3 hashes 5 GiB/s on one core and a page cache takes 2 GiB/s.
    pub verify_per_mib: Duration,
    /// Round trips before a new connection carries its first message: TCP, TLS 1.3, HTTP/2 settings.
    pub handshake_trips: u32,
    /// What a new connection takes beyond these: signatures, key agreement.
    pub connect: Duration,
}

impl Default for Constants {
    fn default() -> Self {
        Self {
            header_permille: 64,
            request_bytes: 90,
            service: Duration::from_micros(200),
            verify_per_mib: Duration::from_micros(700),
            handshake_trips: 3,
            connect: Duration::from_millis(2),
        }
    }
}

impl Default for Scenario {
    /// 64 MiB to 16 machines on links of 50 Mbit/s each way, from one seed on such a link.
    fn default() -> Self {
        Self {
            peers: 16,
            size: 64 << 20,
            piece_size: 256 << 10,
            up: 6_250_000,
            down: 6_250_000,
            holders: vec![6_250_000],
            latency: Duration::from_millis(1),
            loss_ppm: 0,
            churn_permille: 0,
            liars_permille: 0,
            arrivals: Arrivals::AtOnce,
            seed: 1,
            constants: Constants::default(),
            fetch: FetchConfig::default(),
            serve: ServeConfig::default(),
        }
    }
}

impl Scenario {
    /// Liars there are.
    pub fn liars(&self) -> u32 {
        u32::try_from(u64::from(self.peers) * u64::from(self.liars_permille) / 1000).unwrap_or(u32::MAX)
    }

    /// How long nothing may arrive before a simulation is given up: an hour, and what a piece takes to fifty
    /// neighbours at once on the slowest uplink there is.
    pub(super) fn patience(&self) -> Duration {
        let uplinks = self.holders.iter().chain([&self.up]).copied();
        let slowest = uplinks.filter(|&up| up > 0).min().unwrap_or(1);
        let slow_piece = scale(u64::from(self.piece_size) * 50, 1_000_000_000, slowest);
        Duration::from_hours(1) + Duration::from_nanos(slow_piece)
    }
}
