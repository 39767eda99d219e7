//! The rules of a comment.

use event_runtime::Aggregate;
use service_kit::text::{self, TextError};
use shared_schemas::{CaseId, CommentId, PostId, UserId, comment::CommentEvent, post::Category};

/// What a command needs to know about a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Comment {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It exists.
    Written(Written),
    /// Its author deleted it.
    Deleted,
}

/// A comment that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    post_id: PostId,
    author_id: UserId,
    body: String,
    hidden: bool,
}

/// The text of a comment: plain, 1 to 2 000 Unicode scalar values, NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(String);

/// A comment that is about to be added.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The post.
    pub post_id: PostId,
    /// Who wrote the post.
    pub post_author_id: UserId,
    /// What the post is about.
    pub category: Category,
    /// Who writes the comment.
    pub author_id: UserId,
    /// The comment it answers, and who wrote that.
    pub parent: Option<(CommentId, UserId)>,
    /// What it says.
    pub body: Body,
    /// Whether the author wants a token of it, if the author said so.
    pub mint: Option<bool>,
}

/// Why a comment refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommentError {
    /// There is none, or none that the caller may see.
    #[error("there is no such comment")]
    NotFound,
    /// Somebody else wrote it.
    #[error("only its author may change a comment")]
    NotAuthor,
    /// The id is taken.
    #[error("the comment exists already")]
    Exists,
    /// The text is not acceptable.
    #[error("the body {0}")]
    Body(TextError),
    /// There is no such comment to answer on this post.
    #[error("there is no such comment to answer on this post")]
    UnknownParent,
}

impl Body {
    /// Unicode scalar values of a text.
    pub const LENGTH: std::ops::RangeInclusive<usize> = 1..=2_000;

    /// A text in normal form.
    ///
    /// # Errors
    ///
    /// [`CommentError::Body`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, CommentError> {
        text::clean(text, &Self::LENGTH).map(Self).map_err(CommentError::Body)
    }
}

impl Aggregate for Comment {
    type Id = CommentId;
    type Event = CommentEvent;

    fn evolve(self, event: &CommentEvent) -> Self {
        let changed = |change: &dyn Fn(&mut Written)| match self {
            Self::Written(mut written) => {
                change(&mut written);
                Self::Written(written)
            }
            Self::New | Self::Deleted => Self::Deleted,
        };
        match event {
            CommentEvent::Added { post_id, author_id, body, .. } => Self::Written(Written {
                post_id: *post_id,
                author_id: *author_id,
                body: body.clone(),
                hidden: false,
            }),
            CommentEvent::Edited { body, .. } => changed(&|written| written.body.clone_from(body)),
            CommentEvent::Hidden { .. } => changed(&|written| written.hidden = true),
            CommentEvent::Restored { .. } => changed(&|written| written.hidden = false),
            CommentEvent::Deleted { .. } => Self::Deleted,
        }
    }
}

impl Comment {
    /// Adds the comment.
    ///
    /// # Errors
    ///
    /// [`CommentError::Exists`] if the id is taken.
    pub fn add(&self, draft: Draft) -> Result<Vec<CommentEvent>, CommentError> {
        if *self != Self::New {
            return Err(CommentError::Exists);
        }
        let Draft { post_id, post_author_id, category, author_id, parent, body, mint } = draft;
        let Body(body) = body;
        let (parent_id, parent_author_id) = parent.unzip();
        Ok(vec![CommentEvent::Added {
            post_id,
            post_author_id,
            category,
            author_id,
            parent_id,
            parent_author_id,
            body,
            mint,
        }])
    }

    /// Replaces the text. Repeating the present one records nothing; a hidden comment stays hidden.
    ///
    /// # Errors
    ///
    /// [`CommentError::NotFound`] and [`CommentError::NotAuthor`].
    pub fn edit(&self, editor: UserId, body: Body) -> Result<Vec<CommentEvent>, CommentError> {
        let comment = self.owned_by(editor)?;
        let Body(body) = body;
        if comment.body == body {
            return Ok(vec![]);
        }
        let (post_id, author_id) = (comment.post_id, comment.author_id);
        Ok(vec![CommentEvent::Edited { post_id, author_id, body }])
    }

    /// Deletes the comment for good.
    ///
    /// # Errors
    ///
    /// [`CommentError::NotFound`] and [`CommentError::NotAuthor`].
    pub fn delete(&self, deleter: UserId) -> Result<Vec<CommentEvent>, CommentError> {
        let Written { post_id, author_id, hidden: was_hidden, .. } = *self.owned_by(deleter)?;
        Ok(vec![CommentEvent::Deleted { post_id, author_id, was_hidden }])
    }

    /// Carries out a moderation decision. A comment that is gone, or hidden already, needs nothing.
    pub fn hide(&self, case_id: CaseId) -> Vec<CommentEvent> {
        match *self {
            Self::Written(Written { post_id, author_id, hidden: false, .. }) => {
                vec![CommentEvent::Hidden { post_id, author_id, case_id }]
            }
            Self::Written(_) | Self::New | Self::Deleted => vec![],
        }
    }

