//! What can happen to a post. Recorded by post-service, read by everyone.

use serde::{Deserialize, Serialize};

use crate::{CaseId, Event, Service, UserId, choice::choices};

choices! {
    /// What a post is about, and what a person cares about.
    Category {
        /// Sports.
        Sports = "SPORTS",
        /// News.
        News = "NEWS",
        /// Health.
        Health = "HEALTH",
        /// Politics.
        Politics = "POLITICS",
        /// Travel.
        Travel = "TRAVEL",
        /// Food.
        Food = "FOOD",
        /// Fiction.
        Fiction = "FICTION",
        /// Technology.
        Technology = "TECHNOLOGY",
        /// Communication.
        Communication = "COMMUNICATION",
        /// International affairs.
        International = "INTERNATIONAL",
        /// National affairs.
        National = "NATIONAL",
        /// Culture.
        Cultural = "CULTURAL",
        /// Life style.
        LifeStyle = "LIFE_STYLE",
        /// Fashion.
        Fashion = "FASHION",
        /// Education.
        Educational = "EDUCATIONAL",
        /// An event in somebody's life.
        PersonalEvent = "PERSONAL_EVENT",
        /// Anything else.
        Other = "OTHER",
        /// Music and art.
        MusicAndArt = "MUSIC_AND_ART",
        /// Novels and poetry.
        NovelAndPoetry = "NOVEL_AND_POETRY",
        /// Books.
        Books = "BOOKS",
        /// Protest.
        Protest = "PROTEST",
        /// Science.
        Scientific = "SCIENTIFIC",
    }
}

impl Category {
    /// Its name for people, such as `Life style`.
    pub fn label(self) -> String {
        let words = self.as_str().to_ascii_lowercase().replace('_', " ");
        let mut letters = words.chars();
        letters.next().map_or_else(String::new, |first| {
            format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
        })
    }
}

choices! {
    /// Who may see a post.
    PostStatus {
        /// Its author alone.
        Draft = "DRAFT",
        /// Everyone.
        Posted = "POSTED",
        /// Its author alone; it was public once.
        Archived = "ARCHIVED",
    }
}

/// A fact about one post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", content = "data")]
pub enum PostEvent {
    /// The author began a post that nobody else may see; private to post-service.
    #[serde(rename = "post.drafted.v1")]
    Drafted {
        /// The author.
        author_id: UserId,
        /// 1 to 200 Unicode scalar values, NFC.
        title: String,
        /// Markdown, 1 to 10 000 Unicode scalar values, NFC.
        body: String,
        /// What it is about.
        category: Category,
    },
    /// The author changed a draft; private to post-service.
    #[serde(rename = "post.draft_edited.v1")]
    DraftEdited {
        /// As in [`Self::Drafted`].
        title: String,
        /// As in [`Self::Drafted`].
        body: String,
        /// As in [`Self::Drafted`].
        category: Category,
    },
    /// The author deleted a post that was never public; private to post-service, like everything else about it.
    #[serde(rename = "post.draft_deleted.v1")]
    DraftDeleted {},
    /// The post went public: a new one, a draft, or an archived one brought back. Carries the whole content, since
    /// readers never saw the draft.
    #[serde(rename = "post.published.v1")]
    Published {
        /// The author.
        author_id: UserId,
        /// As in [`Self::Drafted`].
        title: String,
        /// As in [`Self::Drafted`].
        body: String,
        /// As in [`Self::Drafted`].
        category: Category,
        /// Whether the author wants a token of it, if the author said so for this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mint: Option<bool>,
    },
    /// The author changed a public post.
    #[serde(rename = "post.edited.v1")]
    Edited {
        /// The author.
        author_id: UserId,
        /// As in [`Self::Drafted`].
        title: String,
        /// As in [`Self::Drafted`].
        body: String,
        /// As in [`Self::Drafted`].
        category: Category,
    },
    /// The author took a public post back without deleting it.
    #[serde(rename = "post.archived.v1")]
    Archived {},
    /// The author deleted the post; its stream stays readable for audit.
    #[serde(rename = "post.deleted.v1")]
    Deleted {},
    /// A moderation decision hid the post; nothing is destroyed.
    #[serde(rename = "post.hidden.v1")]
    Hidden {
        /// The author, who is told.
        author_id: UserId,
        /// The case that decided it.
        case_id: CaseId,
    },
    /// A moderation decision brought a hidden post back.
    #[serde(rename = "post.restored.v1")]
    Restored {
        /// The author, who is told.
        author_id: UserId,
        /// The case that decided it.
        case_id: CaseId,
    },
}

impl Event for PostEvent {
    const CATEGORY: &'static str = "post";
    const SERVICE: Service = Service::Post;

    fn is_public(&self) -> bool {
        !matches!(self, Self::Drafted { .. } | Self::DraftEdited { .. } | Self::DraftDeleted {})
    }
}
