//! The rules of a post.

use event_runtime::Aggregate;
use service_kit::text::{self, TextError};
use shared_schemas::{
    CaseId, PostId, UserId,
    post::{Category, PostEvent, PostStatus},
};

/// What a command needs to know about a post, and nothing to display but what it would repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Post {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It exists.
    Written(Written),
    /// Its author deleted it.
    Deleted,
}

/// A post that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    author_id: UserId,
    content: Content,
    status: PostStatus,
    hidden: bool,
}

/// What an author writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    title: String,
    body: String,
    category: Category,
}

/// Why a post refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// There is none, or none that the caller may see.
    #[error("there is no such post")]
    NotFound,
    /// Somebody else wrote it.
    #[error("only its author may change a post")]
    NotAuthor,
    /// A public post cannot become a draft again: people have seen it.
    #[error("a post that was public can be archived, not made a draft")]
    AlreadyPublic,
    /// A draft has nothing to be archived.
    #[error("a draft can be deleted, not archived")]
    NeverPublic,
    /// The id is taken.
    #[error("the post exists already")]
    Exists,
    /// The title is not acceptable.
    #[error("the title {0}")]
    Title(TextError),
    /// The body is not acceptable.
    #[error("the body {0}")]
    Body(TextError),
}

impl Content {
    /// Unicode scalar values of a title.
    pub const TITLE: std::ops::RangeInclusive<usize> = 1..=200;
    /// Unicode scalar values of a body.
    pub const BODY: std::ops::RangeInclusive<usize> = 1..=10_000;

    /// Content in normal form.
    ///
    /// # Errors
    ///
    /// [`PostError::Title`] or [`PostError::Body`] says what is wrong.
    pub fn parse(title: &str, body: &str, category: Category) -> Result<Self, PostError> {
        Ok(Self {
            title: text::clean(title, &Self::TITLE).map_err(PostError::Title)?,
            body: text::clean(body, &Self::BODY).map_err(PostError::Body)?,
            category,
        })
    }
}

impl Aggregate for Post {
    type Id = PostId;
    type Event = PostEvent;

    fn evolve(self, event: &PostEvent) -> Self {
        let known = match self {
            Self::Written(written) => Some(written),
            Self::New | Self::Deleted => None,
        };
        let hidden = known.as_ref().is_some_and(|written| written.hidden);
        let written = |author_id: &UserId, title: &str, body: &str, category: Category, status| {
            let content = Content { title: title.to_owned(), body: body.to_owned(), category };
            Self::Written(Written { author_id: *author_id, content, status, hidden })
        };
        let changed = |change: fn(&mut Written)| match known.clone() {
            Some(mut written) => {
                change(&mut written);
                Self::Written(written)
            }
            None => Self::Deleted,
        };
        match event {
            PostEvent::Drafted { author_id, title, body, category } => {
                written(author_id, title, body, *category, PostStatus::Draft)
            }
            PostEvent::DraftEdited { title, body, category } => match &known {
                Some(draft) => written(&draft.author_id, title, body, *category, PostStatus::Draft),
                None => Self::Deleted,
            },
            PostEvent::Published { author_id, title, body, category, mint: _ }
            | PostEvent::Edited { author_id, title, body, category } => {
                written(author_id, title, body, *category, PostStatus::Posted)
            }
            PostEvent::Archived {} => changed(|written| written.status = PostStatus::Archived),
            PostEvent::Hidden { .. } => changed(|written| written.hidden = true),
            PostEvent::Restored { .. } => changed(|written| written.hidden = false),
            PostEvent::Deleted {} | PostEvent::DraftDeleted {} => Self::Deleted,
        }
    }
}

impl Post {
    /// Begins a post, as a draft or public at once; `mint` is whether its author wants a token of it, where that was said.
    ///
    /// # Errors
    ///
    /// [`PostError::Exists`] if the id is taken, [`PostError::NeverPublic`] for an archived one.
    pub fn create(
        &self,
        author_id: UserId,
        content: Content,
        status: PostStatus,
        mint: Option<bool>,
    ) -> Result<Vec<PostEvent>, PostError> {
        if *self != Self::New {
            return Err(PostError::Exists);
        }
        let Content { title, body, category } = content;
        match status {
            PostStatus::Draft => Ok(vec![PostEvent::Drafted { author_id, title, body, category }]),
            PostStatus::Posted => {
                Ok(vec![PostEvent::Published { author_id, title, body, category, mint }])
            }
            PostStatus::Archived => Err(PostError::NeverPublic),
        }
    }

