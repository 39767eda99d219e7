//! What every part of the service works with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_runtime::{EventStore, Streams};
use service_kit::Host;

use crate::{
    config::{Addresses, Config},
    connection::{aggregate::Connection, projection::ConnectionReadModel},
    credential::{aggregate::Credential, password::Passwords, projection::CredentialReadModel},
    secret::Keyring,
    session::{
        aggregate::Session, projection::SessionReadModel, refresh::RefreshToken, token::Signer,
    },
    user::{aggregate::User, projection::AccountReadModel},
};

/// The aggregates and secrets of the service. Cheap to clone.
///
/// Whoever locks more than one aggregate locks them in the order of the fields, so that no two wait for each other.
#[derive(Clone)]
pub struct Accounts {
    /// Accounts.
    pub users: Streams<User>,
    /// Addresses, passwords, names, codes.
    pub credentials: Streams<Credential>,
    /// Sessions.
    pub sessions: Streams<Session>,
    /// Refresh tokens. Found by what clients send, so they need no read model.
    pub refresh_tokens: Streams<RefreshToken>,
    /// Who is connected with whom.
    pub connections: Streams<Connection>,
    /// Derived keys.
    pub keyring: Arc<Keyring>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Signs access tokens.
    pub signer: Signer,
    /// Who becomes a moderator.
    pub moderators: Arc<Addresses>,
    /// Who becomes an analyst.
    pub analysts: Arc<Addresses>,
    /// Whether addresses that do not exist may sign up.
    pub demo_accounts: bool,
}

impl Accounts {
    /// The parts of a host.
    pub fn new(host: &Host<Config>) -> Self {
        let store = &host.store;
        let keyring = Arc::clone(&host.config.keyring);
        let credentials = CredentialReadModel { keyring: Arc::clone(&keyring) };
        Self {
            users: Streams::new(store.clone(), AccountReadModel),
            credentials: Streams::new(store.clone(), credentials),
            sessions: Streams::new(store.clone(), SessionReadModel),
            refresh_tokens: Streams::without_read_model(store.clone()),
            connections: Streams::new(store.clone(), ConnectionReadModel),
            keyring,
            passwords: Passwords::new(),
            signer: Signer::new(&host.common.token_issuer, &host.common.token_audience),
            moderators: Arc::new(host.config.moderators.clone()),
            analysts: Arc::new(host.config.analysts.clone()),
            demo_accounts: host.config.demo_accounts,
        }
    }

    /// The store of all of them.
    pub fn store(&self) -> &EventStore {
        self.users.store()
    }

    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.store().clock().now()
    }
}
