//! Bodies of the REST interface under `/api/v1` (`directoryd` serves it, `peerd` calls it).
//!
//! Sizes are bytes, durations seconds, times RFC 3339 in UTC. Bodies that come in refuse unknown keys; bodies that go out
//! may gain keys, so readers ignore what they do not know.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::ids::{
    ByteCount, Challenge, FileId, FileName, InstanceId, PeerAddress, PeerId, PeerName, PublicKey, Signature, UserName,
};
use crate::secret::Secret;
use crate::ticket::KeyId;

mod problem;

pub use problem::{Problem, ProblemCode};

/// Most entries of one [`PatchFiles`], of a page of files, and of a page of peers.
pub const MOST_ENTRIES: usize = 1000;
/// Entries of a page where the caller names no number.
pub const USUAL_ENTRIES: usize = 100;

/// What an account may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs peers, reads what is shared.
    #[default]
    User,
    /// Manages accounts as well.
    Admin,
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err("a role is `user` or `admin`".into()),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::User => "user",
            Self::Admin => "admin",
        })
    }
}

/// `POST /sessions`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Account.
    pub username: UserName,
    /// Its password.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
}

/// Answer to a login, 201.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// Goes into `Authorization: Bearer …`. 256 random bits; the directory keeps only its hash.
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
}

/// `GET /sessions/current`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentSession {
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// Names a session without opening it: 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// From the bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl std::str::FromStr for SessionId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("a session id has {} hex digits", 2 * Self::LEN))
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `GET /sessions`, and with `?user=` an admin's look at somebody else's: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSession {
    /// For `DELETE /sessions/{id}`.
    pub id: SessionId,
    /// Account.
    pub user: UserName,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Where the login came from, as far as the directory can tell.
    pub address: Option<IpAddr>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// `POST /peers/challenge`, 201: a nonce for one registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuedChallenge {
    /// What has to be signed, by way of [`registration_message`].
    pub nonce: Challenge,
    /// When it ends unused.
    pub expires_at: Timestamp,
}

/// `PUT /peers/{peer_id}`: the peer proves its key and says where it listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterPeer {
    /// What people call it.
    pub name: PeerName,
    /// Where other peers reach it.
    pub address: PeerAddress,
    /// Its public key; the peer id in the path follows from it.
    pub key: PublicKey,
    /// From [`IssuedChallenge`].
    pub nonce: Challenge,
    /// By `key`, over [`registration_message`].
    pub signature: Signature,
    /// This start of the daemon: the newest registered one speaks for the peer, older ones are refused.
    pub instance: InstanceId,
    /// Version of the daemon.
    pub version: String,
}

/// The bytes that a peer signs to register. Length prefixes keep the fields apart; the first line keeps the signature from
/// meaning anything elsewhere.
pub fn registration_message(
    nonce: &Challenge,
    peer_id: &PeerId,
    instance: &InstanceId,
    name: &PeerName,
    address: &PeerAddress,
) -> Vec<u8> {
    let mut message = b"enjambre peer registration v1\n".to_vec();
    let fields: [&[u8]; 5] = [
        nonce.as_bytes(),
        peer_id.as_bytes(),
        instance.as_bytes(),
        name.as_str().as_bytes(),
        address.as_str().as_bytes(),
    ];
    for field in fields {
        message.extend((field.len() as u64).to_le_bytes());
        message.extend(field);
    }
    message
}

/// Answer to a registration (201 new, 200 known) and to a heartbeat (200).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lease {
    /// How long the peer counts as up from now on.
    #[serde(rename = "lease_s", with = "seconds")]
    pub lease: Duration,
    /// When to send the next heartbeat.
    #[serde(rename = "next_in_s", with = "seconds")]
    pub next_in: Duration,
    /// The directory's clock for tickets: not moved when somebody moves its wall clock while it runs.
    pub now: Timestamp,
    /// Permission to fetch from other peers: after a registration, and when half the life of the last one is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Ids of the keys that tickets may be signed with now; on any other set than before, read `GET /keys` again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<KeyId>,
}

/// A ticket as it is handed out; [`crate::ticket`] has what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Goes into the gRPC metadata `authorization: Bearer …`.
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// Until when it opens anything, by the directory's clock.
    pub expires_at: Timestamp,
}

/// `GET /keys`: what tickets are checked with. Needs no token: these are public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryKeys {
    /// What the tickets of this directory are for: drawn once, at its first start.
    pub audience: String,
    /// The newest first. It signs as soon as every peer that is up has had a heartbeat to learn it; the one before stays
    /// good until the last ticket signed with it has ended.
    pub keys: Vec<DirectoryKey>,
}

/// One of a directory's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryKey {
    /// Names it.
    pub key_id: KeyId,
    /// Ed25519.
    pub key: PublicKey,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// `POST /peers/{peer_id}/heartbeat`. 404: register again. 409: a newer instance speaks for the peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// As registered.
    pub instance: InstanceId,
}

/// Whether a peer is reachable as far as the directory knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// Its lease runs.
    Up,
    /// It logged out, or its lease ended.
    Down,
}

/// A peer, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Derived from its key.
    pub peer_id: PeerId,
    /// What people call it; not unique.
    pub name: PeerName,
    /// Whose it is.
    pub user: UserName,
    /// Where it listens.
    pub address: PeerAddress,
    /// Up or down.
    pub state: PeerState,
    /// Files that it holds completely.
    pub files: u64,
    /// Last sign of life.
    pub last_seen: Timestamp,
    /// Its public key.
    pub key: PublicKey,
    /// Version of its daemon.
    pub version: String,
}

