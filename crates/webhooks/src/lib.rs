//! Messages to an address that somebody configured, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! A message has an id that stays the same with every attempt, so that a receiver can tell a repeat, and a signature over id, moment
//! and body, so that it can tell who sent it.

use std::{str::FromStr, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;
use zeroize::Zeroizing;

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(15);

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The fewest and the most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `whsec_` and the base64 of 24 to 64 bytes")]
pub struct NoSecret;

/// What sender and receiver sign with.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl FromStr for Secret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(NoSecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_not_base64| NoSecret)?);
        if SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NoSecret) }
    }
}

impl Secret {
    /// The signature of a message: `v1,` and the base64 of an HMAC with SHA-256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No answer in time. Whether it arrived is unknown.
    #[error("the receiver does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The receiver does not take it.
    #[error("the receiver answers {0}")]
    Refused(u16),
}

/// An address that takes messages.
#[derive(Clone)]
pub struct Receiver {
    url: Url,
    secret: Secret,
    client: reqwest::Client,
}

impl Receiver {
    /// A receiver at an address.
    ///
    /// # Errors
    ///
    /// [`SendError::Unreachable`] if this machine cannot do TLS.
    pub fn new(url: Url, secret: Secret) -> Result<Self, SendError> {
        let client = reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(SendError::Unreachable)?;
        Ok(Self { url, secret, client })
    }

    /// Delivers a message once; `timestamp` is the moment of the attempt in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the same id may be sent again.
    pub async fn send(&self, id: &str, timestamp: i64, body: String) -> Result<(), SendError> {
        let answer = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.secret.sign(id, timestamp, &body))
            .body(body)
            .send()
            .await
            // The address may hold a token.
            .map_err(|error| SendError::Unreachable(error.without_url()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(SendError::Refused(status.as_u16())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();

        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);

        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%%"] {
            assert!(text.parse::<Secret>().is_err(), "{text}");
        }
    }
}
