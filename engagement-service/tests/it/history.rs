//! What happened elsewhere, in an order that a test can change.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use shared_schemas::{
    CaseId, CommentId, ConnectionId, Event, PostId, ReactionId, Service, UserId, ViewId,
    comment::CommentEvent,
    connection::ConnectionEvent,
    envelope::Metadata,
    mint::MintEvent,
    post::{Category, PostEvent},
    reaction::{ReactionEvent, ReactionKind},
    signing_key::SigningKeyEvent,
    user::UserEvent,
    view::ViewEvent,
};
use test_kit::Publisher;
use uuid::Uuid;

#[derive(Clone)]
pub(crate) enum What {
    Key(SigningKeyEvent),
    User(UserEvent),
    Connection(ConnectionEvent),
    Post(PostEvent),
    Comment(CommentEvent),
    Reaction(ReactionEvent),
    View(ViewEvent),
    Mint(MintEvent),
}

/// One event of another service.
#[derive(Clone)]
pub(crate) struct Fact {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) what: What,
}

/// Everything that happened, with the order inside each aggregate kept.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) facts: Vec<Fact>,
    versions: HashMap<Uuid, i64>,
    made: u128,
}

/// A post as those who react to it know it.
#[derive(Clone, Copy)]
pub(crate) struct Post {
    pub(crate) id: PostId,
    pub(crate) author: UserId,
    pub(crate) category: Category,
}

impl Fact {
    pub(crate) async fn publish(&self, publisher: &Publisher) {
        match &self.what {
            What::Key(event) => self.publish_event(publisher, event).await,
            What::User(event) => self.publish_event(publisher, event).await,
            What::Connection(event) => self.publish_event(publisher, event).await,
            What::Post(event) => self.publish_event(publisher, event).await,
            What::Comment(event) => self.publish_event(publisher, event).await,
            What::Reaction(event) => self.publish_event(publisher, event).await,
            What::View(event) => self.publish_event(publisher, event).await,
            What::Mint(event) => self.publish_event(publisher, event).await,
        }
    }

    async fn publish_event<E: Event>(&self, publisher: &Publisher, event: &E) {
        let nobody = Metadata::default();
        publisher.publish_with(self.id, self.version, event, &nobody, self.at).await.unwrap();
    }

    pub(crate) fn service(&self) -> Service {
        match &self.what {
            What::Key(_) | What::User(_) | What::Connection(_) => Service::Auth,
            What::Post(_) => Service::Post,
            What::Comment(_) | What::Reaction(_) | What::View(_) => Service::Interaction,
            What::Mint(_) => Service::Minting,
        }
    }
}

impl History {
    /// Puts a fact before all others.
    pub(crate) fn begin(&mut self, id: impl Into<Uuid>, what: What) {
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        self.facts.insert(0, Fact { id: id.into(), version: 1, at, what });
    }

    pub(crate) fn happen(&mut self, id: impl Into<Uuid>, what: What) {
        let id = id.into();
        let version = self.versions.entry(id).or_default();
        *version += 1;
        let passed = i64::try_from(self.facts.len()).unwrap();
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::seconds(passed);
        self.facts.push(Fact { id, version: *version, at, what });
    }

    fn fresh(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_u128(0x019b_76da_a800_7000_8000_0000_0000_0000 + self.made)
    }

    pub(crate) fn register(&mut self, interests: &[Category]) -> UserId {
        let id = UserId(self.fresh());
        let interests = interests.to_vec();
        self.happen(id, What::User(UserEvent::Registered { interests }));
        id
    }

    pub(crate) fn publish(&mut self, author: UserId, category: Category) -> Post {
        let post = Post { id: PostId(self.fresh()), author, category };
        self.publish_again(post);
        post
    }

    pub(crate) fn publish_again(&mut self, Post { id, author, category }: Post) {
        let (title, body) = ("A title".to_owned(), "A body.".to_owned());
        let published =
            PostEvent::Published { author_id: author, title, body, category, mint: None };
        self.happen(id, What::Post(published));
    }

    pub(crate) fn archive(&mut self, post: Post) {
        self.happen(post.id, What::Post(PostEvent::Archived {}));
    }

