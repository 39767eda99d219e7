//! Stored events on their way to a stream: read in the form that an entry has, and never taken apart on the way.

use bytes::Bytes;
use fred::types::Value;
use sea_orm::{DbErr, FromQueryResult, raw_sql};

use crate::{
    EventStore,
    store::{to_bigint, to_integer, to_smallint},
    stream::StreamKey,
};

/// Events per page.
pub(crate) const PAGE: i64 = 500;

/// Bytes per script call, unless one event has more. Redis serves nobody else meanwhile; it is about a millisecond.
const CALL: usize = 256 * 1024;

/// Separates events. JSON texts have no such character, nor do ids, names, numbers and times.
const SEPARATOR: char = '\u{1e}';

/// Consecutive events of one partition.
#[derive(Debug, Default)]
pub(crate) struct Page {
    events: Vec<Line>,
}

/// An event: its place, and its entry's only field as [`encode`](crate::stream::encode) describes it.
#[derive(Clone, Debug)]
struct Line {
    sequence: u64,
    field: Bytes,
}

/// Events that go to Redis in one call.
pub(crate) struct Batch {
    /// For each event its sequence number and its field.
    pub(super) arguments: Vec<Value>,
    /// The last sequence number.
    pub(super) end: u64,
}

#[derive(FromQueryResult)]
struct Row {
    events: Option<String>,
}

impl Page {
    /// Published events of a partition after a sequence number, in public order, short of where the key's generation ended. A
    /// relay that has not heard of a newer generation writes nothing of it into the old one, since what it reads and where it
    /// ends are one snapshot. There is no generation 0, so nothing ends that.
    ///
    /// # Errors
    ///
    /// [`DbErr`] if the database fails.
    pub(crate) async fn read(
        store: &EventStore,
        key: StreamKey,
        after: u64,
        limit: i64,
    ) -> Result<Self, DbErr> {
        let (partition, after) = (to_smallint(key.partition), to_bigint(after));
        let epoch = to_integer(key.epoch);
        // Numbers are dense, so a bound on them is as good as a limit, and better for a planner without statistics: while a
        // backlog is numbered it would read all of it for every page.
        // As JSON a time has the form of RFC 3339, whatever the session's date style.
        // One row: at this rate the client would pay more for every further one than for what is in it.
        let row = Row::find_by_statement(raw_sql!(
            Postgres,
            "SELECT string_agg(line, chr(30) ORDER BY sequence) AS events FROM (
               SELECT p.sequence,
                      concat_ws(chr(10), p.sequence, e.id, e.type, e.aggregate_type || ':' || e.aggregate_id,
                                e.aggregate_version,
                                btrim(to_json(e.occurred_at)::text, chr(34)),
                                e.metadata, e.data) AS line
                 FROM publication p JOIN event e ON e.position = p.position
                 WHERE p.partition = {partition} AND p.sequence > {after} AND p.sequence <= {after} + {limit}
                   AND p.sequence <= coalesce((SELECT ended.sequence FROM stream_epoch_end ended
                                                 WHERE ended.epoch = {epoch} AND ended.partition = {partition}),
                                              9223372036854775807)) page"
        ))
        .one(store.db())
        .await?;
        let events = row.and_then(|row| row.events).unwrap_or_default();
        Self::parse(events).ok_or_else(|| DbErr::Custom("an event has no sequence number".into()))
    }

    fn parse(events: String) -> Option<Self> {
        if events.is_empty() {
            return Some(Self::default());
        }
        let text = Bytes::from(events);
        let lines = std::str::from_utf8(&text).ok()?.split(SEPARATOR).map(|line| {
            let (sequence, field) = line.split_once('\n')?;
            Some(Line { sequence: sequence.parse().ok()?, field: text.slice_ref(field.as_bytes()) })
        });
        Some(Self { events: lines.collect::<Option<_>>()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The first sequence number; `None` if there are no events.
    pub(crate) fn begin(&self) -> Option<u64> {
        Some(self.events.first()?.sequence)
    }

    /// The last sequence number; `None` if there are no events.
    pub(crate) fn end(&self) -> Option<u64> {
        Some(self.events.last()?.sequence)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.field.len()).sum()
    }

    /// When each of the events happened.
    pub(crate) fn times(&self) -> impl Iterator<Item = chrono::DateTime<chrono::Utc>> {
        self.events.iter().filter_map(|event| {
            std::str::from_utf8(&event.field).ok()?.split('\n').nth(4)?.parse().ok()
        })
    }

    /// The same events in pieces that Redis takes at once.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Batch> {
        let mut rest = self.events.as_slice();
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|event| {
                bytes += event.field.len();
                bytes <= CALL
            });
            let (batch, others) = rest.split_at_checked(fitting.count().max(1))?;
            rest = others;
            let end = batch.last()?.sequence;
            let words = batch.iter().flat_map(|event| {
                [event.sequence.to_string().into(), Value::Bytes(event.field.clone())]
            });
            Some(Batch { arguments: words.collect(), end })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(fields: &[String]) -> Page {
        let lines: Vec<String> =
            (7..).zip(fields).map(|(sequence, field)| format!("{sequence}\n{field}")).collect();
        Page::parse(lines.join("\u{1e}")).unwrap()
    }

    #[test]
    fn a_page_knows_its_events_and_their_times() {
        let field =
            "id\npost.edited.v1\npost:id\n2\n2026-01-02T03:04:05.000006Z\n{}\n{}".to_owned();
        let page = page(&[field.clone(), field.clone()]);

        assert_eq!((page.begin(), page.end(), page.len()), (Some(7), Some(8), 2));
        assert_eq!(page.bytes(), field.len() * 2);
        let times: Vec<String> = page.times().map(|time| time.to_rfc3339()).collect();
        assert_eq!(times, ["2026-01-02T03:04:05.000006+00:00", "2026-01-02T03:04:05.000006+00:00"]);
    }

    #[test]
    fn a_page_without_events_has_no_batches() {
        let page = Page::parse(String::new()).unwrap();

        assert_eq!((page.begin(), page.end()), (None, None));
        assert_eq!(page.batches().count(), 0);
    }

    #[test]
    fn batches_are_as_large_as_a_call_may_be_and_one_event_at_least() {
        let [small, half, huge] = [10, CALL / 2, CALL * 2].map(|bytes| "x".repeat(bytes));
        let page = page(&[half.clone(), half, small.clone(), huge, small.clone(), small]);

        let ends: Vec<u64> = page.batches().map(|batch| batch.end).collect();

        assert_eq!(ends, [8, 9, 10, 12]);
    }

    #[test]
    fn a_page_that_is_no_page_is_refused() {
        for text in ["x", "x\ny", "7\nx\u{1e}8"] {
            assert!(Page::parse(text.to_owned()).is_none(), "{text:?}");
        }
    }
}
