//! Large pages of memory, where the system has them (`/sys/kernel/mm/transparent_hugepage/enabled`): transfers get none, for
//! they use the same few mebibytes again and again, and a peer is a third larger with them. Simulations jump about in hundreds
//! of mebibytes, and take a seventh less time with them.

/// Until somebody [wants](Large) them, this process is given none.
pub fn only_small() {
    set(true);
}

/// Large pages for the whole process, until it is dropped. One at a time.
#[derive(Debug)]
pub struct Large(());

impl Large {
    /// Asks for them.
    #[must_use]
    pub fn wanted() -> Self {
        set(false);
        Self(())
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        set(true);
    }
}

fn set(disabled: bool) {
    // A system that cannot tell them apart goes on as it does.
    let _ = rustix::thread::disable_transparent_huge_pages(disabled);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_given_as_long_as_they_are_wanted() {
        let refused = || rustix::thread::transparent_huge_pages_are_disabled().unwrap();
        only_small();
        assert!(refused());
        let large = Large::wanted();
        assert!(!refused());
        drop(large);
        assert!(refused());
    }
}
