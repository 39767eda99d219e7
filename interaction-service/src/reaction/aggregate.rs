//! The rules of a reaction.

use event_runtime::Aggregate;
use shared_schemas::{
    PostId, ReactionId, UserId,
    post::Category,
    reaction::{ReactionEvent, ReactionKind},
};

/// What a command needs to know about the reaction of one person to one post.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reaction {
    /// There is none: never, or not any more.
    #[default]
    Absent,
    /// It stands.
    Given(Given),
}

/// A reaction that stands, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// The post.
    pub post_id: PostId,
    /// Who wrote the post.
    pub post_author_id: UserId,
    /// What the post is about.
    pub category: Category,
    /// Who reacts.
    pub user_id: UserId,
    /// How.
    pub kind: ReactionKind,
}

/// Why a reaction refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReactionError {
    /// There is none, or none that the caller may see.
    #[error("there is no such reaction")]
    NotFound,
    /// It is somebody else's.
    #[error("only the person who reacted may change a reaction")]
    NotOwner,
    /// The person has reacted to this post.
    #[error("there is one reaction per person and post; change it or take it back")]
    AlreadyReacted,
}

impl Aggregate for Reaction {
    type Id = ReactionId;
    type Event = ReactionEvent;

    fn evolve(self, event: &ReactionEvent) -> Self {
        match event {
            ReactionEvent::Added { post_id, post_author_id, category, user_id, kind } => {
                Self::Given(Given {
                    post_id: *post_id,
                    post_author_id: *post_author_id,
                    category: *category,
                    user_id: *user_id,
                    kind: *kind,
                })
            }
            ReactionEvent::Changed { to, .. } => match self {
                Self::Given(given) => Self::Given(Given { kind: *to, ..given }),
                Self::Absent => Self::Absent,
            },
            ReactionEvent::Removed { .. } => Self::Absent,
        }
    }
}

impl Reaction {
    /// Reacts, for the first time or again.
    ///
    /// # Errors
    ///
    /// [`ReactionError::AlreadyReacted`] while a reaction stands, even one of the same kind.
    pub fn add(&self, given: Given) -> Result<Vec<ReactionEvent>, ReactionError> {
        if *self != Self::Absent {
            return Err(ReactionError::AlreadyReacted);
        }
        let Given { post_id, post_author_id, category, user_id, kind } = given;
        Ok(vec![ReactionEvent::Added { post_id, post_author_id, category, user_id, kind }])
    }

    /// Feels otherwise. Repeating what holds records nothing.
    ///
    /// # Errors
    ///
    /// [`ReactionError::NotFound`] and [`ReactionError::NotOwner`].
    pub fn change(
        &self,
        person: UserId,
        to: ReactionKind,
    ) -> Result<Vec<ReactionEvent>, ReactionError> {
        let Given { post_id, user_id, kind: from, .. } = *self.owned_by(person)?;
        if from == to {
            return Ok(vec![]);
        }
        Ok(vec![ReactionEvent::Changed { post_id, user_id, from, to }])
    }

    /// Takes the reaction back.
    ///
    /// # Errors
    ///
    /// [`ReactionError::NotFound`] and [`ReactionError::NotOwner`].
    pub fn remove(&self, person: UserId) -> Result<Vec<ReactionEvent>, ReactionError> {
        let Given { post_id, post_author_id, category, user_id, kind } = *self.owned_by(person)?;
        Ok(vec![ReactionEvent::Removed { post_id, post_author_id, category, user_id, kind }])
    }

    fn owned_by(&self, person: UserId) -> Result<&Given, ReactionError> {
        match self {
            Self::Given(given) if given.user_id == person => Ok(given),
            Self::Given(_) => Err(ReactionError::NotOwner),
            Self::Absent => Err(ReactionError::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PERSON: UserId = UserId(Uuid::from_u128(1));
    const STRANGER: UserId = UserId(Uuid::from_u128(2));

    fn like() -> Given {
        Given {
            post_id: PostId(Uuid::from_u128(3)),
            post_author_id: STRANGER,
            category: Category::Food,
            user_id: PERSON,
            kind: ReactionKind::Like,
        }
    }

    fn given(history: &[ReactionEvent]) -> Reaction {
        history.iter().fold(Reaction::default(), Reaction::evolve)
    }

    fn added() -> Vec<ReactionEvent> {
        Reaction::Absent.add(like()).unwrap()
    }

    #[test]
    fn a_second_reaction_is_refused_whatever_its_kind() {
        let reaction = given(&added());

        for kind in [ReactionKind::Like, ReactionKind::Sad] {
            let second = Given { kind, ..like() };
            assert_eq!(reaction.add(second), Err(ReactionError::AlreadyReacted));
        }
    }

    #[test]
    fn a_reaction_that_was_taken_back_can_be_given_again() {
        let mut history = added();
        history.extend(given(&history).remove(PERSON).unwrap());
        let absent = given(&history);

        assert_eq!(absent.change(PERSON, ReactionKind::Joy), Err(ReactionError::NotFound));
        assert_eq!(absent.add(like()).unwrap().len(), 1);
    }

    #[test]
    fn a_change_says_what_it_was() {
        let mut history = added();

        history.extend(given(&history).change(PERSON, ReactionKind::Love).unwrap());

        assert!(matches!(
            history.last(),
            Some(ReactionEvent::Changed { from: ReactionKind::Like, to: ReactionKind::Love, .. })
        ));
        assert_eq!(given(&history).change(PERSON, ReactionKind::Love), Ok(vec![]));
    }

    #[test]
    fn a_removal_says_what_it_was_after_all_changes() {
        let mut history = added();
        history.extend(given(&history).change(PERSON, ReactionKind::Angry).unwrap());

        let removed = given(&history).remove(PERSON).unwrap();

        assert!(matches!(
            removed.as_slice(),
            [ReactionEvent::Removed { kind: ReactionKind::Angry, post_author_id: STRANGER, .. }]
        ));
    }

    #[test]
    fn only_the_person_who_reacted_may_change_a_reaction() {
        let reaction = given(&added());

        assert_eq!(reaction.change(STRANGER, ReactionKind::Joy), Err(ReactionError::NotOwner));
        assert_eq!(reaction.remove(STRANGER), Err(ReactionError::NotOwner));
    }
}
