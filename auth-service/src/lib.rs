//! The auth service: accounts, sessions, connections, and the keys that sign access tokens.
//!
//! No other service ever asks it anything: what they must know of accounts and sessions, they hear as events. It hears one
//! thing from moderation-service: what people may do.

pub mod accounts;
pub mod config;
pub mod connection;
pub mod credential;
pub mod mail;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod user;

use std::{process::ExitCode, sync::Arc};

use event_runtime::Streams;
use poem::{EndpointExt, get};
use poem_openapi::Tags;
use service_kit::{Definition, Host, Parts, docs, sql_migrations};
use shared_schemas::{
    Service, connection::ConnectionEvent, session::SessionEvent, signing_key::SigningKeyEvent,
    user::UserEvent,
};

use crate::{
    accounts::Accounts,
    config::Config,
    connection::{api::ConnectionApi, projection::ConnectionReadModel},
    credential::{
        api::CredentialApi, event::CredentialEvent, projection::CredentialReadModel,
        register::Register, request_reset::RequestReset,
    },
    mail::SendMail,
    session::{
        api::SessionApi,
        projection::SessionReadModel,
        sweep::{ForgetFailures, ForgetOldSessions},
    },
    signing_key::{api::SigningKeyApi, projection::SigningKeyReadModel},
    user::{api::UserApi, projection::AccountReadModel, restrict::Restriction},
};

/// Title and description of the document.
const TITLE: &str = "PeerLink accounts";
const DESCRIPTION: &str = "Signing up and in, sessions, people and their connections, and the keys that sign access tokens.";

/// How the document groups the operations.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Signing up and passwords.
    Accounts,
    /// Signing in, staying signed in, signing out.
    Sessions,
    /// People.
    People,
    /// Who knows whom.
    Connections,
    /// The keys that sign access tokens.
    Keys,
}

/// What the service is.
pub fn definition() -> Definition<Config> {
    Definition {
        service: Service::Auth,
        port: 8000,
        migrations: sql_migrations![
            "0001_personal_key",
            "0002_user",
            "0003_credential",
            "0004_session",
            "0005_connection",
            "0006_signing_key",
        ],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<Config>) -> Parts {
    let accounts = Accounts::new(host);
    let (store, keyring) = (host.store.clone(), Arc::clone(&host.config.keyring));
    let api = (
        CredentialApi { accounts: accounts.clone() },
        SessionApi { accounts: accounts.clone() },
        UserApi { accounts: accounts.clone() },
        ConnectionApi { accounts: accounts.clone() },
        SigningKeyApi { store: store.clone() },
    );
    let send_mail = SendMail {
        smtp: host.config.smtp.clone().build(),
        from: host.config.mail_from.clone(),
        db: store.db().clone(),
        keyring: Arc::clone(&keyring),
        clock: host.clock.clone(),
    };
    let jwks = get(signing_key::api::at_root).data(store.clone());
    let signing_keys = Streams::new(store, SigningKeyReadModel);
    let signer = accounts.signer.clone();
    Parts::new(host)
        .api(api, TITLE, DESCRIPTION)
        .document(|document| docs::offer_password_form(document, "/api/v1/auth/token"))
        .at_root("/.well-known/jwks.json", jwks)
        .runtime(|runtime| {
            runtime
                .read_model::<UserEvent>(AccountReadModel)
                .read_model::<CredentialEvent>(CredentialReadModel {
                    keyring: Arc::clone(&keyring),
                })
                .read_model::<SessionEvent>(SessionReadModel)
                .read_model::<ConnectionEvent>(ConnectionReadModel)
                .read_model::<SigningKeyEvent>(SigningKeyReadModel)
                .reactor(Restriction { accounts: accounts.clone() })
                .worker(Register { accounts: accounts.clone() })
                .worker(RequestReset { accounts })
                .worker(send_mail)
        })
        .sweep(ForgetOldSessions)
        .sweep(ForgetFailures)
        .on_start(move || async move {
            signing_key::start::ready(signing_keys, &keyring, &signer)
                .await
                .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        })
}
