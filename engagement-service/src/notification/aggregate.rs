//! One notification: generated once, viewed by its recipient.

use event_runtime::Aggregate;
use shared_schemas::{NotificationId, UserId, notification::NotificationEvent};

use super::notice::Notice;

/// What a command needs to know about a notification.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Notification {
    /// Nobody was told yet.
    #[default]
    Absent,
    /// The recipient has not seen it.
    Unseen {
        /// Whose it is.
        recipient_id: UserId,
    },
    /// The recipient has seen it.
    Viewed {
        /// Whose it is.
        recipient_id: UserId,
    },
}

/// Why a notification does not do what it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// There is no such notification, or it is somebody else's: the two look the same.
    #[error("there is no such notification")]
    NotFound,
}

impl Aggregate for Notification {
    type Id = NotificationId;
    type Event = NotificationEvent;

    fn evolve(self, event: &NotificationEvent) -> Self {
        match event {
            NotificationEvent::Generated { recipient_id, .. } => {
                Self::Unseen { recipient_id: *recipient_id }
            }
            NotificationEvent::Viewed { recipient_id } => {
                Self::Viewed { recipient_id: *recipient_id }
            }
        }
    }
}

impl Notification {
    /// Tells the recipient, once.
    pub(super) fn generate(&self, notice: &Notice) -> Vec<NotificationEvent> {
        match self {
            Self::Absent => vec![NotificationEvent::Generated {
                recipient_id: notice.recipient_id,
                kind: notice.kind,
                about: notice.about,
                detail: notice.detail.map(str::to_owned),
            }],
            Self::Unseen { .. } | Self::Viewed { .. } => Vec::new(),
        }
    }

    /// The person has seen it. Seeing it again records nothing.
    ///
    /// # Errors
    ///
    /// [`NotificationError::NotFound`] unless it is the viewer's own.
    pub fn view(&self, viewer: UserId) -> Result<Vec<NotificationEvent>, NotificationError> {
        match self {
            Self::Unseen { recipient_id } if *recipient_id == viewer => {
                Ok(vec![NotificationEvent::Viewed { recipient_id: viewer }])
            }
            Self::Viewed { recipient_id } if *recipient_id == viewer => Ok(Vec::new()),
            Self::Absent | Self::Unseen { .. } | Self::Viewed { .. } => {
                Err(NotificationError::NotFound)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::notification::{About, NotificationKind};
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const BERT: UserId = UserId(Uuid::from_u128(2));

    fn notice() -> Notice {
        Notice {
            recipient_id: ANNA,
            kind: NotificationKind::UserConnected,
            about: About { user_id: Some(BERT), ..About::default() },
            detail: None,
        }
    }

    fn given(events: &[NotificationEvent]) -> Notification {
        events.iter().fold(Notification::default(), Notification::evolve)
    }

    #[test]
    fn a_notification_is_generated_once() {
        let generated = Notification::Absent.generate(&notice());

        assert_eq!(generated.len(), 1);
        assert_eq!(given(&generated).generate(&notice()), []);
    }

    #[test]
    fn seeing_it_twice_is_seeing_it_once() {
        let mut events = Notification::Absent.generate(&notice());
        events.extend(given(&events).view(ANNA).unwrap());

        assert_eq!(events.len(), 2);
        assert_eq!(given(&events).view(ANNA), Ok(Vec::new()));
        assert_eq!(given(&events).generate(&notice()), []);
    }

    #[test]
    fn nobody_sees_for_somebody_else() {
        let events = Notification::Absent.generate(&notice());

        assert_eq!(given(&events).view(BERT), Err(NotificationError::NotFound));
        assert_eq!(given(&[]).view(ANNA), Err(NotificationError::NotFound));
    }
}
