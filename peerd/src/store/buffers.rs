//! Memory that pieces are read into, used again: a large block that is taken from the system for each piece, and given back
//! after it, costs as much as hashing it, a page fault for every 4 KiB of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes that are kept for later, at most.
const KEPT: usize = 16 << 20;

/// Blocks that wait to be used again. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    blocks: Vec<Vec<u8>>,
    bytes: usize,
}

/// A block of memory. It goes back when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    /// As long as it was ever needed; never shortened, so that it need not be filled with zeros again.
    block: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    /// A block of that many bytes, with anything in it.
    pub fn take(&self, length: usize) -> Buffer {
        let mut block = self.free().take();
        if block.len() < length {
            block = vec![0; length];
        }
        Buffer { block, length, home: self.clone() }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    /// The one that was used last: it may still be in the processor's cache.
    fn take(&mut self) -> Vec<u8> {
        let block = self.blocks.pop().unwrap_or_default();
        self.bytes -= block.len();
        block
    }
}

impl Buffer {
    /// The bytes, for as long as anybody reads them.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.block[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.block[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let block = std::mem::take(&mut self.block);
        let mut free = self.home.free();
        if free.bytes + block.len() <= KEPT {
            free.bytes += block.len();
            free.blocks.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again_once_nobody_reads_it() {
        let buffers = Buffers::default();
        let mut first = buffers.take(1000);
        first.as_mut().fill(7);
        let at = first.as_ref().as_ptr();
        let first = first.freeze();
        let slice = first.slice(10..20);
        drop(first);
        assert_ne!(buffers.take(500).as_ref().as_ptr(), at, "it is still read");
        assert_eq!(*slice, [7; 10]);
        drop(slice);
        assert_eq!(buffers.take(500).as_ref().as_ptr(), at);
        assert_eq!(buffers.take(1001).as_ref().len(), 1001);
    }

    #[test]
    fn no_more_is_kept_than_that() {
        let buffers = Buffers::default();
        let blocks: Vec<Buffer> = (0..40).map(|_| buffers.take(1 << 20)).collect();
        drop(blocks);
        assert_eq!(buffers.free().bytes, KEPT);
        assert_eq!(buffers.free().blocks.iter().map(Vec::len).sum::<usize>(), KEPT);
    }
}
