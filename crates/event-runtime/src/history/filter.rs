//! Which events to read.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared_schemas::UserId;
use uuid::Uuid;

use crate::RecordedEvent;

/// Bytes of a type pattern; no wire name is nearly as long.
const PATTERN_BYTES: usize = 100;

/// Which events to read: those that every part lets pass. The default lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Wire names and their beginnings, any of them; empty for every type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypePattern>,
    /// Events of one aggregate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate_id: Option<Uuid>,
    /// Events that one person caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// Events that one request led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Uuid>,
    /// Events that happened then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Events that happened before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
}

/// A wire name such as `post.published.v1`, or the beginning of some: `post.*`, `post.published.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypePattern(String);

/// Why a filter is none.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Not the form of a wire name.
    #[error(
        "`{0}` is neither an event type, such as `post.published.v1`, nor the beginning of some, such as `post.*`"
    )]
    Pattern(String),
}

impl FromStr for TypePattern {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let name = text.strip_suffix(".*").unwrap_or(text);
        let is_word = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if text.len() <= PATTERN_BYTES && name.split('.').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FilterError::Pattern(text.chars().take(PATTERN_BYTES).collect()))
        }
    }
}

impl TryFrom<String> for TypePattern {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        text.parse()
    }
}

impl From<TypePattern> for String {
    fn from(pattern: TypePattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TypePattern {
    /// What a type begins with to match, if the pattern is the beginning of some; it ends with the dot.
    fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    fn matches(&self, event_type: &str) -> bool {
        self.prefix().map_or_else(|| self.0 == event_type, |prefix| event_type.starts_with(prefix))
    }
}

impl Filter {
    /// Whether it lets every event pass.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it names something that an index leads to.
    pub(super) fn has_key(&self) -> bool {
        self.aggregate_id.is_some() || self.actor.is_some() || self.correlation_id.is_some()
    }

    /// Whether an event passes: the same answer as the database gives.
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        let of_type = self.types.is_empty()
            || self.types.iter().any(|pattern| pattern.matches(&event.raw.event_type));
        of_type
            && self.aggregate_id.is_none_or(|id| event.aggregate_id == id)
            && self.actor.is_none_or(|actor| event.metadata.actor == Some(actor))
            && self.correlation_id.is_none_or(|id| event.metadata.correlation_id == Some(id))
            && self.from.is_none_or(|from| event.occurred_at >= from)
            && self.to.is_none_or(|to| event.occurred_at < to)
    }

    /// Whole names and beginnings, as arrays; `None` for every type.
    pub(super) fn types_as_json(&self) -> (Option<Value>, Value) {
        if self.types.is_empty() {
            return (None, json!([]));
        }
        let names: Vec<&str> = self
            .types
            .iter()
            .filter(|pattern| pattern.prefix().is_none())
            .map(|pattern| &*pattern.0)
            .collect();
        let prefixes: Vec<&str> = self.types.iter().filter_map(TypePattern::prefix).collect();
        (Some(json!(names)), json!(prefixes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_wire_names_or_their_beginnings() {
        for good in ["post.published.v1", "post.*", "user.status_changed.*", "post"] {
            assert_eq!(good.parse::<TypePattern>().unwrap().to_string(), good);
        }
        for bad in ["", "*", ".*", "post.**", "post*", "Post.*", "post..v1", "post.%", "ä"] {
            assert!(bad.parse::<TypePattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_beginning_ends_at_a_dot() {
        let pattern: TypePattern = "post.*".parse().unwrap();

        assert!(pattern.matches("post.edited.v1"));
        assert!(!pattern.matches("post_reaction.added.v1"));
        assert!(!pattern.matches("post"));
    }
}
