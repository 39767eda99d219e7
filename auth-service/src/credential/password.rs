//! Passwords: which are good enough, and how they are hashed.

use std::{fmt, sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{Error as HashError, phc::PasswordHash},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

/// Characters of a password. There are no rules of composition.
pub const LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// Characters that the strength is judged by: judging takes longer than linear time.
const JUDGED: usize = 72;

/// Memory of one hash in KiB, passes, lanes (ASVS 5.0 appendix C: 19 MiB with two passes, one lane).
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// Hashes at a time; each takes a core for some 25 ms.
const PLACES: usize = 2;

/// How long a request waits for its turn to hash. Well below what a proxy waits for an answer: one that gave up first would
/// take a queue for an outage, and stop asking for what needs no hash.
const QUEUE: Duration = Duration::from_secs(2);

/// What somebody types as a password, in one normal form (NFC), so that every keyboard gives the same.
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password of any strength, to be compared.
    pub fn typed(text: &str) -> Self {
        Self(Zeroizing::new(text.nfc().collect()))
    }

    /// A password that is good enough to be chosen. `context` is what others know of the person: address and names.
    ///
    /// # Errors
    ///
    /// [`WeakPassword`] says what is wrong with it.
    pub fn chosen(text: &str, local_part: &str, context: &[&str]) -> Result<Self, WeakPassword> {
        let password = Self::typed(text);
        let length = password.0.chars().count();
        if !LENGTH.contains(&length) {
            return Err(WeakPassword::Length { found: length });
        }
        if local_part.chars().count() > 2 && password.0.to_lowercase().contains(local_part) {
            return Err(WeakPassword::ContainsAddress);
        }
        let judged: Zeroizing<String> = Zeroizing::new(password.0.chars().take(JUDGED).collect());
        let mut known = vec!["peerlink", local_part];
        known.extend_from_slice(context);
        if zxcvbn(&judged, &known).score() < Score::Three {
            return Err(WeakPassword::Guessable);
        }
        Ok(password)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// It is too short or too long.
    #[error("holds {found} characters where 12 to 256 are allowed")]
    Length {
        /// Unicode scalar values.
        found: usize,
    },
    /// It contains the address.
    #[error("contains the e-mail address")]
    ContainsAddress,
    /// It is common, or a pattern; a few unrelated words are better.
    #[error("is easy to guess; a few unrelated words are better")]
    Guessable,
}

/// Why nothing was hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// Too many others wait.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The library failed, or a stored hash is none.
    #[error("argon2 failed")]
    Hash(#[from] HashError),
    /// A stored hash is none.
    #[error("a stored password is no hash")]
    Stored(#[from] argon2::password_hash::phc::Error),
    /// The hashing task died.
    #[error("the hashing task died")]
    Task(#[from] tokio::task::JoinError),
}

/// A turn to hash. What is counted while it is held is counted for at most two requests at a time.
pub struct Turn {
    _place: OwnedSemaphorePermit,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes passwords with Argon2id, two at a time and off the async threads.
#[derive(Clone)]
pub struct Passwords {
    argon: Argon2<'static>,
    places: Arc<Semaphore>,
    nobodys: Arc<str>,
}

impl Passwords {
    /// A hasher.
    pub fn new() -> Self {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).expect("the cost is within range");
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Nobody's password fits it whatever the salt; it only has to take as long as any other.
        let nobodys = argon
            .hash_password_with_salt(b"the password of nobody", b"the salt of none")
            .expect("salt and cost are within range");
        let nobodys = nobodys.to_string().into();
        Self { argon, places: Arc::new(Semaphore::new(PLACES)), nobodys }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// [`HashingError::Busy`] after two seconds.
    pub async fn turn(&self) -> Result<Turn, HashingError> {
        let waiting = tokio::time::timeout(QUEUE, Arc::clone(&self.places).acquire_owned());
        match waiting.await {
            Ok(Ok(place)) => Ok(Turn { _place: place }),
            Ok(Err(_)) | Err(_) => Err(HashingError::Busy),
        }
    }

    /// The hash of a new password, in PHC form.
    ///
    /// # Errors
    ///
    /// [`HashingError`].
    pub async fn hash(&self, password: Password) -> Result<Zeroizing<String>, HashingError> {
        let (turn, argon) = (self.turn().await?, self.argon.clone());
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hash(&argon, password.0.as_bytes())
        })
        .await?
    }

    /// Whether a password has a hash. Without a hash it takes the same time and says no, so that nobody learns by a
    /// watch who has an account. The turn goes with the work, which a client that hangs up does not stop, and comes back.
    ///
    /// # Errors
    ///
    /// [`HashingError`].
    pub async fn verify(
        &self,
        turn: Turn,
        password: Password,
        hash: Option<Zeroizing<String>>,
    ) -> Result<(bool, Turn), HashingError> {
        let (argon, nobodys) = (self.argon.clone(), Arc::clone(&self.nobodys));
        tokio::task::spawn_blocking(move || {
            let against = hash.as_ref().map_or(&*nobodys, |hash| hash.as_str());
            let against = PasswordHash::new(against)?;
            match argon.verify_password(password.0.as_bytes(), &against) {
                Ok(()) => Ok((hash.is_some(), turn)),
                Err(HashError::PasswordInvalid) => Ok((false, turn)),
                Err(error) => Err(error.into()),
            }
        })
        .await?
    }
}

fn hash(argon: &Argon2<'_>, password: &[u8]) -> Result<Zeroizing<String>, HashingError> {
    Ok(Zeroizing::new(argon.hash_password(password)?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<(), WeakPassword> {
        Password::chosen(text, "ada.lovelace", &["Ada", "Lovelace"]).map(|_| ())
    }

    #[test]
    fn a_few_unrelated_words_are_good() {
        assert_eq!(chosen("copper lantern drifts north"), Ok(()));
        assert_eq!(chosen("löwenzahn krächzt im nebel"), Ok(()));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(chosen("eleven char"), Err(WeakPassword::Length { found: 11 }));
        assert_eq!(chosen(&"ö".repeat(257)), Err(WeakPassword::Length { found: 257 }));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in ["password1234", "qwertyuiop12", "aaaaaaaaaaaaaaaa", "peerlinkpeerlink"] {
            assert_eq!(chosen(common), Err(WeakPassword::Guessable), "{common}");
        }
    }

    #[test]
    fn the_address_is_no_part_of_a_password() {
        assert_eq!(chosen("my Ada.Lovelace phrase 77"), Err(WeakPassword::ContainsAddress));
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_of_the_demanded_cost_and_fits_its_password_alone() {
        let passwords = Passwords::new();
        let hash = passwords.hash(Password::typed("cafe\u{301} au lait")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());

        let verify = async |text: &str, hash| {
            let turn = passwords.turn().await.unwrap();
            passwords.verify(turn, Password::typed(text), hash).await.unwrap().0
        };

        assert!(verify("caf\u{e9} au lait", Some(hash.clone())).await);
        assert!(!verify("cafe au lait", Some(hash)).await);
        assert!(!verify("the password of nobody", None).await);
    }
}
