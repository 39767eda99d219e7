//! Signing in, continuing a session, ending sessions.

use std::sync::OnceLock;

use event_runtime::{ExecuteError, Expected, UnitOfWork};
use sea_orm::DbErr;
use service_kit::trust::Restriction;
use shared_schemas::{
    SessionId, UserId, envelope::Metadata, session::RevocationReason, user::Role,
};
use zeroize::Zeroizing;

use super::{
    aggregate::{Session, SessionError},
    refresh::{ABSOLUTE, Issued, RefreshError, RefreshToken, Token},
    throttle::Throttle,
    token::SignError,
    view,
};
use crate::{
    accounts::Accounts,
    credential::{
        aggregate::CredentialError,
        email::Email,
        event::field,
        password::{HashingError, Password},
        view::{self as credentials, CredentialRow},
    },
    secret::SecretError,
    user::aggregate::UserError,
};

/// What a client needs to act for a person.
#[derive(Debug)]
pub struct Grant {
    /// Good for five minutes.
    pub access_token: String,
    /// Good once, within seven days.
    pub refresh_token: String,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such address, another password, or an account whose address is not verified: one answer for all.
    #[error("the address or the password is wrong")]
    InvalidCredentials,
    /// Too many failures before.
    #[error("too many failed attempts")]
    Throttled {
        /// Seconds until the next attempt.
        retry_after: u64,
    },
    /// The refresh token is not good.
    #[error("the refresh token is not good")]
    InvalidRefreshToken,
    /// The password could not be compared.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// A stored secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No token could be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The database failed.
    #[error("the database failed")]
    Storage(#[from] DbErr),
    /// Nothing could be recorded.
    #[error("the event store failed")]
    Record(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Accounts {
    /// The owner of an address and a password.
    ///
    /// # Errors
    ///
    /// [`SignInError::InvalidCredentials`] or [`SignInError::Throttled`], the same for every reason and after the same time.
    pub async fn authenticate(
        &self,
        email: &str,
        password: Password,
    ) -> Result<CredentialRow, SignInError> {
        // A text that is no address is nobody's address.
        let email = Email::parse(email).map_err(|_malformed| SignInError::InvalidCredentials)?;
        let (db, throttle) = (self.store().db(), Throttle::of(&self.keyring, &email));
        let known = credentials::find_by_email(db, &email).await?;
        let hash = match &known {
            Some(row) => Some(self.password_hash(row)?),
            None => None,
        };
        // Counted while the turn is held: however many guess at once, no more get through than may.
        let turn = self.passwords.turn().await?;
        if let Some(retry_after) = throttle.wait(db, self.now()).await? {
            return Err(SignInError::Throttled { retry_after });
        }
        let (fits, turn) = self.passwords.verify(turn, password, hash).await?;
        match known {
            Some(row) if fits && row.email_verified => Ok(row),
            Some(_) | None => {
                throttle.count(db, self.now()).await?;
                drop(turn);
                Err(SignInError::InvalidCredentials)
            }
        }
    }

    fn password_hash(&self, row: &CredentialRow) -> Result<Zeroizing<String>, SecretError> {
        let hash = row.personal_key(&self.keyring)?.open(field::PASSWORD, &row.password())?;
        Ok(Zeroizing::new(hash))
    }

    /// Begins a session for the owner of an address and a password.
    ///
    /// # Errors
    ///
    /// As [`authenticate`](Self::authenticate).
    pub async fn sign_in(
        &self,
        email: &str,
        password: Password,
        metadata: Metadata,
    ) -> Result<Grant, SignInError> {
        let row = self.authenticate(email, password).await?;
        let (user_id, now) = (row.user_id(), self.now());
        let metadata = Metadata { actor: Some(user_id), ..metadata };
        let work = self.store().begin().await?;
        let denied = || SignInError::InvalidCredentials;
        let rights = self.lock_user(&work, user_id, &metadata, denied).await?;
        // A password that is changed in this very moment ends all sessions, this one would come too late.
        self.credentials
            .execute_in(&work, user_id, Expected::Any, &metadata, |credential| {
                credential.still_has(&row.password())
            })
            .await
            .map_err(|error| {
                refused(error, |_: CredentialError| SignInError::InvalidCredentials)
            })?;

        let session_id = SessionId::new(now);
        self.sessions
            .execute_in(&work, session_id, Expected::New, &metadata, |session| {
                session.start(user_id)
            })
            .await
            .map_err(recording)?;
        let token = Token::random()?;
        let issued = Issued::first(&token, user_id, session_id, now);
        self.refresh_tokens
            .execute_in(&work, token.id(), Expected::New, &metadata, |fresh| {
                fresh.issue(issued.clone())
            })
            .await
            .map_err(recording)?;
        if let Ok(email) = Email::parse(&row.email) {
            Throttle::of(&self.keyring, &email).forget(work.txn()).await?;
        }
        let access_token = self.signer.sign(user_id, session_id, rights, now)?;
        work.commit().await?;
        Ok(Grant { access_token, refresh_token: token.text() })
    }

    /// Continues a session.
    ///
    /// # Errors
    ///
    /// [`SignInError::InvalidRefreshToken`]; after a token was used twice, the session has ended too.
    pub async fn refresh(&self, token: &str, metadata: Metadata) -> Result<Grant, SignInError> {
        let token = Token::parse(token).ok_or(SignInError::InvalidRefreshToken)?;
        let (state, _) = self.refresh_tokens.state(token.id()).await.map_err(recording)?;
        let issued = state.issued(&token.digest()).ok_or(SignInError::InvalidRefreshToken)?;
        let (user_id, session_id, now) = (issued.user_id, issued.session_id, self.now());
        let metadata = Metadata { actor: Some(user_id), ..metadata };
        let bad = |_: &dyn std::error::Error| SignInError::InvalidRefreshToken;

        let work = self.store().begin().await?;
        // From here on, no other request changes anything of this person.
        let denied = || SignInError::InvalidRefreshToken;
        let rights = self.lock_user(&work, user_id, &metadata, denied).await?;
        self.sessions
            .execute_in(&work, session_id, Expected::Any, &metadata, Session::go_on)
            .await
            .map_err(|error| refused(error, |ended: SessionError| bad(&ended)))?;
        let successor = token.successor(&self.keyring);
        let rotated = self
            .refresh_tokens
            .execute_in(&work, token.id(), Expected::Any, &metadata, |token| token.rotate(now))
            .await;
        match rotated {
            Ok(_) => {
                let next = issued.next(&successor, now);
                self.refresh_tokens
                    .execute_in(&work, successor.id(), Expected::New, &metadata, |fresh| {
                        fresh.issue(next.clone())
                    })
                    .await
                    .map_err(recording)?;
            }
            Err(ExecuteError::Refused(RefreshError::Repeated))
                if self.is_fresh(&work, &successor, &metadata).await? => {}
            Err(ExecuteError::Refused(RefreshError::Repeated | RefreshError::Reused)) => {
                self.revoke(&work, session_id, RevocationReason::TokenReused, &metadata).await?;
                work.commit().await?;
                tracing::warn!(user.id = %user_id, session.id = %session_id, "a refresh token was used twice");
                return Err(SignInError::InvalidRefreshToken);
            }
            Err(error) => return Err(refused(error, |refusal| bad(&refusal))),
        }
        let access_token = self.signer.sign(user_id, session_id, rights, now)?;
        work.commit().await?;
        Ok(Grant { access_token, refresh_token: successor.text() })
    }

    async fn is_fresh(
        &self,
        work: &UnitOfWork,
        token: &Token,
        metadata: &Metadata,
    ) -> Result<bool, SignInError> {
        let fresh = self
            .refresh_tokens
            .execute_in(work, token.id(), Expected::Any, metadata, RefreshToken::be_fresh)
            .await;
        match fresh {
            Ok(_) => Ok(true),
            Err(ExecuteError::Refused(_)) => Ok(false),
            Err(error) => Err(recording(error)),
        }
    }

    /// Locks an account that may sign in, and says what it may do, and what a sanction leaves of that.
    async fn lock_user(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
        metadata: &Metadata,
        denied: impl FnOnce() -> SignInError,
    ) -> Result<(Vec<Role>, Option<Restriction>), SignInError> {
        let rights = OnceLock::new();
        self.users
            .execute_in(work, user_id, Expected::Any, metadata, |user| {
                rights.get_or_init(|| {
                    // A mute is heard of, and over as soon as that is heard; who is shut out stays so while nothing is heard.
                    (user.roles(), user.restriction().filter(Restriction::shuts_out))
                });
                user.sign_in()
            })
            .await
            .map_err(|error| refused(error, |_: UserError| denied()))?;
        Ok(rights.into_inner().unwrap_or_default())
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`SignInError::Record`] or [`SignInError::Storage`].
    pub async fn revoke(
        &self,
        work: &UnitOfWork,
        session_id: SessionId,
        reason: RevocationReason,
        metadata: &Metadata,
    ) -> Result<(), SignInError> {
        self.sessions
            .execute_in(work, session_id, Expected::Any, metadata, |session| {
                Ok::<_, SessionError>(session.revoke(reason))
            })
            .await
            .map(drop)
            .map_err(recording)
    }

    /// Ends all sessions of a person, or all but one. The caller holds the lock of the account or of its credential, so
    /// no session begins meanwhile.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_all(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
        but: Option<SessionId>,
        reason: RevocationReason,
        metadata: &Metadata,
    ) -> Result<(), SignInError> {
        let oldest = self.now() - ABSOLUTE;
        for session_id in view::live(work.txn(), user_id, oldest).await? {
            if Some(session_id) != but {
                self.revoke(work, session_id, reason, metadata).await?;
            }
        }
        Ok(())
    }
}

fn refused<R>(error: ExecuteError<R>, say: impl FnOnce(R) -> SignInError) -> SignInError
where
    R: std::error::Error + Send + Sync + 'static,
{
    match error {
        ExecuteError::Refused(refusal) => say(refusal),
        ExecuteError::Storage(error) => error.into(),
        ExecuteError::VersionConflict { .. }
        | ExecuteError::UnknownEvent { .. }
        | ExecuteError::Decode(_)
        | ExecuteError::Encode(_) => SignInError::Record(Box::new(error)),
    }
}

fn recording<R>(error: ExecuteError<R>) -> SignInError
where
    R: std::error::Error + Send + Sync + 'static,
{
    refused(error, |refusal| SignInError::Record(Box::new(refusal)))
}
