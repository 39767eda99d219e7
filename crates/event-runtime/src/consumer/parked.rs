//! Whether anything of a group is parked, as an owner knows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// While nothing is parked nobody asks the database which aggregates are, so this must never say no too early. Made anew by
/// every owner, since the last one may have been another process.
#[derive(Debug)]
pub(super) struct Parked {
    any: AtomicBool,
    /// How often something was parked here.
    parks: AtomicU64,
}

impl Parked {
    pub(super) fn new(any: bool) -> Self {
        Self { any: AtomicBool::new(any), parks: AtomicU64::new(0) }
    }

    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Something was parked, and committed.
    pub(super) fn note(&self) {
        self.parks.fetch_add(1, Ordering::SeqCst);
        self.any.store(true, Ordering::SeqCst);
    }

    /// To be taken before the database is asked whether anything is parked.
    pub(super) fn generation(&self) -> u64 {
        self.parks.load(Ordering::SeqCst)
    }

    /// The database found nothing, and was asked after that generation.
    pub(super) fn none_since(&self, generation: u64) {
        self.any.store(self.generation() != generation, Ordering::SeqCst);
        // Whoever parked in between has said so by now, or will say so after this.
        if self.generation() != generation {
            self.any.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_parked_while_the_database_was_asked_is_not_forgotten() {
        let parked = Parked::new(true);
        parked.none_since(parked.generation());
        assert!(!parked.any());

        let before = parked.generation();
        parked.note();
        parked.none_since(before);
        assert!(parked.any());
    }
}
