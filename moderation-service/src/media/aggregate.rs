//! One image on the operator's list.

use event_runtime::Aggregate;
use serde::{Deserialize, Serialize};
use shared_schemas::{CaseId, Event, Service, UserId, moderation::ModerationReason};
use uuid::Uuid;

/// Names an entry; derived from its hashes, so that an image is listed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedImageId(pub Uuid);

impl ListedImageId {
    /// The one entry with these hashes.
    pub fn of(sha256: Option<&str>, perceptual: Option<u64>) -> Self {
        let perceptual = perceptual.map(u64::to_be_bytes);
        let parts: [&[u8]; 3] = [
            b"listed image",
            sha256.unwrap_or_default().as_bytes(),
            perceptual.as_ref().map_or(&[], |bytes| bytes),
        ];
        Self(CaseId::derive(&parts).0)
    }
}

impl From<ListedImageId> for Uuid {
    fn from(id: ListedImageId) -> Self {
        id.0
    }
}

/// What happens to content that shows the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, poem_openapi::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[oai(rename_all = "SCREAMING_SNAKE_CASE", rename = "ListedImageAction")]
pub enum Action {
    /// A person decides.
    Hold,
    /// It goes at once; a person can bring it back.
    Remove,
}

impl Action {
    /// As it stands in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "HOLD",
            Self::Remove => "REMOVE",
        }
    }
}

/// A fact about one entry; private to this service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ListedImageEvent {
    /// An image was put on the list, or what is said of it changed.
    #[serde(rename = "listed_image.listed.v1")]
    Listed(Listed),
    /// It was taken off the list.
    #[serde(rename = "listed_image.delisted.v1")]
    Delisted {
        /// Who did.
        moderator_id: UserId,
    },
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// SHA-256 of the file, in lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The perceptual hash, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceptual: Option<String>,
    /// What speaks against it.
    pub category: ModerationReason,
    /// What happens to content that shows it.
    pub action: Action,
    /// For colleagues: 1 to 1 000 Unicode scalar values, NFC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who put it there.
    pub moderator_id: UserId,
}

impl Event for ListedImageEvent {
    const CATEGORY: &'static str = "listed_image";
    const SERVICE: Service = Service::Moderation;

    fn is_public(&self) -> bool {
        // Whoever had the hashes could try which changes of an image are not found.
        false
    }
}

/// What a command needs to know about an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedImage {
    listed: Option<Listed>,
}

impl Aggregate for ListedImage {
    type Id = ListedImageId;
    type Event = ListedImageEvent;

    fn evolve(self, event: &ListedImageEvent) -> Self {
        match event {
            ListedImageEvent::Listed(listed) => Self { listed: Some(listed.clone()) },
            ListedImageEvent::Delisted { .. } => Self { listed: None },
        }
    }
}

impl ListedImage {
    /// Puts it on the list; the same again records nothing, whoever says it.
    pub fn list(&self, listed: Listed) -> Vec<ListedImageEvent> {
        let is_known = self.listed.as_ref().is_some_and(|known| {
            *known == Listed { moderator_id: known.moderator_id, ..listed.clone() }
        });
        if is_known { vec![] } else { vec![ListedImageEvent::Listed(listed)] }
    }

    /// Takes it off the list, if it is there.
    pub fn delist(&self, moderator_id: UserId) -> Vec<ListedImageEvent> {
        self.listed.iter().map(|_| ListedImageEvent::Delisted { moderator_id }).collect()
    }
}

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "HOLD" => Ok(Self::Hold),
            "REMOVE" => Ok(Self::Remove),
            _ => Err(UnknownAction(text.to_owned())),
        }
    }
}

/// A column that holds no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no action")]
pub struct UnknownAction(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_listed_once_until_it_is_taken_off() {
        let by = |number| Listed {
            sha256: Some("ab".repeat(32)),
            perceptual: None,
            category: ModerationReason::Nudity,
            action: Action::Hold,
            note: None,
            moderator_id: UserId(Uuid::from_u128(number)),
        };
        let listed = ListedImage::default().list(by(1));
        let entry = listed.iter().fold(ListedImage::default(), ListedImage::evolve);
        let taken_off = entry.delist(UserId(Uuid::from_u128(2)));

        assert_eq!(entry.list(by(2)), vec![]);
        assert_eq!(entry.list(Listed { action: Action::Remove, ..by(2) }).len(), 1);
        assert_eq!(taken_off.len(), 1);
        assert_eq!(taken_off.iter().fold(entry, ListedImage::evolve), ListedImage::default());
        assert_eq!(ListedImage::default().delist(UserId(Uuid::from_u128(2))), vec![]);
    }
}
