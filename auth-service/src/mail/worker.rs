//! Sends mail by SMTP, as a durable job: tried again until the server takes it or it is too late.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use event_runtime::{Clock, Job, JobOutcome, JobWorker};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{self, AsyncSmtpTransportBuilder},
};
use sea_orm::DatabaseConnection;

use super::message::{JOB, Mail, Payload};
use crate::secret::{Keyring, PersonalKey, SecretError};

/// How long the mail server may take for one step.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the mail of `send_mail` jobs.
pub struct SendMail {
    /// The mail server.
    pub smtp: AsyncSmtpTransport<Tokio1Executor>,
    /// The sender.
    pub from: Mailbox,
    /// Where personal keys are.
    pub db: DatabaseConnection,
    /// Opens them.
    pub keyring: Arc<Keyring>,
    /// Tells what is too late.
    pub clock: Clock,
}

/// Why a mail was not sent. What a mail server says may quote the address, so its words are left out.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server refused the mail.
    #[error("the mail server answered {0}")]
    Answered(String),
    /// The server could not be reached.
    #[error("the mail server could not be reached{}", if *.timeout { " in time" } else { "" })]
    Unreachable {
        /// Whether it took too long.
        timeout: bool,
    },
    /// The mail could not be written.
    #[error("the mail could not be written")]
    Malformed,
    /// It is too late for it.
    #[error("the mail was not sent in time, and is of no use any more")]
    Expired,
    /// The payload is none of this worker's.
    #[error("the payload does not fit")]
    Payload(#[from] serde_json::Error),
    /// The mail could not be decrypted.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The mail server at a URL, such as `smtps://user:password@mail.example.com`.
///
/// # Errors
///
/// If the URL names no server that mail can be sent through.
pub fn server(url: &str) -> Result<AsyncSmtpTransportBuilder, smtp::Error> {
    Ok(AsyncSmtpTransport::<Tokio1Executor>::from_url(url)?.timeout(Some(TIMEOUT)))
}

impl SendMail {
    async fn send(&self, job: &Job) -> Result<(), MailError> {
        let payload: Payload = serde_json::from_value(job.payload.clone())?;
        let key = PersonalKey::load(&self.db, &self.keyring, payload.user_id).await?;
        // An erased account gets no more mail.
        let Some(key) = key else { return Ok(()) };
        let mail = payload.open(&key)?;
        if self.clock.now() > mail.expires_at {
            return Err(MailError::Expired);
        }
        let message = write(&self.from, &mail, &job.key).ok_or(MailError::Malformed)?;
        self.smtp.send(message).await.map(drop).map_err(|error| match error.status() {
            Some(code) => MailError::Answered(code.to_string()),
            None => MailError::Unreachable { timeout: error.is_timeout() },
        })
    }
}

/// The mail as it is sent.
fn write(from: &Mailbox, mail: &Mail, job_key: &str) -> Option<Message> {
    let to: Address = mail.to.parse().ok()?;
    // The same with every attempt, so that a server which took the mail before can tell.
    let id = format!("<{}@{}>", job_key.replace(':', "."), from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(to.into())
        .message_id(Some(id))
        .subject(mail.letter.subject())
        .header(ContentType::TEXT_PLAIN)
        .body(mail.letter.text())
        .ok()
}

#[async_trait]
impl JobWorker for SendMail {
    fn kind(&self) -> &'static str {
        JOB
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        match self.send(job).await {
            Ok(()) => JobOutcome::Done,
            Err(error) => outcome(error),
        }
    }
}

/// What becomes of a mail that was not sent: 5yz is for good (RFC 5321 §4.2.1), a server that is away is not.
fn outcome(error: MailError) -> JobOutcome {
    let for_good = match &error {
        MailError::Answered(code) => code.starts_with('5'),
        MailError::Unreachable { .. } | MailError::Secret(SecretError::Storage(_)) => false,
        MailError::Malformed
        | MailError::Expired
        | MailError::Payload(_)
        | MailError::Secret(_) => true,
    };
    if for_good { JobOutcome::Fail(Box::new(error)) } else { JobOutcome::Retry(Box::new(error)) }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::mail::Letter;

    #[test]
    fn a_repeated_attempt_has_the_same_message_id() {
        let from: Mailbox = "PeerLink <no-reply@example.com>".parse().unwrap();
        let letter = Letter::VerifyEmail { code: "12345678".to_owned() };
        let mail =
            Mail { to: "ada@example.com".to_owned(), letter, expires_at: DateTime::default() };

        let message = write(&from, &mail, "already:1").unwrap().formatted();

        let message = String::from_utf8(message).unwrap();
        assert!(message.contains("Message-ID: <already.1@example.com>\r\n"), "{message}");
        assert!(message.contains("\r\nYour code: 12345678\r\n"), "{message}");
    }

    #[test]
    fn a_full_mailbox_is_tried_again_and_an_unknown_one_is_not() {
        let answered = |code: &str| outcome(MailError::Answered(code.to_owned()));

        assert!(matches!(answered("452"), JobOutcome::Retry(_)));
        assert!(matches!(answered("550"), JobOutcome::Fail(_)));
        assert!(matches!(outcome(MailError::Unreachable { timeout: true }), JobOutcome::Retry(_)));
    }
}
