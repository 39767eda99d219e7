//! Refresh tokens: opaque, 256 bits, each good once.
//!
//! A token and its successors form the family of one session. The rules:
//!
//! - Using a token makes its one successor and voids the token. The successor is computed from the token under a key of the
//!   server, so that the same request, repeated or sent eight times at once, gets the same answer and makes one generation.
//! - Such a repetition is allowed for ten seconds, and only while the successor is itself unused: a client that lost the
//!   answer, or two tabs of one browser.
//! - Any other use of a token that was used means that two parties hold it. The session ends, and with it every token of
//!   the family, the newest included.
//! - A token is good for seven days, its session for thirty.
//!
//! A token is an aggregate of its own, found by its digest, so that a session of any age costs the same to continue. Nothing
//! is stored that a token could be made from.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, Service, SessionId, UserId};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secret::{Keyring, SecretError, seal};

/// How long a token is good.
pub const IDLE: TimeDelta = TimeDelta::days(7);

/// How long a session is good, however often it is continued.
pub const ABSOLUTE: TimeDelta = TimeDelta::days(30);

/// How long a use may be repeated.
pub const REPEAT: TimeDelta = TimeDelta::seconds(10);

/// A token as the client holds it.
pub struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// The first token of a session.
    ///
    /// # Errors
    ///
    /// [`SecretError::NoRandomness`].
    pub fn random() -> Result<Self, SecretError> {
        seal::random().map(Self)
    }

    /// A token that a client sent; `None` if it was never given out in this form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The one token that follows.
    #[must_use]
    pub fn successor(&self, keyring: &Keyring) -> Self {
        Self(keyring.successor(&self.0))
    }

    /// What the client is given.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    /// What is stored of it: SHA-256. A hash without a key is enough for 256 random bits.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_slice())))
    }

    /// The aggregate that speaks of it.
    pub fn id(&self) -> RefreshTokenId {
        let digest = digest(&SHA256, self.0.as_slice());
        RefreshTokenId(Uuid::new_v5(&NAMESPACE, digest.as_ref()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The namespace of the ids of refresh tokens.
const NAMESPACE: Uuid = Uuid::from_u128(0x3b0c_56c4_41a1_4c55_8d02_1f0e_97c3_5d1b);

/// Identifies a refresh token; derived from its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTokenId(Uuid);

impl From<RefreshTokenId> for Uuid {
    fn from(id: RefreshTokenId) -> Self {
        id.0
    }
}

/// SHA-256 of a token, in base64url.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest(String);

/// Takes the same time wherever two digests differ.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for TokenDigest {}

/// What can happen to a refresh token. Private: none of it leaves this service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum RefreshTokenEvent {
    /// It was given to a client.
    #[serde(rename = "refresh_token.issued.v1")]
    Issued(Issued),
    /// It was used: its successor was given to a client.
    #[serde(rename = "refresh_token.rotated.v1")]
    Rotated {
        /// When.
        at: DateTime<Utc>,
    },
}

/// A token that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// What is stored of it.
    pub digest: TokenDigest,
    /// Whose it is.
    pub user_id: UserId,
    /// The session that it continues.
    pub session_id: SessionId,
    /// When the session began.
    pub session_started_at: DateTime<Utc>,
    /// Its place in the family, from 1.
    pub generation: u64,
    /// When it was given out.
    pub issued_at: DateTime<Utc>,
}

impl Issued {
    /// The first token of a session.
    pub fn first(
        token: &Token,
        user_id: UserId,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            digest: token.digest(),
            user_id,
            session_id,
            session_started_at: now,
            generation: 1,
            issued_at: now,
        }
    }

    /// The token that follows.
    #[must_use]
    pub fn next(&self, successor: &Token, now: DateTime<Utc>) -> Self {
        let (digest, generation) = (successor.digest(), self.generation.saturating_add(1));
        Self { digest, generation, issued_at: now, ..self.clone() }
    }
}

impl Event for RefreshTokenEvent {
    const CATEGORY: &'static str = "refresh_token";
    const SERVICE: Service = Service::Auth;

    fn is_public(&self) -> bool {
        false
    }
}

/// What commands need to know about a refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RefreshToken {
    /// It was never given out.
    #[default]
    Unknown,
    /// It can be used.
    Fresh(Issued),
    /// It was used.
    Rotated(Issued, DateTime<Utc>),
}

/// Why a refresh token refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// It was never given out.
    #[error("the refresh token is not known")]
    Unknown,
    /// It was given out before.
    #[error("the refresh token exists already")]
    Exists,
    /// It, or its session, is too old.
    #[error("the refresh token has expired")]
    Expired,
    /// It was used a moment ago; the same client may be asking again.
    #[error("the refresh token was used a moment ago")]
    Repeated,
    /// It was used before.
    #[error("the refresh token was used before")]
    Reused,
}

impl Aggregate for RefreshToken {
    type Id = RefreshTokenId;
    type Event = RefreshTokenEvent;

    fn evolve(self, event: &RefreshTokenEvent) -> Self {
        match (self, event) {
            (_, RefreshTokenEvent::Issued(issued)) => Self::Fresh(issued.clone()),
            (Self::Fresh(issued) | Self::Rotated(issued, _), RefreshTokenEvent::Rotated { at }) => {
                Self::Rotated(issued, *at)
            }
            (Self::Unknown, RefreshTokenEvent::Rotated { .. }) => Self::Unknown,
        }
    }
}

