//! Access tokens: signed, good for five minutes, verified by every service on its own.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use service_kit::trust::{ACCESS_TOKEN_SECONDS, Claims, Restriction};
use shared_schemas::{EventId, SessionId, SigningKeyId, UserId, user::Role};

/// Signs access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    key: Arc<OnceLock<(SigningKeyId, EncodingKey)>>,
    issuer: Arc<str>,
    audience: Arc<str>,
}

/// Why no token was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There is no key yet; there is one before the first request.
    #[error("there is no signing key yet")]
    NoKey,
    /// The library failed.
    #[error("the token could not be signed")]
    Library(#[from] jsonwebtoken::errors::Error),
}

impl Signer {
    /// A signer that waits for its key.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self { key: Arc::default(), issuer: issuer.into(), audience: audience.into() }
    }

    /// Gives the signer its key, an Ed25519 private key in PKCS#8. The first one stays.
    pub fn sign_with(&self, id: SigningKeyId, pkcs8: &[u8]) {
        self.key.get_or_init(|| (id, EncodingKey::from_ed_der(pkcs8)));
    }

    /// A token for the next five minutes.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign(
        &self,
        user_id: UserId,
        session_id: SessionId,
        (roles, restriction): (Vec<Role>, Option<Restriction>),
        now: DateTime<Utc>,
    ) -> Result<String, SignError> {
        let (key_id, key) = self.key.get().ok_or(SignError::NoKey)?;
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(key_id.to_string()),
            ..Header::new(Algorithm::EdDSA)
        };
        let issued_at = now.timestamp();
        let claims = Claims {
            iss: self.issuer.as_ref().to_owned(),
            aud: self.audience.as_ref().to_owned(),
            sub: user_id,
            sid: session_id,
            jti: EventId::new(now).0,
            iat: issued_at,
            nbf: issued_at,
            exp: issued_at + ACCESS_TOKEN_SECONDS,
            roles,
            restriction,
        };
        Ok(jsonwebtoken::encode(&header, &claims, key)?)
    }
}
