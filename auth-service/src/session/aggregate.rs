//! The rules of a session.

use event_runtime::Aggregate;
use shared_schemas::{
    SessionId, UserId,
    session::{RevocationReason, SessionEvent},
};

/// What commands need to know about a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// It never began.
    #[default]
    Unknown,
    /// Somebody is signed in.
    Live(UserId),
    /// It ended.
    Ended,
}

/// Why a session refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The id is taken.
    #[error("the session exists already")]
    Exists,
    /// It ended, or never began.
    #[error("the session has ended")]
    Ended,
}

impl Aggregate for Session {
    type Id = SessionId;
    type Event = SessionEvent;

    fn evolve(self, event: &SessionEvent) -> Self {
        match event {
            SessionEvent::Started { user_id } => Self::Live(*user_id),
            SessionEvent::Revoked { .. } => Self::Ended,
        }
    }
}

impl Session {
    /// Begins a session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Exists`].
    pub fn start(&self, user_id: UserId) -> Result<Vec<SessionEvent>, SessionError> {
        match self {
            Self::Unknown => Ok(vec![SessionEvent::Started { user_id }]),
            Self::Live(_) | Self::Ended => Err(SessionError::Exists),
        }
    }

    /// Records nothing, and refuses if the session has ended.
    ///
    /// # Errors
    ///
    /// [`SessionError::Ended`].
    pub fn go_on(&self) -> Result<Vec<SessionEvent>, SessionError> {
        match self {
            Self::Live(_) => Ok(vec![]),
            Self::Unknown | Self::Ended => Err(SessionError::Ended),
        }
    }

    /// Ends the session; nothing if it has ended already.
    pub fn revoke(&self, reason: RevocationReason) -> Vec<SessionEvent> {
        match self {
            Self::Live(user_id) => vec![SessionEvent::Revoked { user_id: *user_id, reason }],
            Self::Unknown | Self::Ended => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const USER: UserId = UserId(Uuid::from_u128(1));

    fn given(history: &[SessionEvent]) -> Session {
        history.iter().fold(Session::default(), Session::evolve)
    }

    #[test]
    fn a_session_ends_once() {
        let mut history = Session::Unknown.start(USER).unwrap();
        assert_eq!(given(&history).go_on(), Ok(vec![]));

        history.extend(given(&history).revoke(RevocationReason::SignedOut));

        assert_eq!(given(&history).go_on(), Err(SessionError::Ended));
        assert_eq!(given(&history).revoke(RevocationReason::TokenReused), vec![]);
        assert_eq!(given(&history).start(USER), Err(SessionError::Exists));
    }
}
