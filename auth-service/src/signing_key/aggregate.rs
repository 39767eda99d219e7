//! The rules of a signing key.

use event_runtime::Aggregate;
use shared_schemas::{SigningKeyId, signing_key::SigningKeyEvent};

/// What commands need to know about a signing key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningKey {
    /// It was never announced.
    #[default]
    Unknown,
    /// Its tokens are good.
    Active,
    /// Its tokens are no longer good.
    Retired,
}

/// Why a signing key refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// A key is announced once.
    #[error("the key was announced before")]
    Known,
}

impl Aggregate for SigningKey {
    type Id = SigningKeyId;
    type Event = SigningKeyEvent;

    fn evolve(self, event: &SigningKeyEvent) -> Self {
        match event {
            SigningKeyEvent::Activated { .. } => Self::Active,
            SigningKeyEvent::Retired {} => Self::Retired,
        }
    }
}

impl SigningKey {
    /// Announces a new key.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Known`].
    pub fn activate(&self, public_key: &str) -> Result<Vec<SigningKeyEvent>, SigningKeyError> {
        match self {
            Self::Unknown => {
                Ok(vec![SigningKeyEvent::Activated { public_key: public_key.to_owned() }])
            }
            Self::Active | Self::Retired => Err(SigningKeyError::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_announced_once() {
        let events = SigningKey::default().activate("key").unwrap();
        let active = events.iter().fold(SigningKey::default(), SigningKey::evolve);

        assert_eq!(active.activate("key"), Err(SigningKeyError::Known));
        assert_eq!(
            active.evolve(&SigningKeyEvent::Retired {}).activate("key"),
            Err(SigningKeyError::Known)
        );
    }
}
