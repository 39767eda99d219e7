//! Moderators without names: HMAC-SHA256 of the id under a key that never leaves the database.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use uuid::Uuid;

/// Bytes of the hash that are shown: enough to tell a million moderators apart.
const SHOWN: usize = 8;

/// Makes pseudonyms. Whoever has none of its key can neither tell whose a pseudonym is nor make one for somebody.
pub struct Pseudonyms(Key);

impl Pseudonyms {
    /// Pseudonyms under a key.
    pub fn new(key: &str) -> Self {
        Self(Key::new(HMAC_SHA256, key.as_bytes()))
    }

    /// The pseudonym of a person: the same for ever, 16 hexadecimal digits.
    pub fn of(&self, id: Uuid) -> String {
        let hash = sign(&self.0, id.as_bytes());
        let shown = hash.as_ref().iter().take(SHOWN);
        shown.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_stable_under_its_key_and_tells_people_apart() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let pseudonyms = Pseudonyms::new("a key");

        assert_eq!(pseudonyms.of(one), Pseudonyms::new("a key").of(one));
        assert_ne!(pseudonyms.of(one), pseudonyms.of(other));
        assert_ne!(pseudonyms.of(one), Pseudonyms::new("another key").of(one));
        assert_eq!(pseudonyms.of(one).len(), 16);
    }
}
