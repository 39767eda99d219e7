//! What is said on a control stream, and how it looks there.

use fred::{
    clients::Client,
    error::Error,
    interfaces::StreamsInterface,
    types::streams::{XCapKind, XCapTrim},
};
use serde::{Deserialize, Serialize};
use shared_schemas::Service;
use uuid::Uuid;

use crate::redis::once;

/// Entries of a control stream, about: minutes of reports, and a bound on what it takes of Redis's memory.
const CAP: i64 = 10_000;

/// Entries that are enough while Redis runs out of memory: each consumer reports anew every few seconds.
const SHORT: i64 = 100;

/// The longest name of a consumer group that a producer registers, in bytes.
const GROUP_LIMIT: usize = 200;

/// The control stream of a producer, such as `ctl:{post}`. The braces are part of the key.
pub(crate) fn control_key(producer: Service) -> String {
    format!("ctl:{{{producer}}}")
}

/// One entry of a control stream: its kind in field `k`, the rest as JSON in field `d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// `watermark`: how far a group has come for good.
    Watermark(WatermarkReport),
    /// `catch_up`: somebody needs events that the stream does not hold.
    CatchUp(CatchUpRequest),
}

/// How far a consumer group has come for good in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WatermarkReport {
    pub(crate) group: String,
    pub(crate) partition: u16,
    /// The generation of the stream in which `sequence` counts.
    pub(crate) epoch: u32,
    /// Everything up to here took effect or is parked.
    pub(crate) sequence: u64,
    /// The number of the last lease on the partition. It only grows, so it tells a group that starts over from a late report.
    pub(crate) fence: u64,
}

/// A reader's request for stored events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CatchUpRequest {
    pub(crate) group: String,
    pub(crate) partition: u16,
    /// Names the stream on which the reader waits.
    pub(crate) run: Uuid,
    /// The last sequence number that the reader has.
    pub(crate) after: u64,
    /// The last one that it wants, if it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) through: Option<u64>,
}

/// Why an entry of a control stream is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    #[error("a newer build is at work: unknown kind `{0}`")]
    UnknownKind(String),
    #[error("field `d` does not parse")]
    Malformed(#[from] serde_json::Error),
    #[error("the name of the group has {0} bytes; it needs 1 to {GROUP_LIMIT}")]
    Group(usize),
    #[error("the name of the group has a control character")]
    Control,
    #[error("generation {0} of the streams is beyond what there can be")]
    Epoch(u32),
}

impl Message {
    /// Kind and content, as they are written.
    fn encode(&self) -> Result<(&'static str, String), serde_json::Error> {
        Ok(match self {
            Self::Watermark(report) => ("watermark", serde_json::to_string(report)?),
            Self::CatchUp(request) => ("catch_up", serde_json::to_string(request)?),
        })
    }

    /// Reads an entry. Another service wrote it, so nothing about it is taken for granted.
    pub(super) fn decode(kind: Option<&str>, content: Option<&str>) -> Result<Self, MessageError> {
        let kind = kind.ok_or(MessageError::Missing("k"))?;
        let content = content.ok_or(MessageError::Missing("d"))?;
        let message = match kind {
            "watermark" => Self::Watermark(serde_json::from_str(content)?),
            "catch_up" => Self::CatchUp(serde_json::from_str(content)?),
            other => return Err(MessageError::UnknownKind(other.chars().take(40).collect())),
        };
        message.check()?;
        Ok(message)
    }

    /// Whether the database can keep what it says.
    fn check(&self) -> Result<(), MessageError> {
        let group = self.group();
        if !(1..=GROUP_LIMIT).contains(&group.len()) {
            return Err(MessageError::Group(group.len()));
        }
        if group.contains(char::is_control) {
            return Err(MessageError::Control);
        }
        match self {
            Self::Watermark(WatermarkReport { epoch, .. }) if i32::try_from(*epoch).is_err() => {
                Err(MessageError::Epoch(*epoch))
            }
            Self::Watermark(_) | Self::CatchUp(_) => Ok(()),
        }
    }

    fn group(&self) -> &str {
        match self {
            Self::Watermark(report) => &report.group,
            Self::CatchUp(request) => &request.group,
        }
    }
}

/// Tells a producer. Its oldest messages go when there are too many.
///
/// # Errors
///
/// If Redis does not take it; the caller says it again later.
pub(crate) async fn send(
    redis: &Client,
    producer: Service,
    message: &Message,
) -> Result<(), Error> {
    let (kind, content) = message
        .encode()
        .map_err(|error| Error::new(fred::error::ErrorKind::InvalidArgument, error.to_string()))?;
    let fields = vec![("k", kind.to_owned()), ("d", content)];
    let cap = (XCapKind::MaxLen, XCapTrim::AlmostExact, CAP, None);
    once(redis).xadd(control_key(producer), false, cap, "*", fields).await
}

/// Forgets old messages, which are of no more use.
///
/// # Errors
///
/// If Redis does not answer.
pub(crate) async fn shorten(redis: &Client, producer: Service) -> Result<(), Error> {
    let cap = (XCapKind::MaxLen, XCapTrim::AlmostExact, SHORT, None);
    once(redis).xtrim(control_key(producer), cap).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(group: &str) -> Message {
        Message::Watermark(WatermarkReport {
            group: group.to_owned(),
            partition: 3,
            epoch: 1,
            sequence: 9_007_199_254_740_991,
            fence: 7,
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let request = Message::CatchUp(CatchUpRequest {
            group: "engagement.tally".to_owned(),
            partition: 0,
            run: Uuid::nil(),
            after: 41,
            through: Some(99),
        });
        for message in [report("engagement.tally"), request] {
            let (kind, content) = message.encode().unwrap();

            assert_eq!(Message::decode(Some(kind), Some(&content)).unwrap(), message);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error_and_never_a_default() {
        let decode = Message::decode;
        let (_, good) = report("g").encode().unwrap();
        let (_, nameless) = report("").encode().unwrap();
        let (_, endless) = report(&"g".repeat(201)).encode().unwrap();

        assert!(matches!(decode(None, Some(&good)), Err(MessageError::Missing("k"))));
        assert!(matches!(decode(Some("watermark"), None), Err(MessageError::Missing("d"))));
        assert!(matches!(decode(Some("later"), Some("{}")), Err(MessageError::UnknownKind(_))));
        let negative = good.replace("\"sequence\":9007199254740991", "\"sequence\":-1");
        for content in ["", "{}", "[]", "null", &negative] {
            let decoded = decode(Some("watermark"), Some(content));
            assert!(matches!(decoded, Err(MessageError::Malformed(_))), "{content}");
        }
        assert!(matches!(decode(Some("watermark"), Some(&nameless)), Err(MessageError::Group(0))));
        assert!(matches!(decode(Some("watermark"), Some(&endless)), Err(MessageError::Group(201))));
        let (_, nul) = report("g\0").encode().unwrap();
        assert!(matches!(decode(Some("watermark"), Some(&nul)), Err(MessageError::Control)));
        let late = good.replace("\"epoch\":1", "\"epoch\":2147483648");
        assert!(matches!(decode(Some("watermark"), Some(&late)), Err(MessageError::Epoch(_))));
    }
}
