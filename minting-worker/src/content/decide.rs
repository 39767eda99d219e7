//! Decides whether content is minted: now, later, or not.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::{ApplyError, Expected, Streams, UnitOfWork};
use sea_orm::DbErr;
use shared_schemas::{
    MintId, UserId, consent::MintingWish, envelope::Metadata, moderation::Subject,
};

use super::view::{self, Content};
use crate::{
    consent::{self, view::Given},
    mint::aggregate::Mint,
    wallet,
};

/// Decides about content, with everything that is known of it at the moment.
#[derive(Clone)]
pub struct Decide {
    /// The mints.
    pub mints: Streams<Mint>,
    /// How long a text must have stood.
    pub delay: TimeDelta,
}

/// What becomes of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nobody may see it.
    GoneAway,
    /// It is not wanted, or not yet; at this moment there is more to know.
    NotNow(Option<DateTime<Utc>>),
    /// It is minted.
    Mint(UserId),
}

impl Decide {
    /// Decides about one post or comment, in the transaction of whatever led to it.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] if the database fails.
    pub async fn decide(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        metadata: &Metadata,
    ) -> Result<(), ApplyError> {
        let Some(content) = view::hold(work.txn(), subject).await? else { return Ok(()) };
        let outcome = self.outcome(work, subject, &content).await?;
        let due_at = match outcome {
            Outcome::NotNow(due_at) => due_at,
            Outcome::GoneAway | Outcome::Mint(_) => None,
        };
        view::postpone(work.txn(), subject, due_at).await?;
        self.mints
            .execute_in(work, MintId::of(subject), Expected::Any, metadata, |mint| {
                Ok::<_, Infallible>(match outcome {
                    Outcome::Mint(author_id) => mint.request(subject, author_id),
                    Outcome::GoneAway => mint.withdraw(),
                    // What is signed stays: there is nothing wrong with it but that nobody would ask for it again.
                    Outcome::NotNow(_) => mint.cancel().unwrap_or_default(),
                })
            })
            .await?;
        Ok(())
    }

    async fn outcome(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        content: &Content,
    ) -> Result<Outcome, DbErr> {
        if !content.standing().is_mintable() {
            return Ok(Outcome::GoneAway);
        }
        let (Some(published_at), Some(text_at), Some(version)) =
            (content.published_at, content.text_at, content.version)
        else {
            return Ok(Outcome::NotNow(None));
        };
        let given = consent::view::find(work.txn(), content.author_id).await?;
        let is_wanted = given.is_some_and(|given| wants(given, content.wish, published_at));
        if !is_wanted
            || view::verdict(work.txn(), subject).await?.blocks
            || wallet::view::find(work.txn(), content.author_id).await?.is_none()
        {
            return Ok(Outcome::NotNow(None));
        }
        let ready_at = text_at.max(published_at) + self.delay;
        if self.mints.store().clock().now() < ready_at {
            return Ok(Outcome::NotNow(Some(ready_at)));
        }
        // Silence is no consent: what moderation says of this version decides again.
        if !view::is_cleared(work.txn(), subject, version).await? {
            return Ok(Outcome::NotNow(None));
        }
        Ok(Outcome::Mint(content.author_id))
    }
}

/// Whether an author wants a token of something that was published at a moment.
fn wants(given: Given, wish: Option<bool>, published_at: DateTime<Utc>) -> bool {
    match (given.minting, wish) {
        (MintingWish::Nothing, _) | (_, Some(false)) | (MintingWish::Ask, None) => false,
        (MintingWish::Ask | MintingWish::Everything, Some(true)) => true,
        (MintingWish::Everything, None) => published_at >= given.minting_since,
    }
}

#[cfg(test)]
mod tests {
    use shared_schemas::consent::TextWish;

    use super::*;

    #[test]
    fn nothing_is_wanted_unless_its_author_said_so_before() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let (before, after) = (now - TimeDelta::seconds(1), now + TimeDelta::seconds(1));
        let given = |minting| Given { minting, text: TextWish::Commitment, minting_since: now };
        let (nothing, ask, all) =
            (given(MintingWish::Nothing), given(MintingWish::Ask), given(MintingWish::Everything));

        assert!(!wants(nothing, Some(true), after));
        assert!(!wants(ask, None, after));
        assert!(wants(ask, Some(true), before));
        assert!(!wants(ask, Some(false), after));
        assert!(wants(all, None, after));
        assert!(!wants(all, None, before));
        assert!(wants(all, Some(true), before));
        assert!(!wants(all, Some(false), after));
    }
}
