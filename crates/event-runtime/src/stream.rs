//! Names of streams, and the form of an event inside them.

use std::collections::BTreeMap;

use fred::types::Value;
use serde::{Deserialize, Serialize};
use shared_schemas::{EventId, RawEvent, Service, envelope::Metadata};

use crate::{RecordedEvent, Version};

/// The first generation of every service's streams.
pub(crate) const FIRST_EPOCH: u32 = 1;

/// One partition of one service's events, in one generation of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    /// Whose events.
    pub service: Service,
    /// Which partition.
    pub partition: u16,
    /// Which generation, from 1. A later one starts when the store's past has changed, or the number of partitions.
    pub epoch: u32,
}

impl StreamKey {
    /// A partition in the first generation.
    pub const fn new(service: Service, partition: u16) -> Self {
        Self { service, partition, epoch: FIRST_EPOCH }
    }

    /// The same partition in another generation.
    #[must_use]
    pub const fn at(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }
}

impl std::fmt::Display for StreamKey {
    /// `ev:{post.p0}:e1`: the braces keep everything about a partition in one Redis Cluster slot.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ev:{{{}.p{}}}:e{}", self.service, self.partition, self.epoch)
    }
}

/// The one field of an entry.
///
/// Redis and its clients pay for every field of every entry, in each command that carries it, several times what they pay for
/// its bytes. So an entry has as few as can be.
pub const FIELD: &str = "e";

/// The lines of that field, in this order.
///
/// `i` event id, `t` type, `a` aggregate type and id, `n` aggregate version, `o` time (RFC 3339), `m` metadata, `p` payload.
/// No line break can occur in any of them, as JSON texts write theirs as `\n`. Entries that have these as fields of their own,
/// as all had once, are read the same way.
pub const PARTS: [&str; 7] = ["i", "t", "a", "n", "o", "m", "p"];

/// An event as the field of an entry.
///
/// # Errors
///
/// If the metadata or the payload has no JSON form.
pub fn encode(event: &RecordedEvent) -> Result<String, serde_json::Error> {
    Ok(format!(
        "{}\n{}\n{}:{}\n{}\n{}\n{}\n{}",
        event.id,
        event.raw.event_type,
        event.aggregate_type,
        event.aggregate_id,
        event.aggregate_version.0,
        event.occurred_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        serde_json::to_string(&event.metadata)?,
        serde_json::to_string(&event.raw.data)?,
    ))
}

/// What is in an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub(crate) enum Fields {
    /// The lines of [`FIELD`], as [`encode`] writes them.
    Packed(String),
    /// Anything else, by name.
    Named(BTreeMap<String, String>),
}

impl Fields {
    fn parse(flat: Vec<Value>) -> Self {
        let mut fields = flat.into_iter().map(text_of);
        let mut named = BTreeMap::new();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            if name == FIELD && fields.len() == 0 && named.is_empty() {
                return Self::Packed(value);
            }
            named.insert(name, value);
        }
        Self::Named(named)
    }

    fn parts(&self) -> Parts<'_> {
        match self {
            Self::Packed(lines) => {
                let mut lines = lines.splitn(PARTS.len(), '\n');
                Parts(std::array::from_fn(|_| lines.next()))
            }
            Self::Named(_) => Parts(PARTS.map(|part| self.get(part))),
        }
    }

    /// One of the [`PARTS`].
    pub(crate) fn get(&self, part: &str) -> Option<&str> {
        match self {
            Self::Packed(lines) => {
                let line = PARTS.iter().position(|name| *name == part)?;
                lines.splitn(PARTS.len(), '\n').nth(line)
            }
            Self::Named(fields) => fields.get(part).map(String::as_str),
        }
    }
}

impl Fields {
    /// All that is in it, by name.
    pub(crate) fn into_parts(self) -> BTreeMap<String, String> {
        match self {
            Self::Packed(lines) if lines.matches('\n').count() >= PARTS.len() - 1 => {
                let lines = lines.splitn(PARTS.len(), '\n').map(ToOwned::to_owned);
                PARTS.into_iter().map(ToOwned::to_owned).zip(lines).collect()
            }
            Self::Packed(_) | Self::Named(_) => self.into(),
        }
    }
}

