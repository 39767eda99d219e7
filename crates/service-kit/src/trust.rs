//! Whom to believe: access tokens verified on the spot, with keys and revocations that came as events.
//!
//! No request asks auth-service anything. Its signing keys, ended sessions and closed accounts are events; every process
//! reads them all, from the first, and keeps what still matters in memory. A sign-out takes effect everywhere as soon as its
//! event arrives; with the streams down, a token lives five minutes at most.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::{Clock, RecordedEvent};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use shared_schemas::{
    SessionId, SigningKeyId, UserId,
    session::SessionEvent,
    signing_key::SigningKeyEvent,
    user::{AccountStatus, Role, UserEvent},
};
use uuid::Uuid;

/// How long an access token is good, in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 300;

/// By how much the clocks of two machines may differ, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// Verified tokens remembered; verifying costs some 80 µs, remembering less than one.
const REMEMBERED: u64 = 50_000;

/// What an access token says (RFC 9068).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The session it belongs to.
    pub sid: SessionId,
    /// Unique per token.
    pub jti: Uuid,
    /// When it was signed, seconds since the Unix epoch.
    pub iat: i64,
    /// From when on it is good.
    pub nbf: i64,
    /// Until when it is good.
    pub exp: i64,
    /// What its owner may do.
    pub roles: Vec<Role>,
    /// What a sanction had left its owner when it was signed: auth-service knows it first, whoever has not heard of it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
}

/// What a sanction leaves an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// `MUTED`, `SUSPENDED` or `BANNED`.
    pub status: AccountStatus,
    /// When it ends, unless something is decided meanwhile; never, or not known, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Restriction {
    /// The restriction that a status comes to, if it is one.
    pub fn of(status: AccountStatus, until: Option<DateTime<Utc>>) -> Option<Self> {
        match status {
            AccountStatus::Muted | AccountStatus::Suspended | AccountStatus::Banned => {
                Some(Self { status, until })
            }
            AccountStatus::Active | AccountStatus::Inactive => None,
        }
    }

    /// Whether nothing is left but to read what is held against the account, and to appeal.
    pub fn shuts_out(&self) -> bool {
        matches!(self.status, AccountStatus::Suspended | AccountStatus::Banned)
    }
}

/// Why a token is not believed. Clients learn no more than that it is not.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT of the one form that is signed here: `{"alg":"EdDSA","typ":"at+jwt","kid":…}`.
    #[error("the token is not an access token")]
    Form,
    /// Its key is unknown or retired.
    #[error("the token's key is not known")]
    UnknownKey,
    /// Signature, issuer, audience or time do not hold.
    #[error("the token does not verify")]
    Invalid(#[from] jsonwebtoken::errors::Error),
    /// Its session was ended, or its owner's account closed.
    #[error("the token was revoked")]
    Revoked,
}

/// The view of keys and revocations of one process. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    known: Arc<RwLock<Known>>,
    verified: Cache<[u8; 32], Arc<Claims>>,
    issuer: Arc<str>,
    audience: Arc<str>,
    clock: Clock,
}

#[derive(Default)]
struct Known {
    keys: HashMap<Uuid, DecodingKey>,
    /// Whether any key was ever heard of, be it retired by now.
    heard_of_keys: bool,
    /// Ended sessions, until every token of theirs has expired.
    revoked: HashMap<SessionId, DateTime<Utc>>,
    /// Accounts that are closed.
    closed: HashSet<UserId>,
    /// Accounts under a sanction.
    restricted: HashMap<UserId, Restriction>,
}

/// The header of the only form of token there is; any other field is a reason to refuse.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: Uuid,
}

impl Trust {
    /// A view that knows nobody yet.
    pub fn new(issuer: &str, audience: &str, clock: Clock) -> Self {
        Self {
            known: Arc::default(),
            verified: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(Duration::from_mins(1))
                .build(),
            issuer: issuer.into(),
            audience: audience.into(),
            clock,
        }
    }

    /// Takes an event of auth-service into account. Others, and what this build does not know, are ignored.
    pub fn observe(&self, event: &RecordedEvent) {
        if let Ok(Some(key)) = event.open::<SigningKeyEvent>() {
            self.observe_key(SigningKeyId(key.aggregate_id), &key.event);
        } else if let Ok(Some(session)) = event.open::<SessionEvent>() {
            match session.event {
                SessionEvent::Revoked { .. } => {
                    self.revoke(SessionId(session.aggregate_id), session.occurred_at);
                }
                SessionEvent::Started { .. } => (),
            }
        } else if let Ok(Some(user)) = event.open::<UserEvent>() {
            let (status, until) = match user.event {
                UserEvent::StatusChanged { status, until } => (status, until),
                UserEvent::Deleted {} => (AccountStatus::Inactive, None),
                UserEvent::Registered { .. }
                | UserEvent::EmailVerified {}
                | UserEvent::InterestsChanged { .. }
                | UserEvent::RoleGranted { .. } => return,
            };
            self.set_status(UserId(user.aggregate_id), status, until);
        }
    }

