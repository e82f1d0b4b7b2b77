//! Tickets: short-lived signed permission to fetch from other peers, bound to the key of the peer that shows them.
//!
//! A ticket is a PASETO v4.public token (Ed25519). The directory signs it, the requesting peer carries it, the serving
//! peer checks it without asking anybody: signature by a key that the directory publishes, audience, time, and that it was
//! made out to the very peer at the other end of the TLS connection. Stolen, it is worth nothing to anyone else.
//!
//! Time is the directory's ([`Verifier::check`] takes it as an argument), so wall clocks on the peers do not matter.

use std::collections::BTreeMap;
use std::fmt;

use pasetors::Public;
use pasetors::keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate};
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Timestamp;
use crate::ids::{PeerId, PublicKey, UserName};

/// What the token is for: keeps a ticket from meaning anything where another kind of token is expected.
const PURPOSE: &[u8] = b"enjambre peer ticket v1";
/// Longest token that is looked at, in bytes. Ours have about 400.
const LONGEST: usize = 2048;

/// Names one of a directory's keys: the first 16 hex digits of BLAKE3 over it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The name of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self(blake3::hash(key.as_bytes()).to_hex().as_str()[..16].to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a ticket says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Which directory's peers it is for.
    pub aud: String,
    /// The peer that may show it.
    pub sub: PeerId,
    /// Whose peer that is.
    pub user: UserName,
    /// Since when.
    pub iat: Timestamp,
    /// Until when; from then on it is refused.
    pub exp: Timestamp,
}

/// The footer: signed, but readable before the check.
#[derive(Serialize, Deserialize)]
struct Footer {
    kid: KeyId,
}

/// Why a ticket opens nothing. The code is stable; it goes to the peer that showed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// None was shown.
    #[error("no ticket was shown")]
    Missing,
    /// It is not a ticket, or its signature does not hold.
    #[error("the ticket is not genuine")]
    Forged,
    /// It was signed with a key that this peer does not know.
    #[error("the ticket was signed with an unknown key")]
    UnknownKey,
    /// It is for the peers of another directory.
    #[error("the ticket is for another directory's peers")]
    Foreign,
    /// It was made out to another peer.
    #[error("the ticket is another peer's")]
    NotYours,
    /// Its time is over, or has not begun.
    #[error("the ticket has expired")]
    Expired,
    /// The serving peer has no keys yet: it has not spoken to its directory since it started.
    #[error("this peer cannot check tickets yet")]
    NotReady,
}

impl Refused {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "ticket-missing",
            Self::Forged => "ticket-forged",
            Self::UnknownKey => "ticket-unknown-key",
            Self::Foreign => "ticket-foreign",
            Self::NotYours => "ticket-of-another-peer",
            Self::Expired => "ticket-expired",
            Self::NotReady => "not-ready",
        }
    }
}

/// A directory's signing key.
pub struct Signer {
    secret: AsymmetricSecretKey<V4>,
    public: PublicKey,
}

impl Signer {
    /// Draws a new key; answers it with its 64 secret bytes, which are to be kept.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<(Self, Zeroizing<[u8; 64]>), pasetors::errors::Error> {
        let pair = AsymmetricKeyPair::<V4>::generate()?;
        let mut bytes = Zeroizing::new([0; 64]);
        bytes.copy_from_slice(pair.secret.as_bytes());
        Ok((Self::from_secret(&bytes)?, bytes))
    }

    /// From the 64 bytes that [`Signer::generate`] gave: seed and public key (the form of RFC 8032 implementations).
    ///
    /// # Errors
    /// They are not such a key.
    pub fn from_secret(bytes: &[u8; 64]) -> Result<Self, pasetors::errors::Error> {
        let secret = AsymmetricSecretKey::<V4>::from(bytes)?;
        let mut public = [0; 32];
        public.copy_from_slice(&bytes[32..]);
        Ok(Self { secret, public: PublicKey::from_bytes(public) })
    }

    /// What peers check with.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs a ticket.
    ///
    /// # Errors
    /// The claims cannot be encoded; does not happen with ours.
    pub fn sign(&self, claims: &Claims) -> Result<String, pasetors::errors::Error> {
        let encode = |_| pasetors::errors::Error::PaserkParsing;
        let message = serde_json::to_vec(claims).map_err(encode)?;
        let footer = serde_json::to_vec(&Footer { kid: KeyId::of(&self.public) }).map_err(encode)?;
        PublicToken::sign(&self.secret, &message, Some(&footer), Some(PURPOSE))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", KeyId::of(&self.public))
    }
}

