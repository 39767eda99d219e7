//! The rules of a credential.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_runtime::Aggregate;
use shared_schemas::UserId;

use super::{
    code::{CodeDigest, LIFE, PAUSE, Purpose, TRIES},
    event::CredentialEvent,
};
use crate::secret::Sealed;

/// What commands need to know about a credential.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    /// Absent before it is registered and after it is erased.
    password: Option<Sealed>,
    erased: bool,
    codes: BTreeMap<Purpose, IssuedCode>,
}

/// The latest code of a purpose.
#[derive(Clone, Debug)]
struct IssuedCode {
    digest: CodeDigest,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    tries: u8,
    used: bool,
}

/// What somebody signs up with.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The address.
    pub email: Sealed,
    /// The password's hash.
    pub password: Sealed,
    /// The first name.
    pub first_name: Sealed,
    /// The last name.
    pub last_name: Sealed,
    /// The code on its way to the address.
    pub code: CodeDigest,
}

/// Why a credential refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// There is none, or it is erased.
    #[error("there is no such credential")]
    NotFound,
    /// It is there already.
    #[error("the credential exists already")]
    Exists,
    /// The last code is less than a minute old.
    #[error("a code was sent less than a minute ago")]
    TooSoon,
    /// There is no code, or it is too old, used, tried too often, or another one.
    #[error("the code is wrong or no longer good")]
    InvalidCode,
    /// The password was changed in this very moment.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
}

impl Aggregate for Credential {
    type Id = UserId;
    type Event = CredentialEvent;

    fn evolve(mut self, event: &CredentialEvent) -> Self {
        match event {
            CredentialEvent::Registered { password, .. }
            | CredentialEvent::PasswordChanged { password } => {
                self.password = Some(password.clone());
            }
            CredentialEvent::Renamed { .. } => (),
            CredentialEvent::CodeIssued { purpose, digest, issued_at, expires_at } => {
                let code = IssuedCode {
                    digest: digest.clone(),
                    issued_at: *issued_at,
                    expires_at: *expires_at,
                    tries: 0,
                    used: false,
                };
                self.codes.insert(*purpose, code);
            }
            CredentialEvent::CodeTried { purpose } => {
                if let Some(code) = self.codes.get_mut(purpose) {
                    code.tries = code.tries.saturating_add(1);
                }
            }
            CredentialEvent::CodeUsed { purpose } => {
                if let Some(code) = self.codes.get_mut(purpose) {
                    code.used = true;
                }
            }
            CredentialEvent::Erased {} => {
                return Self { erased: true, ..Self::default() };
            }
        }
        self
    }
}

impl Credential {
    /// Begins a credential, with a code on its way to the address.
    ///
    /// # Errors
    ///
    /// [`CredentialError::Exists`].
    pub fn register(
        &self,
        registration: Registration,
        now: DateTime<Utc>,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        if self.password.is_some() || self.erased {
            return Err(CredentialError::Exists);
        }
        let Registration { email, password, first_name, last_name, code } = registration;
        Ok(vec![
            CredentialEvent::Registered { email, password, first_name, last_name },
            issued(Purpose::VerifyEmail, code, now),
        ])
    }

    /// Signs up again before the address was verified: password and names are replaced together with the code, never
    /// without it. So a code vouches for the very sign-up that it was mailed for, and nobody can put a password of theirs
    /// under a code that is already on its way.
    ///
    /// # Errors
    ///
    /// [`CredentialError::TooSoon`] and [`CredentialError::NotFound`].
    pub fn register_again(
        &self,
        registration: Registration,
        now: DateTime<Utc>,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        let Registration { email: _, password, first_name, last_name, code } = registration;
        let issued = self.issue_code(Purpose::VerifyEmail, code, now)?;
        let mut events = vec![
            CredentialEvent::PasswordChanged { password },
            CredentialEvent::Renamed { first_name, last_name },
        ];
        events.extend(issued);
        Ok(events)
    }

