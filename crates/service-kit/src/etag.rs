//! Versions of resources as entity tags (RFC 9110 §8.8.3).

use event_runtime::{Expected, Version};
use poem_openapi::NewType;

use crate::Problem;

/// The version of a resource, as HTTP quotes it: `"7"`.
#[derive(Clone, Debug, PartialEq, Eq, NewType)]
pub struct ETag(String);

impl ETag {
    /// What the command that carries this in `If-Match` expects. `*` expects nothing but existence.
    ///
    /// # Errors
    ///
    /// 400 unless it is a strong validator of this platform's making.
    pub fn expected(&self) -> Result<Expected, Problem> {
        if self.0 == "*" {
            return Ok(Expected::Any);
        }
        let version = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match version.map(str::parse) {
            Some(Ok(version)) if version > 0 => Ok(Expected::Exactly(Version(version))),
            _ => Err(Problem::bad_request(
                "invalid-etag",
                "If-Match is not an entity tag of this resource",
            )),
        }
    }

    /// What an optional `If-Match` expects: nothing when it is absent.
    ///
    /// # Errors
    ///
    /// As [`expected`](Self::expected).
    pub fn expected_or_any(tag: Option<&Self>) -> Result<Expected, Problem> {
        tag.map_or(Ok(Expected::Any), Self::expected)
    }
}

impl From<Version> for ETag {
    fn from(version: Version) -> Self {
        Self(format!("\"{}\"", version.0))
    }
}

impl std::fmt::Display for ETag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_expects_the_version_it_names() {
        assert_eq!(ETag::from(Version(7)).expected().ok(), Some(Expected::Exactly(Version(7))));
        assert_eq!(ETag("*".to_owned()).expected().ok(), Some(Expected::Any));
    }

    #[test]
    fn a_weak_or_foreign_tag_is_refused() {
        for foreign in ["W/\"7\"", "7", "\"x\"", "\"-1\"", ""] {
            assert!(ETag(foreign.to_owned()).expected().is_err(), "{foreign}");
        }
    }
}
