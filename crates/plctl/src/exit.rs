//! How the program ends, and what it says then.

use std::fmt;
use std::process::ExitCode;

use event_runtime::error::{chain, is_transient};
use event_runtime::operator::CommandError;
use fred::error::ErrorKind;
use sea_orm::DbErr;

/// What an exit code means, for the reference.
pub(crate) const MEANINGS: [(u8, &str); 6] = [
    (0, "done, and nothing found"),
    (1, "failed, or refused: one line says why, and the way out"),
    (2, "called wrongly"),
    (
        3,
        "done, and something was found: `verify`, `gaps check`, `schema check`, `audit`, `doctor`, `export --verify`, `parked redrive`, `mint verify`, `mint lanes`, `moderation replay`, `moderation what-if`, `moderation apply`, `moderation revert`, `moderation version drift`",
    ),
    (69, "a database or Redis does not answer"),
    (78, "configured wrongly: no service found, an unreadable file, a URL that is none"),
];

/// How a command that worked ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is nothing to do.
    Clean,
    /// Somebody should look.
    Findings,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Clean => Self::SUCCESS,
            Verdict::Findings => Self::from(3),
        }
    }
}

/// Why a command did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The state does not allow it.
    Refused(String),
    /// The command line is not enough.
    Usage(String),
    /// A server does not answer.
    Unavailable(String),
    /// The configuration is wrong.
    Config(String),
    /// Something else.
    Failed(String),
}

impl Failure {
    /// What could not be read or written here.
    pub(crate) fn failed(
        what: impl fmt::Display,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::Failed(format!("{what}: {}", chain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => write!(f, "refused: {text}"),
            Self::Usage(text) => write!(f, "usage: {text}"),
            Self::Unavailable(text) => write!(f, "unavailable: {text}"),
            Self::Config(text) => write!(f, "configuration: {text}"),
            Self::Failed(text) => write!(f, "error: {text}"),
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(_) | Failure::Failed(_) => Self::from(1),
            Failure::Usage(_) => Self::from(2),
            Failure::Unavailable(_) => Self::from(69),
            Failure::Config(_) => Self::from(78),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused { .. } => Self::Refused(error.to_string()),
            CommandError::Storage(error) => error.into(),
            CommandError::Redis(error) => error.into(),
        }
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        let text = format!("the database failed: {}", chain(&error));
        if is_transient(&error) { Self::Unavailable(text) } else { Self::Failed(text) }
    }
}

impl From<fred::error::Error> for Failure {
    fn from(error: fred::error::Error) -> Self {
        let text = format!("redis failed: {}", chain(&error));
        let is_gone =
            matches!(error.kind(), ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled);
        if is_gone { Self::Unavailable(text) } else { Self::Failed(text) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
