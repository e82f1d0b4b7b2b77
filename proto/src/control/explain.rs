//! What holds a transfer up, and who gives how much: the long answer about one transfer.

use serde::{Deserialize, Serialize};

use super::Transfer;
use crate::ids::{ByteCount, PeerId, PeerName, Rate, TransferId};

/// Parameters of `explain`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Which.
    pub transfer_id: TransferId,
}

/// Answer to `explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The transfer itself.
    pub transfer: Transfer,
    /// What limits it now.
    pub limit: Limit,
    /// The same in words.
    pub because: String,
    /// Rate that it is held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<Rate>,
    /// Its pieces.
    pub pieces: PieceCount,
    /// Bytes asked for that have not come.
    pub in_flight: ByteCount,
    /// Bytes that came though they were there already.
    pub duplicates: ByteCount,
    /// Everybody who was ever asked.
    pub sources: Vec<SourceFigures>,
}

/// Pieces of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceCount {
    /// Checked and stored.
    pub stored: u32,
    /// In all; 0 while the manifest is not there.
    pub total: u32,
}

/// One who was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceFigures {
    /// Its name.
    pub peer: PeerName,
    /// Its id.
    pub peer_id: PeerId,
    /// How it is with it.
    pub state: SourceState,
    /// Bytes of pieces that were checked and stored.
    pub bytes: ByteCount,
    /// Bytes per second while it had something to answer; 0 before its first piece.
    pub rate: u64,
    /// Seconds from asking for a piece until it was stored, smoothed; 0 before its first piece.
    pub delay_s: f64,
    /// Pieces that it has, as far as it says.
    pub pieces: u32,
    /// Bytes asked of it that have not come.
    pub in_flight: ByteCount,
    /// Requests that it refused, lost, or answered too late, over all conversations.
    pub failures: u32,
    /// Why it is not asked now, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Eq for SourceFigures {}

/// How it is with one who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// It has requests to answer.
    Active,
    /// It has nothing more to give, or waits to be asked.
    Idle,
    /// It owes an answer for longer than it may.
    Slow,
    /// It failed lately, and is asked again later.
    Resting,
    /// It failed too often in this conversation.
    LeftAlone,
    /// There is no conversation with it.
    Away,
    /// It lied, and is not asked again for this file.
    Banned,
}

impl std::fmt::Display for SourceState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Resting => "resting",
            Self::LeftAlone => "left alone",
            Self::Away => "away",
            Self::Banned => "banned",
        })
    }
}

/// What limits a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Nothing any more: it has ended.
    Over,
    /// The user.
    Paused,
    /// A full disk.
    Room,
    /// Nobody to fetch from.
    NoHolders,
    /// It has not begun: holders are looked for, or what is there is checked.
    Preparing,
    /// All is there and being made safe on the disk.
    Finishing,
    /// Its own rate.
    TransferRate,
    /// The rate of all downloads together.
    DownloadRate,
    /// The rate for each other peer.
    PeerRate,
    /// Disk and processor of this machine.
    Disk,
    /// The holders serve others first.
    Turn,
    /// The uplinks of the holders.
    HoldersUplink,
    /// The downlink of this machine.
    Downlink,
    /// The pace at which a holder pretends.
    Pretence,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Over => "over",
            Self::Paused => "paused",
            Self::Room => "room",
            Self::NoHolders => "no-holders",
            Self::Preparing => "preparing",
            Self::Finishing => "finishing",
            Self::TransferRate => "transfer-rate",
            Self::DownloadRate => "download-rate",
            Self::PeerRate => "peer-rate",
            Self::Disk => "disk",
            Self::Turn => "turn",
            Self::HoldersUplink => "holders-uplink",
            Self::Downlink => "downlink",
            Self::Pretence => "pretence",
        })
    }
}