impl RefreshToken {
    /// Notes that it is given out.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Exists`].
    pub fn issue(&self, issued: Issued) -> Result<Vec<RefreshTokenEvent>, RefreshError> {
        match self {
            Self::Unknown => Ok(vec![RefreshTokenEvent::Issued(issued)]),
            Self::Fresh(_) | Self::Rotated(..) => Err(RefreshError::Exists),
        }
    }

    /// Uses it.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] says why it is not good.
    pub fn rotate(&self, now: DateTime<Utc>) -> Result<Vec<RefreshTokenEvent>, RefreshError> {
        match self {
            Self::Unknown => Err(RefreshError::Unknown),
            Self::Rotated(_, at) if now < *at + REPEAT => Err(RefreshError::Repeated),
            Self::Rotated(..) => Err(RefreshError::Reused),
            Self::Fresh(issued)
                if now >= issued.issued_at + IDLE
                    || now >= issued.session_started_at + ABSOLUTE =>
            {
                Err(RefreshError::Expired)
            }
            Self::Fresh(_) => Ok(vec![RefreshTokenEvent::Rotated { at: now }]),
        }
    }

    /// What was given out, if it is what the client holds.
    pub fn issued(&self, digest: &TokenDigest) -> Option<&Issued> {
        match self {
            Self::Fresh(issued) | Self::Rotated(issued, _) if issued.digest == *digest => {
                Some(issued)
            }
            Self::Fresh(_) | Self::Rotated(..) | Self::Unknown => None,
        }
    }

    /// Records nothing, and refuses unless it was given out and not used.
    ///
    /// # Errors
    ///
    /// [`RefreshError::Unknown`] and [`RefreshError::Reused`].
    pub fn be_fresh(&self) -> Result<Vec<RefreshTokenEvent>, RefreshError> {
        match self {
            Self::Fresh(_) => Ok(vec![]),
            Self::Unknown => Err(RefreshError::Unknown),
            Self::Rotated(..) => Err(RefreshError::Reused),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn issued(issued_at: DateTime<Utc>) -> Issued {
        let token = Token::parse(&"A".repeat(43)).unwrap();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        Issued { issued_at, ..Issued::first(&token, user, session, start()) }
    }

    fn fresh(issued_at: DateTime<Utc>) -> RefreshToken {
        RefreshToken::default().evolve(&RefreshTokenEvent::Issued(issued(issued_at)))
    }

    #[test]
    fn a_token_is_used_once_and_its_use_repeated_for_ten_seconds() {
        let used = fresh(start()).evolve(&RefreshTokenEvent::Rotated { at: start() });
        let almost = start() + TimeDelta::milliseconds(9_999);

        assert_eq!(used.rotate(almost), Err(RefreshError::Repeated));
        assert_eq!(used.rotate(start() + REPEAT), Err(RefreshError::Reused));
    }

    #[test]
    fn a_token_is_good_for_seven_days() {
        let last = start() + IDLE - TimeDelta::seconds(1);

        assert!(fresh(start()).rotate(last).is_ok());
        assert_eq!(fresh(start()).rotate(start() + IDLE), Err(RefreshError::Expired));
    }

    #[test]
    fn a_session_is_good_for_thirty_days_however_fresh_its_token() {
        let yesterday = start() + ABSOLUTE - TimeDelta::days(1);

        assert!(fresh(yesterday).rotate(yesterday).is_ok());
        assert_eq!(fresh(yesterday).rotate(start() + ABSOLUTE), Err(RefreshError::Expired));
    }

    #[test]
    fn a_token_is_its_text_and_no_other() {
        let token = Token::random().unwrap();

        assert_eq!(token.text().len(), 43);
        assert_eq!(Token::parse(&token.text()).unwrap().digest(), token.digest());
        for other in ["", "x", &"A".repeat(44), &format!("{}=", token.text())] {
            assert!(Token::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn successors_differ_and_are_recomputed_alike() {
        let keyring = Keyring::new(&STANDARD.encode([7; 32]).parse().unwrap()).unwrap();
        let token = Token::random().unwrap();
        let next = token.successor(&keyring);

        assert_eq!(next.digest(), token.successor(&keyring).digest());
        assert_ne!(next.digest(), next.successor(&keyring).digest());
        assert_ne!(next.digest(), token.digest());
    }

    #[test]
    fn every_wire_form_ever_written_is_still_read_and_written_alike() {
        // Append only: these forms are in stores, for ever.
        let forms = [
            r#"{"type":"refresh_token.issued.v1","data":{"digest":"AA","user_id":"00000000-0000-0000-0000-000000000001","session_id":"00000000-0000-0000-0000-000000000002","session_started_at":"2026-01-01T00:00:00Z","generation":1,"issued_at":"2026-01-01T00:00:00Z"}}"#,
            r#"{"type":"refresh_token.rotated.v1","data":{"at":"2026-01-01T00:00:00Z"}}"#,
        ];
        for form in forms {
            let raw: shared_schemas::RawEvent = serde_json::from_str(form).unwrap();

            let event = RefreshTokenEvent::decode(raw.clone()).unwrap().unwrap();

            assert_eq!(event.encode().unwrap(), raw);
            assert!(!event.is_public(), "{form}");
        }
    }
}
