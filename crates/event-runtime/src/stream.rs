//! Names of streams, and the form of an event inside them.

use std::collections::BTreeMap;

use fred::types::Value;
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

/// The fields of an entry, in this order in every entry: Redis then stores their names once per node.
///
/// `i` event id, `t` type, `a` aggregate type and id, `n` aggregate version, `o` time (RFC 3339), `m` metadata, `p` payload.
pub const FIELDS: [&str; 7] = ["i", "t", "a", "n", "o", "m", "p"];

/// The values of an entry, in the order of [`FIELDS`].
///
/// # Errors
///
/// If the metadata or the payload has no JSON form.
pub fn encode(event: &RecordedEvent) -> Result<[String; 7], serde_json::Error> {
    Ok([
        event.id.to_string(),
        event.raw.event_type.clone(),
        format!("{}:{}", event.aggregate_type, event.aggregate_id),
        event.aggregate_version.0.to_string(),
        event.occurred_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        serde_json::to_string(&event.metadata)?,
        serde_json::to_string(&event.raw.data)?,
    ])
}

/// An entry as it came: fields by name, or none when Redis has trimmed it while it was pending.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) fields: Option<BTreeMap<String, String>>,
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
    /// A field is not there.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field is not what it has to be.
    #[error("field `{field}` does not parse: {text:?}")]
    Invalid {
        /// Its name, see [`FIELDS`].
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
            Some(Value::Array(flat)) => {
                let mut fields = BTreeMap::new();
                let mut flat = flat.into_iter();
                while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
                    fields.insert(text_of(name), text_of(value));
                }
                Some(fields)
            }
            _ => None,
        };
        Some(Self { sequence, fields })
    }

    /// Reads the entry as an event.
    pub(crate) fn decode(&self, key: StreamKey) -> Result<RecordedEvent, EntryError> {
        let fields = self.fields.as_ref().ok_or(EntryError::Trimmed)?;
        let (aggregate_type, aggregate_id) =
            get(fields, "a")?.split_once(':').ok_or_else(|| invalid(fields, "a", "no colon"))?;
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
                event_type: get(fields, "t")?.clone(),
                data: serde_json::from_str(get(fields, "p")?)
                    .map_err(|error| invalid(fields, "p", error))?,
            },
        })
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

fn get<'a>(
    fields: &'a BTreeMap<String, String>,
    field: &'static str,
) -> Result<&'a String, EntryError> {
    fields.get(field).ok_or(EntryError::Missing(field))
}

fn parse<T>(fields: &BTreeMap<String, String>, field: &'static str) -> Result<T, EntryError>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    get(fields, field)?.parse().map_err(|error| invalid(fields, field, error))
}

fn invalid(
    fields: &BTreeMap<String, String>,
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
