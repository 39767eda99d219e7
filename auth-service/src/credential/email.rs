//! E-mail addresses.

use lettre::Address;

/// Characters of an address (RFC 5321 §4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// The top-level domain under which no mail is ever delivered (RFC 6761 §6.4); the demo's people live there.
const UNDELIVERABLE: &str = ".invalid";

/// An address that mail can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    written: String,
    key: String,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// It is not of the form `name@example.com`.
    #[error("is not an address of the form name@example.com")]
    Form,
    /// It is of a domain that does not exist by definition.
    #[error("is of a domain that no mail is delivered to")]
    Undeliverable,
}

impl Email {
    /// An address that is known already, or about to be looked up.
    ///
    /// # Errors
    ///
    /// [`EmailError::Form`].
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let written = text.trim();
        let address: Option<Address> = written.parse().ok();
        let address = address.filter(|_| written.is_ascii() && written.len() <= LONGEST);
        let address = address.ok_or(EmailError::Form)?;
        // A literal address such as `[127.0.0.1]`, or a name of the mail server's own network.
        let is_public = address.domain().contains('.') && !address.domain().starts_with('[');
        if !is_public {
            return Err(EmailError::Form);
        }
        Ok(Self { written: written.to_owned(), key: written.to_ascii_lowercase() })
    }

    /// An address that somebody signs up with; `demo` lets addresses in that do not exist.
    ///
    /// # Errors
    ///
    /// [`EmailError`] says what is wrong with it.
    pub fn parse_new(text: &str, demo: bool) -> Result<Self, EmailError> {
        let email = Self::parse(text)?;
        if email.key.ends_with(UNDELIVERABLE) && !demo {
            return Err(EmailError::Undeliverable);
        }
        Ok(email)
    }

    /// As its owner wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What is compared: the address in lower case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands before the `@`, in lower case.
    pub fn local_part(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_have_one_key() {
        let written = Email::parse(" Ada.Lovelace@Example.COM ").unwrap();

        assert_eq!(written.key(), Email::parse("ada.lovelace@example.com").unwrap().key());
        assert_eq!(written.written(), "Ada.Lovelace@Example.COM");
        assert_eq!(written.local_part(), "ada.lovelace");
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        let long = format!("{}@example.com", "x".repeat(250));
        for text in ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@localhost", &long] {
            assert_eq!(Email::parse(text), Err(EmailError::Form), "{text}");
        }
        for text in ["ada@[127.0.0.1]", "ada@ex\nample.com", "ada@example.com\nBcc: b@example.com"]
        {
            assert_eq!(Email::parse(text), Err(EmailError::Form), "{text}");
        }
    }

    #[test]
    fn addresses_that_do_not_exist_are_for_the_demo_alone() {
        let address = "ada@demo.peerlink.invalid";

        assert_eq!(Email::parse_new(address, false), Err(EmailError::Undeliverable));
        assert!(Email::parse_new(address, true).is_ok());
    }
}
