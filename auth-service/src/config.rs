//! The settings of this service.

use std::{collections::BTreeSet, str::FromStr, sync::Arc};

use lettre::{message::Mailbox, transport::smtp::AsyncSmtpTransportBuilder};
use service_kit::{Env, config::Settings};

use crate::{
    credential::email::{Email, EmailError},
    mail,
    secret::{KeyEncryptionKey, Keyring},
};

/// What the service is told besides what every service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// `KEY_ENCRYPTION_KEY`, 32 bytes in standard base64: what stored secrets are encrypted under.
    pub keyring: Arc<Keyring>,
    /// `SMTP_URL`: `smtp://host:port`, `smtp://…?tls=required` or `smtps://…`, with user and password where needed.
    pub smtp: AsyncSmtpTransportBuilder,
    /// `MAIL_FROM`: the sender, such as `PeerLink <no-reply@example.com>`.
    pub mail_from: Mailbox,
    /// `DEMO_ACCOUNTS`: whether addresses below `.invalid` may sign up, to which no mail is ever delivered. For
    /// demonstrations whose mail server keeps everything; `false` unless set.
    pub demo_accounts: bool,
    /// `MODERATOR_EMAILS`: whoever proves to own one of these addresses becomes a moderator.
    pub moderators: Addresses,
    /// `ANALYST_EMAILS`: whoever proves to own one of these addresses becomes an analyst.
    pub analysts: Addresses,
}

/// Addresses, separated by commas.
#[derive(Clone, Debug, Default)]
pub struct Addresses(BTreeSet<String>);

impl Addresses {
    /// Whether an address is one of them.
    pub fn contains(&self, email: &Email) -> bool {
        self.0.contains(email.key())
    }
}

impl FromStr for Addresses {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
        addresses
            .map(|address| Ok(Email::parse(address)?.key().to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        let root: Option<KeyEncryptionKey> = env.secret("KEY_ENCRYPTION_KEY");
        let keyring = root.and_then(|root| match Keyring::new(&root) {
            Ok(keyring) => Some(Arc::new(keyring)),
            Err(error) => env.mistake("KEY_ENCRYPTION_KEY", &error.to_string()),
        });
        let smtp = env.url("SMTP_URL", &["smtp", "smtps"]);
        let smtp = smtp.and_then(|url| match mail::worker::server(&url) {
            Ok(smtp) => Some(smtp),
            Err(error) => env.mistake("SMTP_URL", &error.to_string()),
        });
        let mail_from = env.or_default("MAIL_FROM", "PeerLink <no-reply@peerlink.invalid>");
        let demo_accounts = env.or_default("DEMO_ACCOUNTS", "false");
        let moderators = env.optional_secret("MODERATOR_EMAILS", "");
        let analysts = env.optional_secret("ANALYST_EMAILS", "");
        Some(Self {
            keyring: keyring?,
            smtp: smtp?,
            mail_from: mail_from?,
            demo_accounts: demo_accounts?,
            moderators: moderators?,
            analysts: analysts?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_has_no_default() {
        let mut env = Env::from_pairs([("SMTP_URL", "smtp://127.0.0.1:25")]);

        let error = env.read::<Config>().unwrap_err();

        assert!(error.to_string().contains("KEY_ENCRYPTION_KEY is not set"), "{error}");
    }

    #[test]
    fn addresses_are_found_in_any_spelling() {
        let addresses: Addresses = "Ada@example.com, ,bob@example.com".parse().unwrap();

        assert!(addresses.contains(&Email::parse("ADA@example.com").unwrap()));
        assert!(!addresses.contains(&Email::parse("eve@example.com").unwrap()));
        assert!("nobody".parse::<Addresses>().is_err());
    }
}
