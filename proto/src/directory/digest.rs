//! A digest of what a peer shares, by which it and the directory see in 32 bytes whether they have the same list.

use std::fmt;
use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::HoldingState;
use crate::ids::{FileId, FileName, Malformed, decode_hex, textual};

/// Keeps these hashes apart from all others.
const DOMAIN: &[u8; 32] = b"enjambre 2026 share of a peer v1";
/// An id, a state, the longest name.
const LONGEST: usize = FileId::LEN + 1 + FileName::LONGEST;

/// The sum, modulo 2²⁵⁶, of a BLAKE3 hash per share; 64 hex digits. A share is a file under a name, and how much of it is
/// there: a size, or the URL of a simulated file, follows from the id.
///
/// The order in which shares come and go does not matter, and each costs one hash and one addition, however many there are:
/// `AdHash` (Bellare and Micciancio, 1997, "A New Paradigm for Collision-free Hashing"; as a hash of sets, Clarke et al.,
/// 2003). Whoever may choose very many shares can find two sets of one digest (Wagner, 2002), and gains nothing by it: the
/// digest is of his own peer's list, which he may make wrong in simpler ways.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SharesDigest([u64; 4]);

impl SharesDigest {
    /// Of nothing.
    pub const EMPTY: Self = Self([0; 4]);

    /// Of one share.
    pub fn of(file: &FileId, name: &FileName, state: HoldingState) -> Self {
        let mut share = [0; LONGEST];
        let name = name.as_str().as_bytes();
        share[..FileId::LEN].copy_from_slice(file.as_bytes());
        share[FileId::LEN] = match state {
            HoldingState::Partial => 0,
            HoldingState::Complete => 1,
        };
        let end = FileId::LEN + 1 + name.len();
        share[FileId::LEN + 1..end].copy_from_slice(name);
        Self::from_bytes(*blake3::keyed_hash(DOMAIN, &share[..end]).as_bytes())
    }

    /// From the 32 bytes, the lowest first.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (limbs, _) = bytes.as_chunks();
        Self(std::array::from_fn(|index| u64::from_le_bytes(limbs[index])))
    }

    /// The 32 bytes, the lowest first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (limbs, _) = bytes.as_chunks_mut();
        for (to, from) in limbs.iter_mut().zip(self.0) {
            *to = from.to_le_bytes();
        }
        bytes
    }
}

/// Parts of a peer's list, by the first byte of the file id: where two lists differ, a digest of each tells in which of them.
pub const PARTS: usize = 256;

/// Digests of the parts, [`PARTS`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(min_items = 256, max_items = 256))]
#[serde(transparent)]
pub struct PartDigests(Vec<SharesDigest>);

impl PartDigests {
    /// Of a list, given as its files and the digests of their shares.
    pub fn of(shares: impl Iterator<Item = (FileId, SharesDigest)>) -> Self {
        let mut parts = vec![SharesDigest::EMPTY; PARTS];
        for (file, digest) in shares {
            parts[usize::from(part_of(&file))] += digest;
        }
        Self(parts)
    }

    /// Parts in which the other list is another; all of them where it was not cut into parts like this one.
    pub fn differing(&self, other: &Self) -> Vec<u8> {
        let differs = |part: &u8| {
            let part = usize::from(*part);
            self.0.get(part).is_none_or(|digest| other.0.get(part) != Some(digest))
        };
        (0..=u8::MAX).filter(differs).collect()
    }
}

impl SubAssign for PartDigests {
    fn sub_assign(&mut self, other: Self) {
        for (digest, other) in self.0.iter_mut().zip(other.0) {
            *digest -= other;
        }
    }
}

/// Which part a file belongs to.
pub fn part_of(file: &FileId) -> u8 {
    file.as_bytes()[0]
}

impl AddAssign for SharesDigest {
    fn add_assign(&mut self, other: Self) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            (*limb, carry) = limb.carrying_add(other, carry);
        }
    }
}

impl SubAssign for SharesDigest {
    fn sub_assign(&mut self, other: Self) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            (*limb, borrow) = limb.borrowing_sub(other, borrow);
        }
    }
}

impl Sum for SharesDigest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::EMPTY, |mut sum, digest| {
            sum += digest;
            sum
        })
    }
}

impl fmt::Display for SharesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.to_bytes()))
    }
}

impl FromStr for SharesDigest {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let digits = decode_hex(text).map(Self::from_bytes);
        digits.ok_or_else(|| Malformed::new("a digest of shares", text, "64 hex digits are expected"))
    }
}

textual!(SharesDigest);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(number: u8) -> SharesDigest {
        let state = if number.is_multiple_of(2) { HoldingState::Complete } else { HoldingState::Partial };
        SharesDigest::of(&FileId::of(&[number / 4]), &format!("name {}", number % 4).parse().unwrap(), state)
    }

    #[test]
    fn every_part_of_a_share_counts() {
        let (file, name) = (FileId::of(b"x"), "a".parse().unwrap());
        let one = SharesDigest::of(&file, &name, HoldingState::Complete);
        assert_ne!(one, SharesDigest::of(&file, &name, HoldingState::Partial));
        assert_ne!(one, SharesDigest::of(&file, &"b".parse().unwrap(), HoldingState::Complete));
        assert_ne!(one, SharesDigest::of(&FileId::of(b"y"), &name, HoldingState::Complete));
        let longest = "n".repeat(FileName::LONGEST).parse().unwrap();
        assert_ne!(one, SharesDigest::of(&file, &longest, HoldingState::Complete));
    }

    #[test]
    fn it_is_one_number_on_every_machine() {
        let digest = SharesDigest::of(&FileId::of(b"x"), &"a".parse().unwrap(), HoldingState::Complete);
        let mut bytes = FileId::of(b"x").as_bytes().to_vec();
        bytes.extend(b"\x01a");
        assert_eq!(digest.to_bytes(), *blake3::keyed_hash(DOMAIN, &bytes).as_bytes());
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let mut most = SharesDigest([u64::MAX; 4]);
        most += SharesDigest([2, 0, 0, 0]);
        assert_eq!(most, SharesDigest([1, 0, 0, 0]), "carried through and off");
        most -= SharesDigest([2, 0, 0, 0]);
        assert_eq!(most, SharesDigest([u64::MAX; 4]));
    }

    #[test]
    fn parts_tell_where_lists_differ() {
        let list = |numbers: std::ops::Range<u8>| PartDigests::of(numbers.map(|n| (FileId::of(&[n / 4]), share(n))));
        assert!(list(0..40).differing(&list(0..40)).is_empty());
        assert_eq!(list(0..40).differing(&list(0..44)), [part_of(&FileId::of(&[10]))]);
        assert_eq!(list(0..1).differing(&PartDigests(Vec::new())).len(), PARTS);
        assert_eq!(PartDigests(Vec::new()).differing(&PartDigests(Vec::new())).len(), PARTS);
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_it_is_the_digest_of_what_is_there(steps in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut there = std::collections::BTreeSet::new();
            let mut digest = SharesDigest::EMPTY;
            for step in steps {
                if there.insert(step) {
                    digest += share(step);
                } else {
                    there.remove(&step);
                    digest -= share(step);
                }
            }
            prop_assert_eq!(digest, there.iter().rev().map(|number| share(*number)).sum());
            let bytes = SharesDigest::from_bytes(digest.to_bytes());
            prop_assert_eq!(bytes, digest);
        }
    }
}