/// How much of a file a peer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldingState {
    /// All of it.
    Complete,
    /// It is fetching it and serves what it has. Not counted in `holders`.
    Partial,
}

/// One file that a peer says it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// Which file.
    pub file_id: FileId,
    /// Under which name.
    pub name: FileName,
    /// Its size; every announcer of one id must agree.
    pub size: ByteCount,
    /// How much of it.
    pub state: HoldingState,
    /// Announced without content, as in the original course project.
    #[serde(default)]
    pub simulated: bool,
    /// Where a simulated file is said to come from. At most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One file that a peer no longer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// Which file.
    pub file_id: FileId,
    /// Only this name of it; without one, the file altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
}

/// `PATCH /peers/{peer_id}/files`; at most [`MOST_ENTRIES`] in both lists together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchFiles {
    /// To add or change.
    #[serde(default)]
    pub add: Vec<Announce>,
    /// To take away; what is not there is no fault.
    #[serde(default)]
    pub remove: Vec<Withdraw>,
}

/// Answer to [`PatchFiles`]: a result per entry, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchedFiles {
    /// Per entry of `add`.
    pub added: Vec<EntryResult>,
    /// Per entry of `remove`.
    pub removed: Vec<EntryResult>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryResult {
    /// Which file.
    pub file_id: FileId,
    /// Why it was refused; absent where it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A file under one name, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Which file.
    pub file_id: FileId,
    /// One name that it is shared under; a file with two names is listed under each.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Peers that hold all of it, up or down.
    pub holders: u64,
    /// Those of them that are up.
    pub holders_up: u64,
    /// Without content.
    pub simulated: bool,
    /// Of a simulated file.
    pub url: Option<String>,
}

/// `GET /files/{file_id}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDetail {
    /// Under its first name in alphabetical order.
    #[serde(flatten)]
    pub entry: FileEntry,
    /// Every name that it is shared under, in alphabetical order; at most 100.
    pub names: Vec<FileName>,
}

/// Someone to fetch a file from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who.
    pub peer_id: PeerId,
    /// What people call it.
    pub name: PeerName,
    /// Whose it is.
    pub user: UserName,
    /// Where it listens.
    pub address: PeerAddress,
    /// Up or down.
    pub state: PeerState,
    /// How much of the file it has.
    pub holding: HoldingState,
}

/// `GET /files/{file_id}/holders`: a random sample, peers that are up first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// The sample.
    pub items: Vec<Holder>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// In the order of the listing.
    pub items: Vec<T>,
    /// Goes into `cursor=` for the next page; `null` on the last one. Opaque.
    pub next: Option<String>,
}

/// An account, as admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name.
    pub name: UserName,
    /// What it may do.
    pub role: Role,
    /// A disabled account cannot log in.
    pub disabled: bool,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// `POST /users`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Name; no account may have it yet.
    pub name: UserName,
    /// First password.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    /// What it may do.
    #[serde(default)]
    pub role: Role,
}

/// `PATCH /users/{name}`: what is absent stays.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchUser {
    /// A disabled account cannot log in, and its sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// What it may do from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// `PUT /users/{name}/password`: ends every session of the account but the one that asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// From now on.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    /// What it was until now: whoever changes their own has to know it, an admin who changes another's does not.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_secret")]
    pub current: Option<Secret>,
}

/// `GET /stats`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Accounts.
    pub users: u64,
    /// Peers that ever registered.
    pub peers: u64,
    /// Those of them that are up.
    pub peers_up: u64,
    /// Files that somebody announces.
    pub files: u64,
    /// Their sizes together, each file once.
    pub bytes: u64,
}

/// `GET /version`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A secret of the wrong type must not turn up in the error, as serde would have it.
fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    Secret::deserialize(deserializer).map_err(|_| serde::de::Error::custom("a secret has to be a string"))
}

fn some_secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    secret(deserializer).map(Some)
}

/// Durations as a number of seconds, fractions allowed.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        match duration.subsec_nanos() {
            0 => serializer.serialize_u64(duration.as_secs()),
            _ => serializer.serialize_f64(duration.as_secs_f64()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_seconds() {
        let json = r#"{"lease_s":30,"next_in_s":9.5,"now":"2026-01-02T03:04:05Z"}"#;
        let lease: Lease = serde_json::from_str(json).unwrap();
        assert_eq!((lease.lease, lease.next_in), (Duration::from_secs(30), Duration::from_millis(9500)));
        assert_eq!(serde_json::to_string(&lease).unwrap(), json);
        assert!(serde_json::from_str::<Lease>(&json.replace("30", "-1")).is_err());
    }

    #[test]
    fn errors_do_not_repeat_secrets() {
        for body in [
            r#"{"username":"ana","password":8675309}"#,
            r#"{"username":"ana","password":["8675309"]}"#,
            r#"{"username":"ana","password":"8675309""#,
        ] {
            let error = serde_json::from_str::<LoginRequest>(body).unwrap_err().to_string();
            assert!(!error.contains("8675309"), "{error}");
        }
        let error =
            serde_json::from_str::<NewPassword>(r#"{"password":"x","current":8675309}"#).unwrap_err().to_string();
        assert!(!error.contains("8675309"), "{error}");
    }

    #[test]
    fn registration_messages_differ_in_every_field() {
        let message = |name: &str, address: &str| {
            let (nonce, instance) = (Challenge::from_bytes([1; 32]), InstanceId::from_bytes([2; 16]));
            let id = PeerId::from_bytes([3; 20]);
            registration_message(&nonce, &id, &instance, &name.parse().unwrap(), &address.parse().unwrap())
        };
        assert_ne!(message("a", "bc:1"), message("ab", "c:1"));
    }
}
