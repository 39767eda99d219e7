//! Access tokens that every service accepts, without an auth-service.

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use shared_schemas::{
    EventId, SessionId, SigningKeyId, UserId, signing_key::SigningKeyEvent, user::Role,
};

use crate::{Publisher, now};

/// Who issues the tokens of a test, the default of `TOKEN_ISSUER`.
const ISSUER: &str = "http://127.0.0.1:8080";

/// Seconds for which a token is good.
const LIFETIME: i64 = 300;

/// An issuer of access tokens whose public key the services know.
pub struct TestIssuer {
    key_id: SigningKeyId,
    key: EncodingKey,
    public_key: String,
}

impl TestIssuer {
    /// Makes a key and publishes it on auth-service's stream.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn publish(redis_url: &str, partitions: u16) -> Result<Self> {
        let issuer = Self::unpublished()?;
        let publisher = Publisher::connect(redis_url, partitions).await?;
        let activated = SigningKeyEvent::Activated { public_key: issuer.public_key.clone() };
        publisher.publish(issuer.key_id, 1, &activated).await?;
        Ok(issuer)
    }

    /// Makes a key that no service knows: its tokens must be refused.
    ///
    /// # Errors
    ///
    /// When there is no randomness.
    pub fn unpublished() -> Result<Self> {
        let pair = Ed25519KeyPair::generate().context("no randomness")?;
        let der = pair.to_pkcs8v1().context("the key has no DER form")?;
        Ok(Self {
            key_id: SigningKeyId::new(now()),
            key: EncodingKey::from_ed_der(der.as_ref()),
            public_key: URL_SAFE_NO_PAD.encode(pair.public_key()),
        })
    }

    /// The `kid` of its tokens.
    pub fn key_id(&self) -> SigningKeyId {
        self.key_id
    }

    /// The public key, 32 bytes in base64url without padding.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// A good token, for the next five minutes, of a session of its own.
    ///
    /// # Panics
    ///
    /// Never, short of a broken signature library.
    pub fn token(&self, user: UserId, roles: &[Role]) -> String {
        self.token_with(user, roles, |_| {})
    }

    /// A token that was good until an hour ago.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token).
    pub fn expired_token(&self, user: UserId, roles: &[Role]) -> String {
        self.token_with(user, roles, |claims| {
            for (claim, ago) in
                [("iat", 3_600 + LIFETIME), ("nbf", 3_600 + LIFETIME), ("exp", 3_600)]
            {
                claims.insert(claim.to_owned(), json!(now().timestamp() - ago));
            }
        })
    }

    /// A token whose claims the test has changed: `iss`, `aud`, `sub`, `sid`, `jti`, `iat`, `nbf`, `exp`, `roles`.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token).
    pub fn token_with(
        &self,
        user: UserId,
        roles: &[Role],
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> String {
        let now = now();
        let Value::Object(mut claims) = json!({
            "iss": ISSUER,
            "aud": "peerlink",
            "sub": user,
            "sid": SessionId::new(now),
            "jti": EventId::new(now),
            "iat": now.timestamp(),
            "nbf": now.timestamp(),
            "exp": now.timestamp() + LIFETIME,
            "roles": roles,
        }) else {
            unreachable!("the literal is an object")
        };
        change(&mut claims);
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.key_id.to_string()),
            ..Header::new(Algorithm::EdDSA)
        };
        encode(&header, &claims, &self.key).expect("an Ed25519 key signs any claims")
    }
}