    /// Puts a code on its way; earlier ones of the purpose are void.
    ///
    /// # Errors
    ///
    /// [`CredentialError::TooSoon`] and [`CredentialError::NotFound`].
    pub fn issue_code(
        &self,
        purpose: Purpose,
        digest: CodeDigest,
        now: DateTime<Utc>,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        self.password()?;
        if self.codes.get(&purpose).is_some_and(|last| now < last.issued_at + PAUSE) {
            return Err(CredentialError::TooSoon);
        }
        Ok(vec![issued(purpose, digest, now)])
    }

    /// Counts a try, before anything is compared.
    ///
    /// # Errors
    ///
    /// [`CredentialError::InvalidCode`] if there is nothing left to try.
    pub fn try_code(
        &self,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        match self.codes.get(&purpose) {
            Some(code) if !code.used && code.tries < TRIES && now < code.expires_at => {
                Ok(vec![CredentialEvent::CodeTried { purpose }])
            }
            Some(_) | None => Err(CredentialError::InvalidCode),
        }
    }

    /// Uses a code whose try was counted.
    ///
    /// # Errors
    ///
    /// [`CredentialError::InvalidCode`] if it is another one.
    pub fn use_code(
        &self,
        purpose: Purpose,
        digest: &CodeDigest,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        match self.codes.get(&purpose) {
            Some(code) if !code.used && code.digest == *digest => {
                Ok(vec![CredentialEvent::CodeUsed { purpose }])
            }
            Some(_) | None => Err(CredentialError::InvalidCode),
        }
    }

    /// Records nothing, and refuses if the password is not the one that was verified: it may have been changed since.
    ///
    /// # Errors
    ///
    /// [`CredentialError::PasswordChanged`].
    pub fn still_has(&self, password: &Sealed) -> Result<Vec<CredentialEvent>, CredentialError> {
        if self.password.as_ref() == Some(password) {
            Ok(vec![])
        } else {
            Err(CredentialError::PasswordChanged)
        }
    }

    /// Replaces the password. Codes to choose another one are void with it.
    ///
    /// # Errors
    ///
    /// [`CredentialError::NotFound`].
    pub fn change_password(
        &self,
        password: Sealed,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        self.password()?;
        let purpose = Purpose::ResetPassword;
        let open = self.codes.get(&purpose).is_some_and(|code| !code.used);
        let void = open.then_some(CredentialEvent::CodeUsed { purpose });
        Ok(void.into_iter().chain([CredentialEvent::PasswordChanged { password }]).collect())
    }

    /// Replaces the names.
    ///
    /// # Errors
    ///
    /// [`CredentialError::NotFound`].
    pub fn rename(
        &self,
        first_name: Sealed,
        last_name: Sealed,
    ) -> Result<Vec<CredentialEvent>, CredentialError> {
        self.password()?;
        Ok(vec![CredentialEvent::Renamed { first_name, last_name }])
    }

    /// Ends the credential.
    ///
    /// # Errors
    ///
    /// [`CredentialError::NotFound`].
    pub fn erase(&self) -> Result<Vec<CredentialEvent>, CredentialError> {
        self.password()?;
        Ok(vec![CredentialEvent::Erased {}])
    }

    fn password(&self) -> Result<&Sealed, CredentialError> {
        self.password.as_ref().ok_or(CredentialError::NotFound)
    }
}