    /// Replaces content and status. Repeating what holds records nothing; `mint` counts when the post goes public.
    ///
    /// # Errors
    ///
    /// [`PostError::NotFound`] and [`PostError::NotAuthor`]; [`PostError::AlreadyPublic`] and [`PostError::NeverPublic`] for
    /// a step that a post cannot take.
    pub fn replace(
        &self,
        editor: UserId,
        content: Content,
        status: PostStatus,
        mint: Option<bool>,
    ) -> Result<Vec<PostEvent>, PostError> {
        let post = self.owned_by(editor)?;
        let same = post.content == content;
        let author_id = post.author_id;
        let Content { title, body, category } = content;
        let published = PostEvent::Published {
            author_id,
            title: title.clone(),
            body: body.clone(),
            category,
            mint,
        };
        let edited =
            PostEvent::Edited { author_id, title: title.clone(), body: body.clone(), category };
        Ok(match (post.status, status) {
            (PostStatus::Draft, PostStatus::Draft) if same => vec![],
            (PostStatus::Draft, PostStatus::Draft) => {
                vec![PostEvent::DraftEdited { title, body, category }]
            }
            (PostStatus::Draft | PostStatus::Archived, PostStatus::Posted) => vec![published],
            (PostStatus::Posted, PostStatus::Posted)
            | (PostStatus::Archived, PostStatus::Archived)
                if same =>
            {
                vec![]
            }
            (PostStatus::Posted, PostStatus::Posted) => vec![edited],
            (PostStatus::Posted, PostStatus::Archived) if same => vec![PostEvent::Archived {}],
            (PostStatus::Posted, PostStatus::Archived) => vec![edited, PostEvent::Archived {}],
            // Its content can change when it is public again.
            (PostStatus::Archived, PostStatus::Archived) => vec![published, PostEvent::Archived {}],
            (PostStatus::Draft, PostStatus::Archived) => return Err(PostError::NeverPublic),
            (PostStatus::Posted | PostStatus::Archived, PostStatus::Draft) => {
                return Err(PostError::AlreadyPublic);
            }
        })
    }

    /// Deletes the post for good.
    ///
    /// # Errors
    ///
    /// [`PostError::NotFound`] and [`PostError::NotAuthor`].
    pub fn delete(&self, deleter: UserId) -> Result<Vec<PostEvent>, PostError> {
        let was_public = self.owned_by(deleter)?.status != PostStatus::Draft;
        Ok(vec![if was_public { PostEvent::Deleted {} } else { PostEvent::DraftDeleted {} }])
    }

    /// Carries out a moderation decision. A post that is gone, or hidden already, needs nothing.
    pub fn hide(&self, case_id: CaseId) -> Vec<PostEvent> {
        match self {
            Self::Written(Written { hidden: false, author_id, .. }) => {
                vec![PostEvent::Hidden { author_id: *author_id, case_id }]
            }
            Self::Written(_) | Self::New | Self::Deleted => vec![],
        }
    }

    /// Takes a moderation decision back.
    pub fn restore(&self, case_id: CaseId) -> Vec<PostEvent> {
        match self {
            Self::Written(Written { hidden: true, author_id, .. }) => {
                vec![PostEvent::Restored { author_id: *author_id, case_id }]
            }
            Self::Written(_) | Self::New | Self::Deleted => vec![],
        }
    }

