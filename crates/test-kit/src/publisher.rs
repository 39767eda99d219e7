//! Other services' events, written to their streams exactly as their relays would.

use anyhow::{Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use fred::{
    clients::Client,
    interfaces::{KeysInterface as _, LuaInterface},
    types::SetOptions,
};
use shared_schemas::{Event, EventId, RawEvent, Service, UserId, envelope::Metadata};
use uuid::Uuid;

use crate::{now, redis};

/// Appends an entry under the next sequence number, in one step: two tests may write to one stream.
const SCRIPT: &str = r"
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
local last = 0
if not info.err then
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^(%d+)-')) end
  end
end
local sequence = string.format('%d', last + 1)
redis.call('XADD', KEYS[1], sequence .. '-0', unpack(ARGV))
return sequence
";

/// The key of a stream, such as `ev:{post.p0}:e1`.
pub fn stream_key(service: Service, partition: u16) -> String {
    format!("ev:{{{service}.p{partition}}}:e1")
}

/// Stands in for the services that the one under test listens to.
pub struct Publisher {
    client: Client,
    partitions: u16,
}

impl Publisher {
    /// A publisher for streams in `partitions` partitions.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn connect(redis_url: &str, partitions: u16) -> Result<Self> {
        ensure!(partitions > 0, "there is at least one partition");
        let client = redis::connect(redis_url).await?;
        // The layout of each service that has not announced its own: nobody reads streams without one.
        let layout = serde_json::json!({
            "epoch": 1, "partitions": partitions, "heads": {},
            "generations": [{ "epoch": 1, "partitions": partitions }],
        });
        for service in Service::ALL {
            let key = format!("ctl:{{{service}}}:layout");
            let _: Option<String> =
                client.set(key, layout.to_string(), None, Some(SetOptions::NX), false).await?;
        }
        Ok(Self { client, partitions })
    }

    /// Publishes an event that nobody in particular caused, now.
    ///
    /// # Errors
    ///
    /// When the event cannot be encoded or Redis does not take it.
    pub async fn publish<E: Event>(
        &self,
        aggregate_id: impl Into<Uuid> + Send,
        version: i64,
        event: &E,
    ) -> Result<EventId> {
        self.publish_with(aggregate_id, version, event, &Metadata::default(), now()).await
    }

    /// Publishes an event that a person caused, now.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_by<E: Event>(
        &self,
        actor: UserId,
        aggregate_id: impl Into<Uuid> + Send,
        version: i64,
        event: &E,
    ) -> Result<EventId> {
        let metadata = Metadata { actor: Some(actor), ..Metadata::default() };
        self.publish_with(aggregate_id, version, event, &metadata, now()).await
    }

    /// Publishes an event of any origin and time. A fact that its service keeps to itself is refused.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_with<E: Event>(
        &self,
        aggregate_id: impl Into<Uuid> + Send,
        version: i64,
        event: &E,
        metadata: &Metadata,
        occurred_at: DateTime<Utc>,
    ) -> Result<EventId> {
        let raw = event.encode()?;
        ensure!(event.is_public(), "{} is private to its service", raw.event_type);
        let id = aggregate_id.into();
        self.publish_raw(E::SERVICE, E::CATEGORY, id, version, &raw, metadata, occurred_at).await
    }

    /// Publishes anything, for example a version that does not exist yet.
    ///
    /// # Errors
    ///
    /// When Redis does not take it.
    #[expect(clippy::too_many_arguments, reason = "the fields of an entry, each of them free")]
    pub async fn publish_raw(
        &self,
        service: Service,
        aggregate_type: &str,
        aggregate_id: Uuid,
        version: i64,
        event: &RawEvent,
        metadata: &Metadata,
        occurred_at: DateTime<Utc>,
    ) -> Result<EventId> {
        let id = EventId::new(occurred_at);
        let lines = [
            id.to_string(),
            event.event_type.clone(),
            format!("{aggregate_type}:{aggregate_id}"),
            version.to_string(),
            occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            serde_json::to_string(metadata)?,
            serde_json::to_string(&event.data)?,
        ];
        let fields = vec![("e".to_owned(), lines.join("\n"))];
        self.append(service, self.partition_of(aggregate_id), fields).await?;
        Ok(id)
    }

    /// Appends an entry of any fields, as long as they are text; returns its sequence number.
    ///
    /// # Errors
    ///
    /// When Redis does not take it.
    pub async fn append(
        &self,
        service: Service,
        partition: u16,
        fields: Vec<(String, String)>,
    ) -> Result<u64> {
        let words: Vec<String> =
            fields.into_iter().flat_map(|(name, value)| [name, value]).collect();
        let sequence: String =
            self.client.eval(SCRIPT, stream_key(service, partition), words).await?;
        Ok(sequence.parse()?)
    }

    /// The partition of an aggregate, as its service would choose it.
    pub fn partition_of(&self, aggregate_id: Uuid) -> u16 {
        let hash = aggregate_id.as_u128() & u128::from(u64::MAX >> 1);
        u16::try_from(hash % u128::from(self.partitions))
            .expect("less than the number of partitions")
    }
}
