//! Listed images as JSON.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object,
    types::{Base64, Example},
};
use service_kit::{Problem, example};
use shared_schemas::{CaseId, UserId, moderation::ModerationReason};
use uuid::Uuid;

use super::{
    aggregate::{Action, Listed, UnknownAction},
    hash::{self, HashError, ImageHash},
    view::{ListedRow, Match},
};
use crate::case::{api::clean_text, body::SubjectKind};

/// An image to put on the list: the file, or its hashes from somebody who has it.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct ListImage {
    /// The file in Base64: PNG, JPEG, GIF or WebP, 4 MiB at most. It is hashed and not kept.
    #[oai(skip_serializing_if_is_none)]
    pub image: Option<Base64<Vec<u8>>>,
    /// SHA-256 of the file, in lower-case hexadecimal.
    #[oai(validator(pattern = "^[0-9a-f]{64}$"), skip_serializing_if_is_none)]
    pub sha256: Option<String>,
    /// The perceptual hash, 16 hexadecimal digits.
    #[oai(validator(pattern = "^[0-9a-f]{16}$"), skip_serializing_if_is_none)]
    pub perceptual: Option<String>,
    /// What speaks against it.
    pub category: ModerationReason,
    /// What happens to content that shows it. Nothing about self-harm is removed without a person.
    pub action: Action,
    /// For colleagues, 1 to 1 000 characters.
    #[oai(validator(min_length = 1, max_length = 1000), skip_serializing_if_is_none)]
    pub note: Option<String>,
}

impl Example for ListImage {
    fn example() -> Self {
        Self {
            image: None,
            sha256: None,
            perceptual: Some("a5c3961e5a3c69e1".to_owned()),
            category: ModerationReason::Nudity,
            action: Action::Hold,
            note: Some("Leaked private picture; its owner asked.".to_owned()),
        }
    }
}

impl ListImage {
    /// The entry it asks for.
    ///
    /// # Errors
    ///
    /// 400 without anything to tell the image by, for an unreadable one, and for what must not be removed by the machine.
    pub fn entry(self, moderator_id: UserId) -> Result<Listed, Problem> {
        let Self { image, sha256, perceptual, category, action, note } = self;
        if category == ModerationReason::SelfHarm && action == Action::Remove {
            let detail = "what is about self-harm is held, and never removed without a person";
            return Err(Problem::bad_request("invalid-action", detail));
        }
        let note = note.map(|note| clean_text("note", &note, 1_000)).transpose()?;
        let given = image.map(|Base64(file)| hash::hash(&file)).transpose()?;
        let (sha256, perceptual) = match given {
            Some(_) if sha256.is_some() || perceptual.is_some() => {
                let detail = "give the image or its hashes, not both";
                return Err(Problem::bad_request("invalid-image", detail));
            }
            Some(hash) => (Some(hash.sha256), hash.perceptual.map(hexadecimal)),
            None => (sha256, perceptual),
        };
        let is_plain = perceptual.as_deref().is_some_and(|perceptual| {
            !u64::from_str_radix(perceptual, 16).is_ok_and(hash::is_distinctive)
        });
        if is_plain {
            let detail = "the perceptual hash is of an image too plain to be told from others";
            return Err(Problem::bad_request("invalid-image", detail));
        }
        if sha256.is_none() && perceptual.is_none() {
            let detail = "give the image, or at least one of its hashes";
            return Err(Problem::bad_request("invalid-image", detail));
        }
        Ok(Listed { sha256, perceptual, category, action, note, moderator_id })
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        Self::bad_request("invalid-image", error.to_string())
    }
}

fn hexadecimal(hash: u64) -> String {
    format!("{hash:016x}")
}

/// An image on the list.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "ListedImage")]
pub struct ListedImageView {
    /// The entry.
    pub id: Uuid,
    /// SHA-256 of the file.
    #[oai(skip_serializing_if_is_none)]
    pub sha256: Option<String>,
    /// The perceptual hash.
    #[oai(skip_serializing_if_is_none)]
    pub perceptual: Option<String>,
    /// What speaks against it.
    pub category: ModerationReason,
    /// What happens to content that shows it.
    pub action: Action,
    /// For colleagues.
    #[oai(skip_serializing_if_is_none)]
    pub note: Option<String>,
    /// Since when.
    pub listed_at: DateTime<Utc>,
}

impl Example for ListedImageView {
    fn example() -> Self {
        let ListImage { sha256, perceptual, category, action, note, .. } = ListImage::example();
        let (id, listed_at) = (example::id(11), example::moment());
        Self { id, sha256, perceptual, category, action, note, listed_at }
    }
}

impl TryFrom<ListedRow> for ListedImageView {
    type Error = UnknownAction;

    fn try_from(row: ListedRow) -> Result<Self, UnknownAction> {
        let ListedRow { id, sha256, perceptual, category, action, note, listed_at } = row;
        let perceptual = perceptual.map(|hash| hexadecimal(hash.cast_unsigned()));
        let action = action.parse()?;
        Ok(Self { id, sha256, perceptual, category, action, note, listed_at })
    }
}

/// An image, and the content that shows it.
#[derive(Clone, Debug, Object)]
#[oai(example, deny_unknown_fields)]
pub struct CheckImage {
    /// The file in Base64: PNG, JPEG, GIF or WebP, 4 MiB at most. It is hashed and not kept.
    pub image: Base64<Vec<u8>>,
    /// The content that shows it.
    pub subject_kind: SubjectKind,
    /// Its id.
    pub subject_id: Uuid,
}

/// A PNG of one white pixel.
const PIXEL: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52,
    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b,
    0x55, 0x00, 0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0x0f, 0x00, 0x01,
    0x01, 0x01, 0x00, 0x1c, 0xb0, 0x8c, 0x99, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];

impl Example for CheckImage {
    fn example() -> Self {
        Self {
            image: Base64(PIXEL.to_vec()),
            subject_kind: SubjectKind::Post,
            subject_id: example::id(3),
        }
    }
}

/// What is known of an image.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub struct CheckedImage {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The perceptual hash; absent if the image is too plain to be told apart by it.
    #[oai(skip_serializing_if_is_none)]
    pub perceptual: Option<String>,
    /// Whether it is on the list, or looks like one that is.
    pub is_listed: bool,
    /// The case about the content that shows it.
    #[oai(skip_serializing_if_is_none)]
    pub case_id: Option<CaseId>,
}

impl Example for CheckedImage {
    fn example() -> Self {
        Self {
            sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            perceptual: Some("a5c3961e5a3c69e1".to_owned()),
            is_listed: false,
            case_id: None,
        }
    }
}

impl CheckedImage {
    pub(super) fn new(image: ImageHash, found: &[Match], case_id: Option<CaseId>) -> Self {
        Self {
            sha256: image.sha256,
            perceptual: image.perceptual.map(hexadecimal),
            is_listed: !found.is_empty(),
            case_id,
        }
    }
}