    fn owned_by(&self, user: UserId) -> Result<&Written, PostError> {
        match self {
            Self::Written(post) if post.author_id == user => Ok(post),
            Self::Written(Written { status: PostStatus::Posted, hidden: false, .. }) => {
                Err(PostError::NotAuthor)
            }
            // Somebody else's draft does not exist for anybody else.
            Self::Written(_) | Self::New | Self::Deleted => Err(PostError::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const AUTHOR: UserId = UserId(Uuid::from_u128(1));
    const STRANGER: UserId = UserId(Uuid::from_u128(2));
    const CASE: CaseId = CaseId(Uuid::from_u128(3));

    fn given(history: &[PostEvent]) -> Post {
        history.iter().fold(Post::default(), Post::evolve)
    }

    fn content(body: &str) -> Content {
        Content::parse("A title", body, Category::Books).unwrap()
    }

    fn created(status: PostStatus) -> Vec<PostEvent> {
        Post::New.create(AUTHOR, content("first"), status, None).unwrap()
    }

    #[test]
    fn a_draft_becomes_public_with_its_whole_content() {
        let draft = given(&created(PostStatus::Draft));

        let events = draft.replace(AUTHOR, content("second"), PostStatus::Posted, None).unwrap();

        assert!(
            matches!(events.as_slice(), [PostEvent::Published { body, .. }] if body == "second")
        );
    }

    #[test]
    fn drafts_are_private_facts_and_publications_are_not() {
        use shared_schemas::Event;

        let deleted = given(&created(PostStatus::Draft)).delete(AUTHOR).unwrap();
        assert!(!deleted[0].is_public(), "nobody learns of a draft by its end");

        assert!(!created(PostStatus::Draft)[0].is_public());
        assert!(created(PostStatus::Posted)[0].is_public());
    }

    #[test]
    fn repeating_what_holds_records_nothing() {
        for status in [PostStatus::Draft, PostStatus::Posted] {
            let post = given(&created(status));

            assert_eq!(post.replace(AUTHOR, content("first"), status, None), Ok(vec![]));
        }
    }

    #[test]
    fn a_public_post_is_no_draft_again() {
        let post = given(&created(PostStatus::Posted));

        assert_eq!(
            post.replace(AUTHOR, content("x"), PostStatus::Draft, None),
            Err(PostError::AlreadyPublic)
        );
    }

    #[test]
    fn a_stranger_may_not_change_a_post_and_does_not_learn_of_drafts() {
        let public = given(&created(PostStatus::Posted));
        let draft = given(&created(PostStatus::Draft));

        assert_eq!(public.delete(STRANGER), Err(PostError::NotAuthor));
        assert_eq!(draft.delete(STRANGER), Err(PostError::NotFound));
    }

    #[test]
    fn nothing_follows_a_deletion() {
        let mut history = created(PostStatus::Posted);
        history.extend(given(&history).delete(AUTHOR).unwrap());
        let gone = given(&history);

        assert_eq!(
            gone.replace(AUTHOR, content("back"), PostStatus::Posted, None),
            Err(PostError::NotFound)
        );
        assert_eq!(gone.hide(CASE), vec![]);
    }

    #[test]
    fn hiding_is_undone_by_restoring_and_both_happen_once() {
        let mut history = created(PostStatus::Posted);
        history.extend(given(&history).hide(CASE));
        let hidden = given(&history);
        assert_eq!(hidden.hide(CASE), vec![]);

        history.extend(hidden.restore(CASE));

        assert_eq!(given(&history).restore(CASE), vec![]);
        assert_eq!(hidden.restore(CASE).len(), 1);
    }

    #[test]
    fn an_edit_of_a_hidden_post_leaves_it_hidden() {
        let mut history = created(PostStatus::Posted);
        history.extend(given(&history).hide(CASE));
        history.extend(
            given(&history).replace(AUTHOR, content("other"), PostStatus::Posted, None).unwrap(),
        );

        assert_eq!(given(&history).restore(CASE).len(), 1);
    }

    #[test]
    fn titles_and_bodies_have_their_lengths() {
        assert!(Content::parse("", "body", Category::Books).is_err());
        assert!(Content::parse("title", &"x".repeat(10_001), Category::Books).is_err());
        assert!(Content::parse(&"x".repeat(200), &"x".repeat(10_000), Category::Books).is_ok());
    }

    #[test]
    fn what_its_author_wants_of_a_token_is_said_with_the_publication() {
        let published = Post::New.create(AUTHOR, content("first"), PostStatus::Posted, Some(true));
        let draft =
            given(&Post::New.create(AUTHOR, content("first"), PostStatus::Draft, None).unwrap());
        let later = draft.replace(AUTHOR, content("first"), PostStatus::Posted, Some(false));

        assert!(matches!(
            published.unwrap().as_slice(),
            [PostEvent::Published { mint: Some(true), .. }]
        ));
        assert!(matches!(
            later.unwrap().as_slice(),
            [PostEvent::Published { mint: Some(false), .. }]
        ));
    }
}
