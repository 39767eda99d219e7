//! Passwords and keys of one stack.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::services::{SERVICES, ServiceSpec};

/// The user of PostgreSQL and of Redis that may do everything; only the launcher signs in as it.
pub const ADMIN: &str = "admin";

/// Every secret of a stack. Kept across restarts, because the data was made with them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// PostgreSQL passwords by role, [`ADMIN`] included; letters, digits, `-` and `_` only.
    pub postgres: BTreeMap<String, String>,
    /// Redis passwords by user, [`ADMIN`] included; letters, digits, `-` and `_` only.
    pub redis: BTreeMap<String, String>,
    /// 32 bytes in standard base64, with which the auth service encrypts its signing keys.
    pub key_encryption_key: String,
}

impl Secrets {
    /// Fresh random secrets.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            postgres: passwords(|_| {
                random_bytes::<24>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
            })?,
            redis: passwords(|_| random_bytes::<24>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)))?,
            key_encryption_key: STANDARD.encode(random_bytes::<32>()?),
        })
    }

    /// The fixed secrets of `docker-compose-local.yaml`: readable, published, and worthless elsewhere.
    ///
    /// # Panics
    ///
    /// Never: making a fixed password cannot fail.
    pub fn compose() -> Self {
        let fixed = || {
            passwords(|name| Ok(format!("local-only-{name}")))
                .expect("a fixed password needs no randomness")
        };
        Self {
            postgres: fixed(),
            redis: fixed(),
            key_encryption_key: STANDARD.encode(b"local-only-key-do-not-use-online"),
        }
    }

    /// The PostgreSQL password of `role`.
    ///
    /// # Errors
    ///
    /// When there is no such role.
    pub fn postgres_password(&self, role: &str) -> Result<&str> {
        self.postgres
            .get(role)
            .map(String::as_str)
            .with_context(|| format!("no PostgreSQL role `{role}`"))
    }

    /// The Redis password of `user`.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub fn redis_password(&self, user: &str) -> Result<&str> {
        self.redis.get(user).map(String::as_str).with_context(|| format!("no Redis user `{user}`"))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets(..)")
    }
}

fn passwords(
    mut password_of: impl FnMut(&str) -> Result<String>,
) -> Result<BTreeMap<String, String>> {
    let names = SERVICES.iter().map(|ServiceSpec { name, .. }| *name).chain([ADMIN]);
    names.map(|name| Ok((name.to_owned(), password_of(name)?))).collect()
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).context("no randomness")?;
    Ok(bytes)
}
