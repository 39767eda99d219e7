//! What every event enum can do: be encoded, be decoded, be brought up to date.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Service;

/// A fact in wire form, before it is decoded into an [`Event`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawEvent {
    /// The wire name, such as `post.published.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The payload; `{}` for a fact that needs none.
    #[serde(default = "empty")]
    pub data: Value,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

impl RawEvent {
    /// The same payload under another wire name: one step of an upcast.
    #[must_use]
    pub fn renamed(self, event_type: &str) -> Self {
        Self { event_type: event_type.to_owned(), ..self }
    }

    /// The same fact with a field added: one step of an upcast.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(data) = &mut self.data {
            data.insert(field.to_owned(), value.into());
        }
        self
    }
}

/// Why a known event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The type is known to this build, but not in this version: a newer producer wrote it.
    #[error("`{event_type}` is a version this build does not know")]
    UnknownVersion {
        /// The wire name.
        event_type: String,
    },
    /// The type is known, and its payload does not fit.
    #[error("the payload of `{event_type}` does not fit")]
    Malformed {
        /// The wire name.
        event_type: String,
        /// What serde found.
        source: serde_json::Error,
    },
}

/// A closed set of facts about one kind of aggregate.
///
/// Implementors are enums declared `#[serde(tag = "type", content = "data")]`.
pub trait Event: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The aggregate's name, the first part of every wire name.
    const CATEGORY: &'static str;
    /// The only service that records these events.
    const SERVICE: Service;

    /// Whether other services may see this fact. A private one stays in its service's store and is never published.
    fn is_public(&self) -> bool {
        true
    }

    /// Rewrites a superseded wire form into the current one; the only code that knows the past.
    fn upcast(event: RawEvent) -> RawEvent {
        event
    }

    /// The wire form.
    ///
    /// # Errors
    ///
    /// If the enum is not declared `#[serde(tag = "type", content = "data")]`.
    fn encode(&self) -> Result<RawEvent, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(self)?)
    }

    /// Reads a wire form; `None` for a type this build does not know, so that an older
    /// consumer skips what a newer producer added.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the type is known, and its version or its payload is not.
    fn decode(event: RawEvent) -> Result<Option<Self>, DecodeError> {
        let event = Self::upcast(event);
        if let Err(known) = tag::known::<Self>(&event.event_type) {
            let name = unversioned(&event.event_type);
            return if known.iter().any(|known| unversioned(known) == name) {
                Err(DecodeError::UnknownVersion { event_type: event.event_type })
            } else {
                Ok(None)
            };
        }
        let has_payload = matches!(&event.data, Value::Object(fields) if !fields.is_empty());
        let decoded = serde_json::to_value(&event).and_then(|wire| {
            // Serde reads a variant without fields from a missing payload, not from an empty one.
            serde_json::from_value(wire).or_else(|error| {
                if has_payload {
                    return Err(error);
                }
                serde_json::from_value(serde_json::json!({ "type": event.event_type }))
            })
        });
        match decoded {
            Ok(decoded) => Ok(Some(decoded)),
            Err(source) => Err(DecodeError::Malformed { event_type: event.event_type, source }),
        }
    }
}

/// `post.published` of `post.published.v1`.
fn unversioned(event_type: &str) -> &str {
    event_type.rsplit_once(".v").map_or(event_type, |(name, _)| name)
}

mod tag {
    //! Asks serde whether an adjacently tagged enum has a variant of a given name.

    use std::fmt;

    use serde::de::{self, DeserializeOwned, value::MapDeserializer};

    /// Deserialises the tag alone: with no payload in sight, the only `unknown_variant` that serde can report
    /// is the tag itself. Fails with the names that are known.
    pub(super) fn known<E: DeserializeOwned>(
        event_type: &str,
    ) -> Result<(), &'static [&'static str]> {
        let tag_only = [("type", event_type)].into_iter();
        match E::deserialize(MapDeserializer::<_, TagError>::new(tag_only)) {
            Err(TagError::UnknownVariant(known)) => Err(known),
            Ok(_) | Err(TagError::Other) => Ok(()),
        }
    }

    #[derive(Debug)]
    enum TagError {
        UnknownVariant(&'static [&'static str]),
        Other,
    }

    impl de::Error for TagError {
        fn custom<T: fmt::Display>(_: T) -> Self {
            Self::Other
        }

        fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
            Self::UnknownVariant(known)
        }
    }

    impl std::error::Error for TagError {}

    impl fmt::Display for TagError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(self, f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::PostEvent;

    fn raw(event_type: &str, data: Value) -> RawEvent {
        RawEvent { event_type: event_type.to_owned(), data }
    }

    #[test]
    fn a_type_nobody_knows_is_skipped() {
        assert!(matches!(PostEvent::decode(raw("post.pinned.v1", empty())), Ok(None)));
    }

    #[test]
    fn a_version_nobody_knows_is_an_error() {
        let decoded = PostEvent::decode(raw("post.published.v99", empty()));

        assert!(matches!(decoded, Err(DecodeError::UnknownVersion { .. })));
    }

    #[test]
    fn a_payload_that_does_not_fit_is_an_error() {
        let decoded =
            PostEvent::decode(raw("post.published.v1", serde_json::json!({"author_id": 7})));

        assert!(matches!(decoded, Err(DecodeError::Malformed { .. })));
    }
}