    fn observe_key(&self, id: SigningKeyId, event: &SigningKeyEvent) {
        let mut known = self.known.write().expect("no holder of this lock panics");
        known.heard_of_keys = true;
        match event {
            SigningKeyEvent::Activated { public_key } => {
                match DecodingKey::from_ed_components(public_key) {
                    Ok(key) => {
                        known.keys.insert(id.0, key);
                    }
                    Err(error) => {
                        tracing::error!(key.id = %id, %error, "signing key is no Ed25519 public key");
                    }
                }
            }
            SigningKeyEvent::Retired {} => {
                known.keys.remove(&id.0);
                drop(known);
                self.verified.invalidate_all();
            }
        }
    }

    fn revoke(&self, session: SessionId, at: DateTime<Utc>) {
        let forgotten =
            self.clock.now() - TimeDelta::seconds(ACCESS_TOKEN_SECONDS + 2 * LEEWAY_SECONDS);
        if at > forgotten {
            let mut known = self.known.write().expect("no holder of this lock panics");
            known.revoked.retain(|_, at| *at > forgotten);
            known.revoked.insert(session, at);
        }
    }

    fn set_status(&self, user: UserId, status: AccountStatus, until: Option<DateTime<Utc>>) {
        let mut known = self.known.write().expect("no holder of this lock panics");
        match Restriction::of(status, until) {
            Some(restriction) => known.restricted.insert(user, restriction),
            None => known.restricted.remove(&user),
        };
        if status == AccountStatus::Inactive {
            known.closed.insert(user);
        } else {
            known.closed.remove(&user);
        }
    }

    /// Whether at least one key is known: before that, no token can be believed.
    pub fn has_keys(&self) -> bool {
        !self.known.read().expect("no holder of this lock panics").keys.is_empty()
    }

    /// Whether any key was ever heard of. Before that, an unknown key says nothing against a token.
    pub fn has_heard_of_keys(&self) -> bool {
        self.known.read().expect("no holder of this lock panics").heard_of_keys
    }

    /// What a sanction leaves the owner of a token, by what was heard of the account and by what the token says. A token that was
    /// signed under a sanction stays what it is; its session gets another one when the sanction is over.
    pub fn restriction(&self, claims: &Claims) -> Option<Restriction> {
        let known = self.known.read().expect("no holder of this lock panics");
        let heard = known.restricted.get(&claims.sub).copied();
        heard.filter(Restriction::shuts_out).or(claims.restriction).or(heard)
    }

    /// The claims of a token that holds now. Its owner may be under a sanction all the same: see [`restriction`](Self::restriction).
    ///
    /// # Errors
    ///
    /// [`TokenError`] says why it does not.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let claims = if let Some(claims) = self.verified.get(&fingerprint) {
            claims
        } else {
            let claims = Arc::new(self.verify_signature(token)?);
            self.verified.insert(fingerprint, Arc::clone(&claims));
            claims
        };
        self.verify_time(&claims)?;
        self.verify_standing(&claims)?;
        Ok(claims)
    }

    /// Whether the claims of a token that was verified once still hold: not expired, not revoked, the account neither closed nor
    /// shut out.
    pub(crate) fn holds(&self, claims: &Claims) -> bool {
        let is_shut_out = self.restriction(claims).is_some_and(|it| it.shuts_out());
        self.verify_time(claims).is_ok() && self.verify_standing(claims).is_ok() && !is_shut_out
    }

    fn verify_signature(&self, token: &str) -> Result<Claims, TokenError> {
        let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header: Header = header
            .and_then(|header| serde_json::from_slice(&header).ok())
            .ok_or(TokenError::Form)?;
        if header.alg != "EdDSA" || header.typ != "at+jwt" {
            return Err(TokenError::Form);
        }
        let known = self.known.read().expect("no holder of this lock panics");
        let key = known.keys.get(&header.kid).ok_or(TokenError::UnknownKey)?;

        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&*self.issuer]);
        validation.set_audience(&[&*self.audience]);
        // Times are checked against the clock of this process, with every use and not only the first.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Ok(jsonwebtoken::decode::<Claims>(token, key, &validation)?.claims)
    }

    fn verify_time(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.clock.now().timestamp();
        if now > claims.exp + LEEWAY_SECONDS || now < claims.nbf - LEEWAY_SECONDS {
            return Err(jsonwebtoken::errors::Error::from(
                jsonwebtoken::errors::ErrorKind::ExpiredSignature,
            )
            .into());
        }
        Ok(())
    }

    fn verify_standing(&self, claims: &Claims) -> Result<(), TokenError> {
        let known = self.known.read().expect("no holder of this lock panics");
        if known.closed.contains(&claims.sub) || known.revoked.contains_key(&claims.sid) {
            return Err(TokenError::Revoked);
        }
        Ok(())
    }
}