    pub(crate) fn hide_post(&mut self, post: Post, case_id: CaseId) {
        self.happen(post.id, What::Post(PostEvent::Hidden { author_id: post.author, case_id }));
    }

    pub(crate) fn comment(
        &mut self,
        author: UserId,
        post: Post,
        parent: Option<(CommentId, UserId)>,
    ) -> CommentId {
        let id = CommentId(self.fresh());
        let added = CommentEvent::Added {
            post_id: post.id,
            post_author_id: post.author,
            category: post.category,
            author_id: author,
            parent_id: parent.map(|(id, _)| id),
            parent_author_id: parent.map(|(_, author)| author),
            body: "A comment.".to_owned(),
            mint: None,
        };
        self.happen(id, What::Comment(added));
        id
    }

    pub(crate) fn delete_comment(&mut self, id: CommentId, author_id: UserId, post: Post) {
        let deleted = CommentEvent::Deleted { post_id: post.id, author_id, was_hidden: false };
        self.happen(id, What::Comment(deleted));
    }

    pub(crate) fn react(&mut self, user_id: UserId, post: Post) {
        let added = ReactionEvent::Added {
            post_id: post.id,
            post_author_id: post.author,
            category: post.category,
            user_id,
            kind: ReactionKind::Like,
        };
        self.happen(ReactionId::of(user_id, post.id), What::Reaction(added));
    }

    pub(crate) fn change_reaction(&mut self, user_id: UserId, post: Post) {
        let changed = ReactionEvent::Changed {
            post_id: post.id,
            user_id,
            from: ReactionKind::Like,
            to: ReactionKind::Joy,
        };
        self.happen(ReactionId::of(user_id, post.id), What::Reaction(changed));
    }

    pub(crate) fn take_back(&mut self, user_id: UserId, post: Post) {
        let removed = ReactionEvent::Removed {
            post_id: post.id,
            post_author_id: post.author,
            category: post.category,
            user_id,
            kind: ReactionKind::Like,
        };
        self.happen(ReactionId::of(user_id, post.id), What::Reaction(removed));
    }

    pub(crate) fn view(&mut self, viewer_id: UserId, post: Post, hour: i64) {
        let counted = ViewEvent::Counted {
            post_id: post.id,
            post_author_id: post.author,
            category: post.category,
            viewer_id,
            hour: DateTime::from_timestamp(hour * 3_600, 0).unwrap(),
        };
        self.happen(ViewId::of(viewer_id, post.id, hour), What::View(counted));
    }

    pub(crate) fn connect(&mut self, initiator_id: UserId, other_id: UserId) {
        let established = ConnectionEvent::Established { initiator_id, other_id };
        let id = ConnectionId::between(initiator_id, other_id);
        self.happen(id, What::Connection(established));
    }

    pub(crate) fn disconnect(&mut self, ended_by: UserId, other_id: UserId) {
        let id = ConnectionId::between(ended_by, other_id);
        self.happen(id, What::Connection(ConnectionEvent::Ended { ended_by, other_id }));
    }

    /// The facts in another order that may as well have come about: only the facts of one aggregate keep theirs.
    pub(crate) fn shuffled(&self, seed: u64) -> Vec<Fact> {
        let mut random = Random(seed);
        let mut places: Vec<usize> = (0..self.facts.len()).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, random.below(last + 1));
        }
        let mut free: HashMap<Uuid, Vec<usize>> = HashMap::new();
        for (place, fact) in places.into_iter().zip(&self.facts) {
            free.entry(fact.id).or_default().push(place);
        }
        for places in free.values_mut() {
            places.sort_unstable_by(|one, other| other.cmp(one));
        }
        let mut result: Vec<(usize, Fact)> = self
            .facts
            .iter()
            .map(|fact| (free.get_mut(&fact.id).unwrap().pop().unwrap(), fact.clone()))
            .collect();
        result.sort_by_key(|(place, _)| *place);
        result.into_iter().map(|(_, fact)| fact).collect()
    }
}

/// A sequence of numbers that is the same in every run (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % limit).unwrap()
    }
}
