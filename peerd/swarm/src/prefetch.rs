//! Has the processor fetch from memory what is going to be needed, and goes on meanwhile. It changes nothing, and nothing
//! depends on it but time.
//!
//! For drivers of so many cores that each is out of every cache when its turn comes. To read ahead instead would do as well as
//! long as few reads are under way; but a processor that waits for one looks no further than a hundred instructions or two.

/// Bytes of a line of the cache: of every x86-64 and of most others.
const LINE: usize = 64;

/// All of `item` itself, and nothing of what it refers to.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(item: &T) {
    let (start, bytes) = (std::ptr::from_ref(item).cast::<u8>(), size_of_val(item));
    for offset in (0..bytes).step_by(LINE) {
        line(start.wrapping_add(offset));
    }
    // What does not begin with a line may end on one more.
    line(start.wrapping_add(bytes.saturating_sub(1)));
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the standard library has no safe way to say it yet")]
#[inline]
fn line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    // SAFETY: a hint to the processor, which reads nothing that a program could see, and of which no address is wrong. Every
    // x86-64 has the instruction (SSE).
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the standard library has no safe way to say it yet")]
#[inline]
fn line(at: *const u8) {
    // SAFETY: a hint to the processor, which reads nothing that a program could see, and of which no address is wrong.
    unsafe { std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly)) }
}

/// There is nothing to say it with: it takes longer.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const fn line(_: *const u8) {}
