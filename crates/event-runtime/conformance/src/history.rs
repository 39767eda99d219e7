//! What happened, and whether it was right.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::Key;

/// One effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handled {
    /// Of which key.
    pub key: Key,
    /// Which event of it, from 1.
    pub version: u64,
}

/// What was published and what took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// How many events each key has.
    pub published: BTreeMap<Key, u64>,
    /// Every effect, in order; a repeated one is there twice.
    pub handled: Vec<Handled>,
}

impl History {
    /// The versions that took effect for one key, in order.
    pub fn of(&self, key: Key) -> Vec<u64> {
        let of_key = self.handled.iter().filter(|handled| handled.key == key);
        of_key.map(|handled| handled.version).collect()
    }

    /// Nothing took effect twice, before an earlier event of its key, or without having been published.
    ///
    /// # Errors
    ///
    /// The first thing that did.
    pub fn is_sound(&self) -> Result<()> {
        let mut newest: BTreeMap<Key, u64> = BTreeMap::new();
        for Handled { key, version } in &self.handled {
            let newest = newest.entry(*key).or_default();
            ensure!(*version != *newest, "{version} of {key} took effect twice");
            ensure!(*version == *newest + 1, "{version} of {key} took effect after {newest}");
            *newest = *version;
            let published = self.published.get(key).copied().unwrap_or(0);
            ensure!(version <= &published, "{version} of {key} was never published");
        }
        Ok(())
    }

    /// It is sound, and everything published took effect but for the keys in `except`.
    ///
    /// # Errors
    ///
    /// What did not.
    pub fn is_complete_but(&self, except: &[Key]) -> Result<()> {
        self.is_sound()?;
        for (key, published) in self.published.iter().filter(|(key, _)| !except.contains(key)) {
            let handled = self.of(*key).len() as u64;
            ensure!(handled == *published, "{handled} of {published} events of {key} took effect");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(handled: &[(Key, u64)]) -> History {
        History {
            published: BTreeMap::from([(1, 3), (2, 1)]),
            handled: handled
                .iter()
                .map(|(key, version)| Handled { key: *key, version: *version })
                .collect(),
        }
    }

    #[test]
    fn an_effect_for_every_event_in_order_is_complete() {
        assert!(history(&[(1, 1), (2, 1), (1, 2), (1, 3)]).is_complete_but(&[]).is_ok());
        assert!(history(&[(1, 1), (2, 1)]).is_complete_but(&[1]).is_ok());
    }

    #[test]
    fn a_missing_effect_is_seen() {
        assert!(history(&[(1, 1), (1, 2), (1, 3)]).is_complete_but(&[]).is_err());
    }

    #[test]
    fn a_repeated_effect_is_seen() {
        assert!(history(&[(1, 1), (1, 1)]).is_sound().is_err());
        assert!(history(&[(1, 1), (1, 2), (1, 1)]).is_sound().is_err());
    }

    #[test]
    fn a_wrong_order_is_seen() {
        assert!(history(&[(1, 2), (1, 1)]).is_sound().is_err());
    }

    #[test]
    fn an_effect_of_nothing_is_seen() {
        assert!(history(&[(2, 1), (2, 2)]).is_sound().is_err());
        assert!(history(&[(7, 1)]).is_sound().is_err());
    }
}
