//! The rules of consent.

use event_runtime::Aggregate;
use shared_schemas::{
    UserId,
    consent::{ConsentEvent, MintingWish, TextWish},
};

/// What a person agreed to; nothing before they were asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent(Option<(MintingWish, TextWish)>);

impl Aggregate for Consent {
    type Id = UserId;
    type Event = ConsentEvent;

    fn evolve(self, event: &ConsentEvent) -> Self {
        match event {
            ConsentEvent::Set { minting, text } => Self(Some((*minting, *text))),
        }
    }
}

impl Consent {
    /// The person decides. Repeating what holds records nothing.
    pub fn set(&self, minting: MintingWish, text: TextWish) -> Vec<ConsentEvent> {
        if self.0 == Some((minting, text)) {
            return Vec::new();
        }
        vec![ConsentEvent::Set { minting, text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_decision_is_recorded_once() {
        let events = Consent::default().set(MintingWish::Ask, TextWish::Commitment);
        let consent = events.iter().fold(Consent::default(), Consent::evolve);

        assert_eq!(events.len(), 1);
        assert_eq!(consent.set(MintingWish::Ask, TextWish::Commitment), []);
        assert_eq!(consent.set(MintingWish::Ask, TextWish::FullText).len(), 1);
        assert_eq!(Consent::default().set(MintingWish::Nothing, TextWish::Commitment).len(), 1);
    }
}