impl From<BTreeMap<String, String>> for Fields {
    fn from(mut fields: BTreeMap<String, String>) -> Self {
        match fields.remove(FIELD) {
            Some(lines) if fields.is_empty() => Self::Packed(lines),
            Some(lines) => {
                fields.insert(FIELD.to_owned(), lines);
                Self::Named(fields)
            }
            None => Self::Named(fields),
        }
    }
}

impl From<Fields> for BTreeMap<String, String> {
    fn from(fields: Fields) -> Self {
        match fields {
            Fields::Packed(lines) => Self::from([(FIELD.to_owned(), lines)]),
            Fields::Named(fields) => fields,
        }
    }
}

/// The [`PARTS`] of an entry, looked up once for all of them.
struct Parts<'a>([Option<&'a str>; PARTS.len()]);

impl<'a> Parts<'a> {
    fn get(&self, part: &str) -> Option<&'a str> {
        let index = PARTS.iter().position(|name| *name == part)?;
        *self.0.get(index)?
    }
}

/// An entry as it came: what is in it, or nothing when Redis has trimmed it while it was pending.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) fields: Option<Fields>,
}

/// Why an entry is no event.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Its id is not `<sequence>-0`: no relay wrote it.
    #[error("the entry's id is not that of an event")]
    Foreign,
    /// Redis no longer has its fields.
    #[error("the entry was trimmed before it was read")]
    Trimmed,
    /// A part of it is not there.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A part of it is not what it has to be.
    #[error("field `{field}` does not parse: {text:?}")]
    Invalid {
        /// Its name, see [`PARTS`].
        field: &'static str,
        /// The first 80 characters of it.
        text: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads one `[id, [name, value, ...]]` pair of a reply of Redis as consumers do, for tools that read streams themselves.
///
/// # Errors
///
/// [`EntryError`], for whatever else a pair may be.
pub fn decode(key: StreamKey, pair: Value) -> Result<RecordedEvent, EntryError> {
    Entry::parse(pair).ok_or(EntryError::Foreign)?.decode(key)
}

impl Entry {
    /// Parses one `[id, fields]` pair of a reply. An id that is not `<sequence>-0` was not written by a relay.
    pub(crate) fn parse(value: Value) -> Option<Self> {
        let Value::Array(pair) = value else { return None };
        let mut pair = pair.into_iter();
        let id = pair.next()?.into_string()?;
        let sequence = sequence_of(&id)?;
        let fields = match pair.next() {
            Some(Value::Array(flat)) => Some(Fields::parse(flat)),
            _ => None,
        };
        Some(Self { sequence, fields })
    }

    /// Reads the entry as an event.
    pub(crate) fn decode(&self, key: StreamKey) -> Result<RecordedEvent, EntryError> {
        let fields = &self.fields.as_ref().ok_or(EntryError::Trimmed)?.parts();
        let (aggregate_type, aggregate_id) =
            get(fields, "a")?.split_once(':').ok_or_else(|| invalid(fields, "a", "no colon"))?;
        for name in ["t", "a"] {
            if get(fields, name)?.contains('\n') {
                return Err(invalid(fields, name, "a line break in a name"));
            }
        }
        Ok(RecordedEvent {
            id: EventId(parse(fields, "i")?),
            service: key.service,
            partition: key.partition,
            sequence: Some(self.sequence),
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: aggregate_id.parse().map_err(|error| invalid(fields, "a", error))?,
            aggregate_version: Version(parse(fields, "n")?),
            occurred_at: parse(fields, "o")?,
            metadata: serde_json::from_str::<Metadata>(get(fields, "m")?)
                .map_err(|error| invalid(fields, "m", error))?,
            raw: RawEvent {
                event_type: get(fields, "t")?.to_owned(),
                data: serde_json::from_str(get(fields, "p")?)
                    .map_err(|error| invalid(fields, "p", error))?,
            },
        })
    }

    /// The id of the event, as far as the entry can say.
    pub(crate) fn event_id(&self) -> Option<&str> {
        self.fields.as_ref()?.get("i")
    }

    /// The aggregate, as far as the entry can say.
    pub(crate) fn aggregate(&self) -> Option<(&str, uuid::Uuid)> {
        let (kind, id) = self.fields.as_ref()?.get("a")?.split_once(':')?;
        Some((kind, id.parse().ok()?))
    }
}

/// The sequence number of an entry id.
pub(crate) fn sequence_of(id: &str) -> Option<u64> {
    id.strip_suffix("-0")?.parse().ok()
}

fn get<'a>(fields: &Parts<'a>, field: &'static str) -> Result<&'a str, EntryError> {
    fields.get(field).ok_or(EntryError::Missing(field))
}

fn parse<T>(fields: &Parts<'_>, field: &'static str) -> Result<T, EntryError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    get(fields, field)?.parse().map_err(|error| invalid(fields, field, error))
}

