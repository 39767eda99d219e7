//! The event types in a store, and whether this build can read every one of them.

use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;
use serde_json::Value;
use shared_schemas::{
    DecodeError, Event, RawEvent, comment::CommentEvent, connection::ConnectionEvent,
    mint::MintEvent, moderation::CaseEvent, notification::NotificationEvent, post::PostEvent,
    reaction::ReactionEvent, session::SessionEvent, signing_key::SigningKeyEvent, user::UserEvent,
    view::ViewEvent,
};

use super::{CommandError, Site, gaps::Finding};
use crate::error::chain;

/// Events per page of a check.
const PAGE: i64 = 1_000;

/// One event type in a store.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct EventType {
    /// The kind of aggregate.
    pub aggregate_type: String,
    /// The wire name with its version, such as `post.published.v1`.
    #[sea_orm(from_alias = "type")]
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whether others may see it.
    pub is_public: bool,
    /// How many there are.
    pub events: i64,
}

/// The event types of a store, by name.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn list(site: &Site) -> Result<Vec<EventType>, DbErr> {
    EventType::find_by_statement(raw_sql!(
        Postgres,
        "SELECT aggregate_type, type, is_public, count(*) AS events FROM event
           GROUP BY aggregate_type, type, is_public ORDER BY type, is_public"
    ))
    .all(&site.db)
    .await
}

/// What a check of all stored events found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readable {
    /// Events that were decoded.
    pub decoded: u64,
    /// Private events of kinds that their service alone can read.
    pub private: u64,
    /// What cannot be read.
    pub findings: Vec<Finding>,
}

#[derive(FromQueryResult)]
struct Row {
    position: i64,
    aggregate_type: String,
    #[sea_orm(from_alias = "type")]
    event_type: String,
    is_public: bool,
    data: Value,
}

/// Decodes every stored event as this build's readers would; `progress` is told how many were looked at.
///
/// # Errors
///
/// [`CommandError`] if the database fails.
pub async fn check(site: &Site, progress: &(dyn Fn(u64) + Sync)) -> Result<Readable, CommandError> {
    let mut readable = Readable { decoded: 0, private: 0, findings: Vec::new() };
    let mut after = 0;
    loop {
        let page = Row::find_by_statement(raw_sql!(
            Postgres,
            "SELECT position, aggregate_type, type, is_public, data FROM event
               WHERE position > {after} ORDER BY position LIMIT {PAGE}"
        ))
        .all(&site.db)
        .await?;
        let Some(last) = page.last() else { return Ok(readable) };
        after = last.position;
        for row in page {
            read(site, row, &mut readable);
        }
        progress(readable.decoded + readable.private);
    }
}

fn read(site: &Site, row: Row, readable: &mut Readable) {
    let Row { position, aggregate_type, event_type, is_public, data } = row;
    let raw = RawEvent { event_type: event_type.clone(), data };
    let what = match decode(&aggregate_type, raw) {
        Read::Known => {
            readable.decoded += 1;
            return;
        }
        Read::Unknown if !is_public => {
            readable.private += 1;
            return;
        }
        Read::Unknown => {
            format!("{event_type} at position {position} is of no type that this build knows")
        }
        Read::Unreadable(error) => {
            format!("{event_type} at position {position}: {}", chain(&error))
        }
    };
    readable.findings.push(Finding::new("schema", site, None, what));
}

type Reader = fn(RawEvent) -> Read;

enum Read {
    Known,
    Unknown,
    Unreadable(DecodeError),
}

/// Reads a wire form as the events of its kind of aggregate.
fn decode(aggregate_type: &str, raw: RawEvent) -> Read {
    fn as_event<E: Event>(raw: RawEvent) -> Read {
        match E::decode(raw) {
            Ok(Some(_)) => Read::Known,
            Ok(None) => Read::Unknown,
            Err(error) => Read::Unreadable(error),
        }
    }
    let readers: [(&str, Reader); 11] = [
        (CaseEvent::CATEGORY, as_event::<CaseEvent>),
        (CommentEvent::CATEGORY, as_event::<CommentEvent>),
        (ConnectionEvent::CATEGORY, as_event::<ConnectionEvent>),
        (MintEvent::CATEGORY, as_event::<MintEvent>),
        (NotificationEvent::CATEGORY, as_event::<NotificationEvent>),
        (PostEvent::CATEGORY, as_event::<PostEvent>),
        (ReactionEvent::CATEGORY, as_event::<ReactionEvent>),
        (SessionEvent::CATEGORY, as_event::<SessionEvent>),
        (SigningKeyEvent::CATEGORY, as_event::<SigningKeyEvent>),
        (UserEvent::CATEGORY, as_event::<UserEvent>),
        (ViewEvent::CATEGORY, as_event::<ViewEvent>),
    ];
    match readers.iter().find(|(category, _)| *category == aggregate_type) {
        Some((_, read)) => read(raw),
        None => Read::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(aggregate_type: &str, event_type: &str, data: Value) -> Read {
        decode(aggregate_type, RawEvent { event_type: event_type.to_owned(), data })
    }

    #[test]
    fn what_this_build_writes_it_reads_and_a_newer_version_it_does_not() {
        assert!(matches!(read("view", "view.counted.v99", json!({})), Read::Unreadable(_)));
        assert!(matches!(read("view", "view.counted.v1", json!({"x": 1})), Read::Unreadable(_)));
        assert!(matches!(read("post", "post.archived.v1", json!({})), Read::Known));
        assert!(matches!(read("counter", "counter.added.v1", json!({})), Read::Unknown));
    }
}