/// Checks tickets with what a directory has published.
#[derive(Debug, Clone)]
pub struct Verifier {
    audience: String,
    keys: BTreeMap<KeyId, PublicKey>,
}

impl Verifier {
    /// For tickets of that audience, signed with one of those keys.
    pub fn new(audience: String, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { audience, keys: keys.into_iter().map(|key| (KeyId::of(&key), key)).collect() }
    }

    /// The keys that it accepts.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// What a ticket says, if it is genuine, for this audience, and made out to that peer. Its time is the caller's to
    /// check, with [`Claims::at`]: a verdict on the rest can be kept.
    ///
    /// # Errors
    /// Why it opens nothing.
    pub fn check(&self, token: &str, shown_by: &PeerId) -> Result<Claims, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::Forged);
        }
        let untrusted = UntrustedToken::<Public, V4>::try_from(token).map_err(|_| Refused::Forged)?;
        let footer: Footer = serde_json::from_slice(untrusted.untrusted_footer()).map_err(|_| Refused::Forged)?;
        let key = self.keys.get(&footer.kid).ok_or(Refused::UnknownKey)?;
        let key = AsymmetricPublicKey::<V4>::from(key.as_bytes()).map_err(|_| Refused::UnknownKey)?;
        let trusted = PublicToken::verify(&key, &untrusted, None, Some(PURPOSE)).map_err(|_| Refused::Forged)?;
        let claims: Claims = serde_json::from_str(trusted.payload()).map_err(|_| Refused::Forged)?;
        if claims.aud != self.audience {
            return Err(Refused::Foreign);
        }
        if claims.sub != *shown_by {
            return Err(Refused::NotYours);
        }
        Ok(claims)
    }
}

impl Claims {
    /// Whether they hold at that time of the directory's. A ticket from the future is one whose time has not begun; some
    /// slack covers the time that the reply with the clock in it was under way.
    ///
    /// # Errors
    /// [`Refused::Expired`].
    pub fn at(&self, now: Timestamp) -> Result<(), Refused> {
        let slack = jiff::SignedDuration::from_secs(60);
        if now < self.exp && self.iat <= now + slack { Ok(()) } else { Err(Refused::Expired) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 20])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claims() -> Claims {
        Claims { aud: "d".into(), sub: peer(1), user: "u".parse().unwrap(), iat: at(1000), exp: at(1600) }
    }

    #[test]
    fn a_good_ticket_opens_and_only_for_its_peer() {
        let (signer, secret) = Signer::generate().unwrap();
        let token = Signer::from_secret(&secret).unwrap().sign(&claims()).unwrap();
        let verifier = Verifier::new("d".into(), [signer.public_key()]);
        assert_eq!(verifier.check(&token, &peer(1)), Ok(claims()));
        assert_eq!(verifier.check(&token, &peer(2)), Err(Refused::NotYours));
        let elsewhere = Verifier::new("e".into(), [signer.public_key()]);
        assert_eq!(elsewhere.check(&token, &peer(1)), Err(Refused::Foreign));
        let stranger = Verifier::new("d".into(), [Signer::generate().unwrap().0.public_key()]);
        assert_eq!(stranger.check(&token, &peer(1)), Err(Refused::UnknownKey));
    }

    #[test]
    fn tampering_is_noticed_everywhere() {
        let (signer, _) = Signer::generate().unwrap();
        let token = signer.sign(&claims()).unwrap();
        let verifier = Verifier::new("d".into(), [signer.public_key()]);
        for at in (0..token.len()).step_by(7) {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            if text != token {
                assert!(verifier.check(&text, &peer(1)).is_err(), "position {at}");
            }
        }
        for garbage in ["", "v4.public.", "v4.local.abc", &"x".repeat(5000), "v4.public.é"] {
            assert_eq!(verifier.check(garbage, &peer(1)), Err(Refused::Forged), "{garbage}");
        }
    }

    #[test]
    fn time_is_the_directorys() {
        for (now, ok) in [(930, false), (940, true), (1000, true), (1599, true), (1600, false), (9999, false)] {
            assert_eq!(claims().at(at(now)).is_ok(), ok, "{now}");
        }
    }
}
