//! A set of pieces of one file, one bit each.
//!
//! Invariant: no bit beyond the length is ever set, and `ones` is the number of bits that are.

use std::fmt;

use super::Piece;
use super::words::Words;

const WORD: usize = u64::BITS as usize;

/// A set of pieces of fixed length. Pieces beyond the length are never in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    words: Words,
    len: u32,
    ones: u32,
}

impl Bitfield {
    /// None of `len` pieces.
    pub fn new(len: u32) -> Self {
        Self { words: Words::filled((len as usize).div_ceil(WORD), 0), len, ones: 0 }
    }

    /// All of `len` pieces.
    pub fn full(len: u32) -> Self {
        let mut words = Words::filled((len as usize).div_ceil(WORD), u64::MAX);
        if let (Some(last), used @ 1..) = (words.last_mut(), len % u64::BITS) {
            *last = (1 << used) - 1;
        }
        Self { words, len, ones: len }
    }

    /// Reads one bit per piece, lowest bit of the first byte first. `None` when the bytes are not exactly as many as
    /// `len` pieces take, or a bit beyond `len` is set.
    pub fn from_bytes(len: u32, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != (len as usize).div_ceil(8) {
            return None;
        }
        let mut words = Words::filled((len as usize).div_ceil(WORD), 0);
        for (i, &byte) in bytes.iter().enumerate() {
            words[i / 8] |= u64::from(byte) << (i % 8 * 8);
        }
        let beyond = len % u64::BITS;
        if beyond != 0 && words.last().is_some_and(|last| last >> beyond != 0) {
            return None;
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Some(Self { words, len, ones })
    }

    /// One bit per piece, lowest bit of the first byte first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate((self.len as usize).div_ceil(8));
        bytes
    }

    /// Adds `piece`; says whether that changed anything.
    pub fn set(&mut self, piece: Piece) -> bool {
        if piece.0 >= self.len {
            return false;
        }
        // No branch on what is there: a guess would be wrong half of the time, and whatever follows would wait for memory.
        let word = &mut self.words[piece.index() / WORD];
        let bit = piece.index() % WORD;
        let fresh = *word >> bit & 1 == 0;
        *word |= 1 << bit;
        self.ones += u32::from(fresh);
        fresh
    }

    /// Takes `piece` out; says whether that changed anything.
    pub fn clear(&mut self, piece: Piece) -> bool {
        let there = self.get(piece);
        if there {
            self.words[piece.index() / WORD] &= !(1 << (piece.index() % WORD));
            self.ones -= 1;
        }
        there
    }

    /// Whether `piece` is in the set.
    pub fn get(&self, piece: Piece) -> bool {
        self.words.get(piece.index() / WORD).is_some_and(|word| word >> (piece.index() % WORD) & 1 == 1)
    }

    /// How many pieces are in the set.
    pub const fn count(&self) -> u32 {
        self.ones
    }

    /// How many pieces could be in the set.
    pub const fn capacity(&self) -> u32 {
        self.len
    }

    /// Whether every piece is in the set.
    pub const fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether no piece is in the set.
    pub const fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// The pieces in the set, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = Piece> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| ones_of(at, word))
    }

    /// The same pieces among `len`.
    pub(crate) fn resized(self, len: u32) -> Self {
        if self.len == len {
            return self;
        }
        let mut resized = Self::new(len);
        for piece in self.iter() {
            resized.set(piece);
        }
        resized
    }

    pub(crate) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// The pieces in both sets that share the word `at`.
    pub(crate) fn common_in_word<'a>(&'a self, other: &'a Self, at: usize) -> impl Iterator<Item = Piece> + use<'a> {
        ones_of(at, self.words[at] & other.words[at])
    }
}

/// The pieces of one word: `word` holds the bits of pieces `at × 64` and on.
fn ones_of(at: usize, mut word: u64) -> impl Iterator<Item = Piece> {
    let first = u32::try_from(at * WORD).expect("a bitfield has at most 2^32 bits");
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < u64::BITS).then(|| Piece(first + bit))
    })
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.ones, self.len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_bit_of_the_first_byte_is_piece_0() {
        let field = Bitfield::from_bytes(10, &[0b0000_0101, 0b10]).unwrap();
        assert_eq!(field.iter().collect::<Vec<_>>(), [Piece(0), Piece(2), Piece(9)]);
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused() {
        assert_eq!(Bitfield::from_bytes(10, &[0]), None);
        assert_eq!(Bitfield::from_bytes(10, &[0, 0b100]), None);
        assert_eq!(Bitfield::from_bytes(0, &[]), Some(Bitfield::new(0)));
    }

    #[test]
    fn pieces_beyond_the_end_are_never_in() {
        let mut field = Bitfield::full(65);
        assert!(field.is_full() && field.get(Piece(64)) && !field.get(Piece(65)));
        assert!(!field.set(Piece(65)) && !field.clear(Piece(u32::MAX)));
        assert_eq!(field.count(), 65);
    }

    proptest! {
        #[test]
        fn a_set_survives_its_bytes(len in 0_u32..300, picks in prop::collection::vec(0_u32..300, 0..80)) {
            let mut field = Bitfield::new(len);
            for pick in picks {
                field.set(Piece(pick));
            }
            prop_assert_eq!(field.iter().count(), field.count() as usize);
            prop_assert_eq!(Bitfield::from_bytes(len, &field.to_bytes()), Some(field));
        }
    }
}
