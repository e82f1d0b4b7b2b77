//! Peers: proving a key, staying up, tickets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::secret;
use super::{PartDigests, SharesDigest};
use crate::Timestamp;
use crate::ids::{Challenge, InstanceId, PeerAddress, PeerId, PeerName, PublicKey, Signature, UserName};
use crate::secret::Secret;
use crate::ticket::KeyId;

/// `POST /peers/challenge`, 201: a nonce for one registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct IssuedChallenge {
    /// What has to be signed, by way of [`registration_message`].
    pub nonce: Challenge,
    /// When it ends unused.
    pub expires_at: Timestamp,
}

/// `PUT /peers/{peer_id}`: the peer proves its key and says where it listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Of what the peer believes the directory to list of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares_digest: Option<SharesDigest>,
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Lease {
    /// How long the peer counts as up from now on.
    #[serde(rename = "lease_s", with = "seconds")]
    #[cfg_attr(feature = "schema", schema(value_type = f64, minimum = 0.0))]
    pub lease: Duration,
    /// When to send the next heartbeat.
    #[serde(rename = "next_in_s", with = "seconds")]
    #[cfg_attr(feature = "schema", schema(value_type = f64, minimum = 0.0))]
    pub next_in: Duration,
    /// The directory's clock for tickets: not moved when somebody moves its wall clock while it runs.
    pub now: Timestamp,
    /// Permission to fetch from other peers: after a registration, and when half the life of the last one is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Ids of the keys that tickets may be signed with now; on any other set than before, read `GET /keys` again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<KeyId>,
    /// Of what the directory lists of this peer: after a registration, and after a heartbeat that brought another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares_digest: Option<SharesDigest>,
    /// Of each part of it, where the peer believed in another: whoever knows a part to be another reads it with
    /// `GET /peers/{peer_id}/files?partial=true&part=`, and announces the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_digests: Option<PartDigests>,
}

/// A ticket as it is handed out; [`crate::ticket`] has what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Ticket {
    /// Goes into the gRPC metadata `authorization: Bearer …`.
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// Until when it opens anything, by the directory's clock.
    pub expires_at: Timestamp,
}

/// `GET /keys`: what tickets are checked with. Needs no token: these are public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DirectoryKeys {
    /// What the tickets of this directory are for: drawn once, at its first start.
    pub audience: String,
    /// The newest first. It signs as soon as every peer that is up has had a heartbeat to learn it; the one before stays
    /// good until the last ticket signed with it has ended.
    pub keys: Vec<DirectoryKey>,
}

/// One of a directory's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// As registered.
    pub instance: InstanceId,
    /// Of what the peer believes the directory to list of it; a peer that is announcing just now leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares_digest: Option<SharesDigest>,
}

/// Whether a peer is reachable as far as the directory knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// Its lease runs.
    Up,
    /// It logged out, or its lease ended.
    Down,
}

/// A peer, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    fn registration_messages_differ_in_every_field() {
        let message = |name: &str, address: &str| {
            let (nonce, instance) = (Challenge::from_bytes([1; 32]), InstanceId::from_bytes([2; 16]));
            let id = PeerId::from_bytes([3; 20]);
            registration_message(&nonce, &id, &instance, &name.parse().unwrap(), &address.parse().unwrap())
        };
        assert_ne!(message("a", "bc:1"), message("ab", "c:1"));
    }
}
