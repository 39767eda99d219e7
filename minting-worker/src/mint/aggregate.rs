//! The rules of a mint.

use event_runtime::Aggregate;
use shared_schemas::{MintId, UserId, mint::MintEvent, moderation::Subject};

/// What a command needs to know about a mint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mint {
    /// Nobody asked for it yet.
    #[default]
    Unrequested,
    /// Waits for its turn.
    Ready,
    /// The content went away before its turn came.
    Withdrawn,
}

impl Aggregate for Mint {
    type Id = MintId;
    type Event = MintEvent;

    fn evolve(self, event: &MintEvent) -> Self {
        match event {
            MintEvent::Requested { .. } => Self::Ready,
            MintEvent::Withdrawn {} => Self::Withdrawn,
        }
    }
}

impl Mint {
    /// The content is public. Asking again while the mint is ready records nothing.
    pub fn request(&self, subject: Subject, author_id: UserId) -> Vec<MintEvent> {
        match self {
            Self::Unrequested | Self::Withdrawn => {
                vec![MintEvent::Requested { subject, author_id }]
            }
            Self::Ready => Vec::new(),
        }
    }

    /// The content is not public any more. There is nothing to withdraw unless the mint is ready.
    pub fn withdraw(&self) -> Vec<MintEvent> {
        match self {
            Self::Ready => vec![MintEvent::Withdrawn {}],
            Self::Unrequested | Self::Withdrawn => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::PostId;
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const POST: Subject = Subject::Post(PostId(Uuid::from_u128(2)));

    fn given(events: &[MintEvent]) -> Mint {
        events.iter().fold(Mint::default(), Mint::evolve)
    }

    #[test]
    fn a_mint_is_requested_once() {
        let requested = Mint::default().request(POST, ANNA);

        assert_eq!(requested, [MintEvent::Requested { subject: POST, author_id: ANNA }]);
        assert_eq!(given(&requested).request(POST, ANNA), []);
    }

    #[test]
    fn a_withdrawn_mint_can_be_requested_again() {
        let mut events = Mint::default().request(POST, ANNA);
        events.extend(given(&events).withdraw());
        assert_eq!(given(&events), Mint::Withdrawn);
        assert_eq!(given(&events).withdraw(), []);

        events.extend(given(&events).request(POST, ANNA));

        assert_eq!(given(&events), Mint::Ready);
    }

    #[test]
    fn what_was_never_requested_cannot_be_withdrawn() {
        assert_eq!(Mint::default().withdraw(), []);
    }
}
