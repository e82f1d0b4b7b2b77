//! The words of a bitfield: in place for files of up to 256 pieces, on the heap for larger ones.
//!
//! A peer keeps a bitfield or two for each of its neighbours and looks at one bit of one of them for every piece of
//! news. In place that is one cache line less to wait for, which is what the simulator's time went to. Files up to
//! 256 MiB have no more than 256 pieces.

use std::ops::{Deref, DerefMut};

const IN_PLACE: usize = 4;

#[derive(Clone, Debug)]
pub(super) enum Words {
    InPlace([u64; IN_PLACE], u8),
    Heap(Box<[u64]>),
}

impl Words {
    pub(super) fn filled(count: usize, word: u64) -> Self {
        match u8::try_from(count) {
            Ok(used) if count <= IN_PLACE => {
                let mut words = [0; IN_PLACE];
                words[..count].fill(word);
                Self::InPlace(words, used)
            }
            _ => Self::Heap(vec![word; count].into()),
        }
    }
}

impl Deref for Words {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        match self {
            Self::InPlace(words, used) => &words[..usize::from(*used)],
            Self::Heap(words) => words,
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u64] {
        match self {
            Self::InPlace(words, used) => &mut words[..usize::from(*used)],
            Self::Heap(words) => words,
        }
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Words {}
