//! Decides whether content is minted: now, later, or not.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
};

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::{ApplyError, Streams, UnitOfWork};
use shared_schemas::{
    MintId, UserId, consent::MintingWish, envelope::Metadata, moderation::Subject,
};

use super::view::{self, Content, Moderated};
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
    /// Decides about posts and comments, in the transaction of whatever led to it: those of `causes` that are known, with the
    /// metadata of what each decision follows from. Remembers all that is `known`, which the transaction holds.
    ///
    /// # Errors
    ///
    /// [`ApplyError`] if the database fails.
    pub(super) async fn decide(
        &self,
        work: &UnitOfWork,
        mut known: HashMap<Subject, Content>,
        causes: HashMap<Subject, Metadata>,
    ) -> Result<(), ApplyError> {
        if known.is_empty() {
            return Ok(());
        }
        let (txn, now) = (work.txn(), self.mints.store().clock().now());
        let authors: HashSet<UserId> = known.values().map(|content| content.author_id).collect();
        let given = consent::view::find_all(txn, &authors).await?;
        let wallets = wallet::view::find_all(txn, &authors).await?;
        let moderated = view::moderated(txn, &known).await?;
        let mut outcomes = HashMap::new();
        let mut commands = Vec::new();
        for (subject, cause) in causes {
            let Some(content) = known.get_mut(&subject) else { continue };
            let facts = Facts {
                given: given.get(&content.author_id).copied(),
                has_wallet: wallets.contains_key(&content.author_id),
                moderated: moderated.get(&subject).copied().unwrap_or_default(),
            };
            let outcome = outcome(content, facts, self.delay, now);
            content.due_at = match outcome {
                Outcome::NotNow(due_at) => due_at,
                Outcome::GoneAway | Outcome::Mint(_) => None,
            };
            let id = MintId::of(subject);
            outcomes.insert(id, (subject, outcome, content.standing().is_mintable()));
            commands.push((id, cause));
        }
        view::save_all(txn, &known).await?;
        let decide = |id, mint: &Mint| {
            let Some((subject, outcome, is_public)) = outcomes.get(&id) else { return Vec::new() };
            let mut events = match outcome {
                Outcome::Mint(author_id) => mint.request(*subject, *author_id),
                Outcome::GoneAway => mint.withdraw(),
                // What is signed stays: there is nothing wrong with it but that nobody would ask for it again.
                Outcome::NotNow(_) => mint.cancel().unwrap_or_default(),
            };
            if *is_public {
                events.extend(mint.restore());
            }
            events
        };
        self.mints.execute_all_in::<Infallible>(work, &commands, decide).await?;
        Ok(())
    }
}

/// What is known beside the content.
#[derive(Clone, Copy, Debug)]
struct Facts {
    given: Option<Given>,
    has_wallet: bool,
    moderated: Moderated,
}

/// What becomes of content now.
fn outcome(content: &Content, facts: Facts, delay: TimeDelta, now: DateTime<Utc>) -> Outcome {
    if !content.standing().is_mintable() {
        return Outcome::GoneAway;
    }
    let (Some(published_at), Some(text_at)) = (content.published_at, content.text_at) else {
        return Outcome::NotNow(None);
    };
    let is_wanted = facts.given.is_some_and(|given| wants(given, content.wish, published_at));
    if !is_wanted || facts.moderated.blocks || !facts.has_wallet {
        return Outcome::NotNow(None);
    }
    let ready_at = text_at.max(published_at) + delay;
    if now < ready_at {
        return Outcome::NotNow(Some(ready_at));
    }
    // Silence is no consent: what moderation says of this version decides again.
    if !facts.moderated.clears {
        return Outcome::NotNow(None);
    }
    Outcome::Mint(content.author_id)
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

    #[test]
    fn content_is_minted_when_all_of_it_holds_and_when_each_of_it_fails_it_is_not() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let before = now - TimeDelta::minutes(1);
        let delay = TimeDelta::seconds(60);
        let given = Given {
            minting: MintingWish::Everything,
            text: TextWish::Commitment,
            minting_since: before,
        };
        let moderated = Moderated { blocks: false, clears: true };
        let facts = Facts { given: Some(given), has_wallet: true, moderated };
        let content = Content {
            published: true,
            version: Some(1),
            published_at: Some(before),
            text_at: Some(before),
            ..Content::of(UserId(uuid::Uuid::from_u128(1)))
        };
        let decided = |content: &Content, facts: Facts| outcome(content, facts, delay, now);

        assert_eq!(decided(&content, facts), Outcome::Mint(content.author_id));
        for facts in [
            Facts { given: None, ..facts },
            Facts { has_wallet: false, ..facts },
            Facts { moderated: Moderated { blocks: true, ..moderated }, ..facts },
            Facts { moderated: Moderated { clears: false, ..moderated }, ..facts },
        ] {
            assert_eq!(decided(&content, facts), Outcome::NotNow(None), "{facts:?}");
        }
        let young = Content { text_at: Some(now), ..content.clone() };
        assert_eq!(decided(&young, facts), Outcome::NotNow(Some(now + delay)));
        for gone in
            [Content { published: false, ..content.clone() }, Content { hidden: true, ..content }]
        {
            assert_eq!(decided(&gone, facts), Outcome::GoneAway);
        }
    }
}
