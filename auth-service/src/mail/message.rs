//! What mail says. Plain text, without names: whoever signs up with somebody else's address shall not choose what it reads.

use chrono::{DateTime, Utc};
use event_runtime::UnitOfWork;
use serde::{Deserialize, Serialize};
use shared_schemas::UserId;

use crate::secret::{PersonalKey, Sealed, SecretError};

/// The kind of job that sends mail.
pub const JOB: &str = "send_mail";

/// The sealed part of the job's payload.
const FIELD: &str = "mail";

/// What a mail is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum Letter {
    /// A code that proves to own the address.
    VerifyEmail {
        /// Eight digits.
        code: String,
    },
    /// A code to choose a new password with.
    ResetPassword {
        /// Eight digits.
        code: String,
    },
    /// Somebody signed up with an address that has an account.
    AlreadyRegistered,
    /// The password is another one.
    PasswordChanged,
}

/// A mail to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// What it is about.
    pub letter: Letter,
    /// After this moment it is no longer worth sending.
    pub expires_at: DateTime<Utc>,
}

/// The payload of the job: everything personal is sealed under the account's key, so a job that never succeeds keeps
/// nothing of an erased account.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) user_id: UserId,
    mail: Sealed,
}

impl Payload {
    pub(super) fn open(&self, key: &PersonalKey) -> Result<Mail, SecretError> {
        key.open(FIELD, &self.mail)
    }
}

impl Mail {
    /// Asks for the mail to be sent after the commit. The same `key` again sends nothing new.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub async fn enqueue(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
        key: &PersonalKey,
        job_key: &str,
    ) -> Result<(), SecretError> {
        let payload = Payload { user_id, mail: key.seal(FIELD, self)? };
        Ok(work.enqueue(JOB, job_key, &payload).await?)
    }
}

impl Letter {
    /// The subject.
    pub fn subject(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "Confirm your address",
            Self::ResetPassword { .. } => "Choose a new password",
            Self::AlreadyRegistered => "You already have an account",
            Self::PasswordChanged => "Your password was changed",
        }
    }

    /// The text.
    pub fn text(&self) -> String {
        match self {
            Self::VerifyEmail { code } => format!(
                "Welcome to PeerLink.\n\nYour code: {code}\n\nEnter it within ten minutes to confirm this address.\n\
                 If you did not just sign up, ignore this mail: without the code nothing happens.\n"
            ),
            Self::ResetPassword { code } => format!(
                "Somebody, probably you, wants to choose a new password for your PeerLink account.\n\n\
                 Your code: {code}\n\nEnter it within ten minutes, together with the new password.\n\
                 If it was not you, ignore this mail: without the code nothing changes. Nobody of PeerLink ever asks \
                 for it.\n"
            ),
            Self::AlreadyRegistered => "Somebody, probably you, signed up to PeerLink with this address.\n\n\
                 You already have an account. Sign in with your password, or choose a new one if you forgot it.\n\
                 If it was not you, ignore this mail.\n"
                .to_owned(),
            Self::PasswordChanged => "The password of your PeerLink account was changed, and you were signed out \
                 elsewhere.\n\nIf it was not you, choose a new password at once.\n"
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_on_a_line_of_its_own() {
        let code = || "12345678".to_owned();
        for letter in [Letter::VerifyEmail { code: code() }, Letter::ResetPassword { code: code() }]
        {
            assert!(letter.text().lines().any(|line| line == "Your code: 12345678"));
        }
    }
}
