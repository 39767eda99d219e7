//! The rules of a connection.

use event_runtime::Aggregate;
use shared_schemas::{ConnectionId, UserId, connection::ConnectionEvent};

/// What commands need to know about the connection of two people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// There is none, or none any more.
    #[default]
    Absent,
    /// It holds between these two.
    Established(UserId, UserId),
}

/// Why a connection refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// It holds already.
    #[error("the two are connected already")]
    AlreadyConnected,
    /// It does not hold.
    #[error("the two are not connected")]
    NotConnected,
    /// Nobody is connected with themselves.
    #[error("nobody can connect with themselves")]
    WithOneself,
}

impl Aggregate for Connection {
    type Id = ConnectionId;
    type Event = ConnectionEvent;

    fn evolve(self, event: &ConnectionEvent) -> Self {
        match event {
            ConnectionEvent::Established { initiator_id, other_id } => {
                Self::Established(*initiator_id, *other_id)
            }
            ConnectionEvent::Ended { .. } => Self::Absent,
        }
    }
}

impl Connection {
    /// Connects two people.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::WithOneself`] and [`ConnectionError::AlreadyConnected`].
    pub fn establish(
        &self,
        initiator_id: UserId,
        other_id: UserId,
    ) -> Result<Vec<ConnectionEvent>, ConnectionError> {
        match self {
            Self::Absent if initiator_id == other_id => Err(ConnectionError::WithOneself),
            Self::Absent => Ok(vec![ConnectionEvent::Established { initiator_id, other_id }]),
            Self::Established(..) => Err(ConnectionError::AlreadyConnected),
        }
    }

    /// Ends the connection.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::NotConnected`].
    pub fn end(&self, ended_by: UserId) -> Result<Vec<ConnectionEvent>, ConnectionError> {
        match self {
            Self::Established(one, other) if ended_by == *one || ended_by == *other => {
                let other_id = if ended_by == *one { *other } else { *one };
                Ok(vec![ConnectionEvent::Ended { ended_by, other_id }])
            }
            Self::Established(..) | Self::Absent => Err(ConnectionError::NotConnected),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));
    const EVE: UserId = UserId(Uuid::from_u128(3));

    fn given(history: &[ConnectionEvent]) -> Connection {
        history.iter().fold(Connection::default(), Connection::evolve)
    }

    #[test]
    fn either_of_the_two_ends_it_and_nobody_else() {
        let connected = given(&Connection::Absent.establish(ADA, BOB).unwrap());

        for (ended_by, other_id) in [(ADA, BOB), (BOB, ADA)] {
            let ended = vec![ConnectionEvent::Ended { ended_by, other_id }];
            assert_eq!(connected.end(ended_by), Ok(ended));
        }
        assert_eq!(connected.end(EVE), Err(ConnectionError::NotConnected));
    }

    #[test]
    fn people_connect_once_and_again_after_the_end() {
        let mut history = Connection::Absent.establish(ADA, BOB).unwrap();
        assert_eq!(given(&history).establish(BOB, ADA), Err(ConnectionError::AlreadyConnected));

        history.extend(given(&history).end(BOB).unwrap());

        assert!(given(&history).establish(BOB, ADA).is_ok());
    }

    #[test]
    fn nobody_connects_with_themselves() {
        assert_eq!(Connection::Absent.establish(ADA, ADA), Err(ConnectionError::WithOneself));
    }
}