fn invalid(
    fields: &Parts<'_>,
    field: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EntryError {
    // Enough to recognise it; the whole entry is kept where it is parked.
    let text = fields.get(field).map(|text| text.chars().take(80).collect()).unwrap_or_default();
    EntryError::Invalid { field, text, source: source.into() }
}

/// A field as text; bytes that are no UTF-8 show as U+FFFD and will not parse as anything.
fn text_of(value: Value) -> String {
    if let Value::Bytes(bytes) = value {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        value.into_string().unwrap_or_default()
    }
}

/// The entries of an `XREAD` or `XREADGROUP` reply on one key; empty when the block time passed without news.
pub(crate) fn entries(reply: Option<Value>) -> Vec<Entry> {
    let Some(Value::Array(streams)) = reply else { return Vec::new() };
    let Some(Value::Array(stream)) = streams.into_iter().next() else { return Vec::new() };
    let Some(Value::Array(entries)) = stream.into_iter().nth(1) else { return Vec::new() };
    entries.into_iter().filter_map(Entry::parse).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: StreamKey = StreamKey::new(Service::Post, 0);

    fn event() -> RecordedEvent {
        RecordedEvent {
            id: EventId(uuid::Uuid::from_u128(7)),
            service: Service::Post,
            partition: 0,
            sequence: Some(3),
            aggregate_type: "post".to_owned(),
            aggregate_id: uuid::Uuid::from_u128(9),
            aggregate_version: Version(2),
            occurred_at: chrono::DateTime::UNIX_EPOCH,
            metadata: Metadata::default(),
            raw: RawEvent {
                event_type: "post.edited.v1".to_owned(),
                data: json!({ "body": "two\nlines\r\n\u{2028}and a tab\t" }),
            },
        }
    }

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let flat =
            fields.iter().flat_map(|(name, value)| [Value::from(*name), Value::from(*value)]);
        Entry::parse(Value::Array(vec!["3-0".into(), Value::Array(flat.collect())])).unwrap()
    }

    #[test]
    fn an_entry_is_the_event_it_was_made_of_whatever_the_payload_says() {
        let lines = encode(&event()).unwrap();

        let entry = entry(&[(FIELD, &lines)]);

        assert_eq!(entry.decode(KEY).unwrap(), event());
        assert_eq!(entry.event_id(), Some("00000000-0000-0000-0000-000000000007"));
    }

    #[test]
    fn an_entry_with_a_field_per_part_is_read_as_before() {
        let lines = encode(&event()).unwrap();
        let fields: Vec<(&str, &str)> = PARTS.into_iter().zip(lines.split('\n')).collect();

        assert_eq!(entry(&fields).decode(KEY).unwrap(), event());
    }

    #[test]
    fn an_entry_that_was_set_aside_is_the_same_afterwards() {
        let lines = encode(&event()).unwrap();
        for fields in [vec![(FIELD, &*lines)], vec![("i", "7"), (FIELD, "x")], vec![("i", "7")]] {
            let fields = entry(&fields).fields.unwrap();

            let kept = serde_json::to_string(&fields).unwrap();

            assert_eq!(serde_json::from_str::<Fields>(&kept).unwrap(), fields);
        }
    }

    #[test]
    fn an_entry_with_a_line_too_few_or_too_many_is_no_event() {
        let lines = encode(&event()).unwrap();
        let (fewer, _) = lines.rsplit_once('\n').unwrap();

        for lines in [fewer, &format!("{lines}\n{{}}"), &format!("\n{lines}"), ""] {
            assert!(entry(&[(FIELD, lines)]).decode(KEY).is_err(), "{lines:?}");
        }
    }
}
