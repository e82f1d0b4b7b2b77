//! Columns to typed values and back. What does not parse was not written by us: the database is damaged.

use std::fmt::Display;
use std::str::FromStr;

use proto::Timestamp;
use proto::directory::SharesDigest;
use proto::ids::{FileId, InstanceId, PeerId, PublicKey};
use proto::ticket::Signer;

use super::{Answer, StoreError};

fn damaged(what: impl Display) -> StoreError {
    StoreError::Broken(format!("damaged row: {what}"))
}

/// A column that holds the textual form of a type.
pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Answer<T> {
    text.parse().map_err(damaged)
}

fn array<const N: usize>(bytes: &[u8]) -> Answer<[u8; N]> {
    bytes.try_into().map_err(|_| damaged(format_args!("{} bytes instead of {N}", bytes.len())))
}

pub(super) fn file_id(bytes: &[u8]) -> Answer<FileId> {
    array(bytes).map(FileId::from_bytes)
}

pub(super) fn peer_id(bytes: &[u8]) -> Answer<PeerId> {
    array(bytes).map(PeerId::from_bytes)
}

pub(super) fn public_key(bytes: &[u8]) -> Answer<PublicKey> {
    array(bytes).map(PublicKey::from_bytes)
}

pub(super) fn instance_id(bytes: &[u8]) -> Answer<InstanceId> {
    array(bytes).map(InstanceId::from_bytes)
}

pub(super) fn digest(bytes: &[u8]) -> Answer<SharesDigest> {
    array(bytes).map(SharesDigest::from_bytes)
}

pub(super) fn token_hash(bytes: &[u8]) -> Answer<[u8; 32]> {
    array(bytes)
}

pub(super) fn signer(secret: &[u8]) -> Answer<Signer> {
    Signer::from_secret(&array(secret)?).map_err(|_| damaged("a signing key"))
}

pub(super) fn time(milliseconds: i64) -> Answer<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(damaged)
}

/// A count or size; the columns are signed because SQL knows no other.
pub(super) fn count(number: i64) -> Answer<u64> {
    u64::try_from(number).map_err(damaged)
}

/// The other way: what does not fit was refused at the door.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