fn issued(purpose: Purpose, digest: CodeDigest, now: DateTime<Utc>) -> CredentialEvent {
    CredentialEvent::CodeIssued { purpose, digest, issued_at: now, expires_at: now + LIFE }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::secret::Keyring;

    const VERIFY: Purpose = Purpose::VerifyEmail;

    fn digest(code: &str) -> CodeDigest {
        let keyring = Keyring::new(&STANDARD.encode([7; 32]).parse().unwrap()).unwrap();
        CodeDigest::of(&keyring, UserId(Uuid::nil()), VERIFY, code)
    }

    fn sealed(text: &str) -> Sealed {
        Sealed(text.to_owned())
    }

    fn registration(password: &str, code: &str) -> Registration {
        Registration {
            email: sealed("email"),
            password: sealed(password),
            first_name: sealed("first"),
            last_name: sealed("last"),
            code: digest(code),
        }
    }

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn given(history: &[CredentialEvent]) -> Credential {
        history.iter().fold(Credential::default(), Credential::evolve)
    }

    fn registered() -> Vec<CredentialEvent> {
        Credential::default().register(registration("old", "11111111"), start()).unwrap()
    }

    fn tried(times: usize) -> Credential {
        let mut history = registered();
        for _ in 0..times {
            history.extend(given(&history).try_code(VERIFY, start()).unwrap());
        }
        given(&history)
    }

    #[test]
    fn a_code_is_used_once() {
        let mut history = registered();
        history.extend(given(&history).try_code(VERIFY, start()).unwrap());
        history.extend(given(&history).use_code(VERIFY, &digest("11111111")).unwrap());
        let used = given(&history);

        assert!(used.try_code(VERIFY, start()).is_err());
        assert!(used.use_code(VERIFY, &digest("11111111")).is_err());
    }

    #[test]
    fn the_fifth_try_counts_and_there_is_no_sixth() {
        assert!(tried(4).try_code(VERIFY, start()).is_ok());
        assert!(tried(5).use_code(VERIFY, &digest("11111111")).is_ok());
        assert_eq!(tried(5).try_code(VERIFY, start()), Err(CredentialError::InvalidCode));
    }

    #[test]
    fn a_code_lives_ten_minutes() {
        let almost = start() + TimeDelta::seconds(599);

        assert!(given(&registered()).try_code(VERIFY, almost).is_ok());
        assert!(given(&registered()).try_code(VERIFY, start() + LIFE).is_err());
    }

    #[test]
    fn a_newer_code_voids_the_older_and_comes_a_minute_later_at_the_earliest() {
        let mut history = registered();
        let soon = start() + TimeDelta::seconds(59);
        assert_eq!(
            given(&history).issue_code(VERIFY, digest("22222222"), soon),
            Err(CredentialError::TooSoon)
        );

        history.extend(
            given(&history).issue_code(VERIFY, digest("22222222"), start() + PAUSE).unwrap(),
        );

        assert!(given(&history).use_code(VERIFY, &digest("11111111")).is_err());
        assert!(given(&history).use_code(VERIFY, &digest("22222222")).is_ok());
    }

    #[test]
    fn a_code_for_one_purpose_is_none_for_another() {
        let credential = given(&registered());

        assert!(credential.use_code(Purpose::ResetPassword, &digest("11111111")).is_err());
    }

    #[test]
    fn a_second_sign_up_replaces_the_password_with_the_code_or_not_at_all() {
        let credential = given(&registered());
        let soon = start() + TimeDelta::seconds(59);
        let again = || registration("new", "22222222");

        assert!(matches!(credential.register_again(again(), soon), Err(CredentialError::TooSoon)));
        let mut history = registered();
        history.extend(credential.register_again(again(), start() + PAUSE).unwrap());
        let replaced = given(&history);
        assert!(replaced.still_has(&sealed("new")).is_ok());
        assert!(replaced.use_code(VERIFY, &digest("11111111")).is_err());
    }

    #[test]
    fn a_changed_password_voids_codes_to_choose_another() {
        let mut history = registered();
        let reset = Purpose::ResetPassword;
        history.extend(given(&history).issue_code(reset, digest("22222222"), start()).unwrap());

        history.extend(given(&history).change_password(sealed("new")).unwrap());

        assert!(given(&history).try_code(reset, start()).is_err());
        assert!(given(&history).still_has(&sealed("old")).is_err());
    }

    #[test]
    fn nothing_follows_an_erasure() {
        let mut history = registered();
        history.extend(given(&history).erase().unwrap());
        let erased = given(&history);

        assert!(matches!(erased.erase(), Err(CredentialError::NotFound)));
        assert!(erased.change_password(sealed("x")).is_err());
        assert!(erased.try_code(VERIFY, start()).is_err());
        assert!(erased.register(registration("x", "11111111"), start()).is_err());
    }
}