    /// Takes a moderation decision back.
    pub fn restore(&self, case_id: CaseId) -> Vec<CommentEvent> {
        match *self {
            Self::Written(Written { post_id, author_id, hidden: true, .. }) => {
                vec![CommentEvent::Restored { post_id, author_id, case_id }]
            }
            Self::Written(_) | Self::New | Self::Deleted => vec![],
        }
    }

    fn owned_by(&self, person: UserId) -> Result<&Written, CommentError> {
        match self {
            Self::Written(comment) if comment.author_id == person => Ok(comment),
            Self::Written(Written { hidden: false, .. }) => Err(CommentError::NotAuthor),
            // Somebody else's hidden comment does not exist for anybody else.
            Self::Written(_) | Self::New | Self::Deleted => Err(CommentError::NotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const AUTHOR: UserId = UserId(Uuid::from_u128(1));
    const STRANGER: UserId = UserId(Uuid::from_u128(2));
    const POST: PostId = PostId(Uuid::from_u128(3));
    const PARENT: CommentId = CommentId(Uuid::from_u128(4));
    const CASE: CaseId = CaseId(Uuid::from_u128(5));

    fn draft() -> Draft {
        Draft {
            post_id: POST,
            post_author_id: STRANGER,
            category: Category::Food,
            author_id: AUTHOR,
            parent: None,
            body: body("first"),
            mint: None,
        }
    }

    fn body(text: &str) -> Body {
        Body::parse(text).unwrap()
    }

    fn given(history: &[CommentEvent]) -> Comment {
        history.iter().fold(Comment::default(), Comment::evolve)
    }

    fn added() -> Vec<CommentEvent> {
        Comment::New.add(draft()).unwrap()
    }

    fn hidden() -> Vec<CommentEvent> {
        let mut history = added();
        history.extend(given(&history).hide(CASE));
        history
    }

    #[test]
    fn an_answer_names_the_comment_it_answers_and_its_author() {
        let answer = Draft { parent: Some((PARENT, STRANGER)), ..draft() };

        let events = Comment::New.add(answer).unwrap();

        assert!(matches!(
            events.as_slice(),
            [CommentEvent::Added {
                parent_id: Some(PARENT),
                parent_author_id: Some(STRANGER),
                post_author_id: STRANGER,
                ..
            }]
        ));
    }

    #[test]
    fn a_comment_is_added_once() {
        assert_eq!(given(&added()).add(draft()), Err(CommentError::Exists));
    }

    #[test]
    fn only_its_author_changes_a_comment() {
        let comment = given(&added());

        assert_eq!(comment.edit(STRANGER, body("x")), Err(CommentError::NotAuthor));
        assert_eq!(comment.delete(STRANGER), Err(CommentError::NotAuthor));
        assert_eq!(comment.edit(AUTHOR, body("second")).unwrap().len(), 1);
    }

    #[test]
    fn repeating_the_text_records_nothing() {
        assert_eq!(given(&added()).edit(AUTHOR, body("first")), Ok(vec![]));
    }

    #[test]
    fn nothing_follows_a_deletion() {
        let mut history = added();
        history.extend(given(&history).delete(AUTHOR).unwrap());
        let gone = given(&history);

        assert_eq!(gone.edit(AUTHOR, body("back")), Err(CommentError::NotFound));
        assert_eq!(gone.delete(AUTHOR), Err(CommentError::NotFound));
        assert_eq!(gone.hide(CASE), vec![]);
        assert_eq!(gone.restore(CASE), vec![]);
    }

    #[test]
    fn hiding_is_undone_by_restoring_and_both_happen_once() {
        let mut history = hidden();
        let comment = given(&history);
        assert_eq!(comment.hide(CASE), vec![]);

        history.extend(comment.restore(CASE));

        assert_eq!(history.len(), 3);
        assert_eq!(given(&history).restore(CASE), vec![]);
    }

    #[test]
    fn a_hidden_comment_does_not_exist_for_strangers_and_stays_its_authors() {
        let comment = given(&hidden());

        assert_eq!(comment.delete(STRANGER), Err(CommentError::NotFound));
        assert_eq!(comment.delete(AUTHOR).unwrap().len(), 1);
    }

    #[test]
    fn an_edit_of_a_hidden_comment_leaves_it_hidden() {
        let mut history = hidden();
        history.extend(given(&history).edit(AUTHOR, body("other")).unwrap());

        assert_eq!(given(&history).restore(CASE).len(), 1);
    }

    #[test]
    fn a_body_has_one_to_two_thousand_characters() {
        assert!(Body::parse(" ").is_err());
        assert!(Body::parse(&"ü".repeat(2_001)).is_err());
        assert!(Body::parse(&"ü".repeat(2_000)).is_ok());
    }

    #[test]
    fn what_its_author_wants_of_a_token_is_said_with_the_comment() {
        let events = Comment::New.add(Draft { mint: Some(true), ..draft() }).unwrap();

        assert!(matches!(events.as_slice(), [CommentEvent::Added { mint: Some(true), .. }]));
    }
}
