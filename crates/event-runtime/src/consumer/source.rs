//! Where an owner's events come from: the live stream, or what the producer sends to one that fell behind it.

use std::sync::Arc;

use async_trait::async_trait;
use fred::clients::Client;
use metrics::counter;

use super::{
    Consumer,
    catch_up::{self, Stored},
    error::OwnerError,
    generation::{Nothing, Place},
    group::{Group, MEMBER},
    progress::Progress,
};
use crate::{layout::Watch, redis, rules::Gap, stream::Entry};

/// What a read came to.
pub(crate) enum Read {
    /// Entries in order, each once; empty when nothing came for a while.
    Entries(Vec<Entry>),
    /// There will be no more here: the owner finishes what it has in hand, and asks where to read on from its watermark.
    Over,
}

/// A place to read from. It is opened at a watermark and continues by itself.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// The next entries, at most `count`. Must return within about a second and a half; may be dropped half-way, after which
    /// nothing else is asked of this source.
    async fn read(&self, count: u64) -> Result<Read, OwnerError>;

    /// These took effect, or are parked, for good; so did everything up to `watermark`. May run beside a read.
    async fn settle(&self, sequences: &[u64], watermark: u64) -> Result<(), OwnerError>;

    /// Whether everything that the stream holds comes from here.
    fn is_live(&self) -> bool;
}

/// A source that has been opened, and what was found on the way.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    /// The highest number that was delivered to a former owner and not acknowledged; 0 if there is none.
    pub(super) in_doubt: u64,
}

/// Opens the source that has the event after the watermark. `gap` is what came last time in place of that event.
pub(super) async fn open(
    consumer: &Consumer,
    place: Place,
    reader: &Client,
    progress: &Progress,
    gap: Option<Gap>,
) -> Result<Opened, OwnerError> {
    let name = consumer.subscription.group;
    let watermark = progress.watermark();
    let key = match place {
        Place::Live(key) => key,
        Place::Ended(key, through) => {
            let source = Box::new(Stored::new(&Group { name, key }, reader, watermark, through));
            return Ok(Opened { source, in_doubt: 0 });
        }
        Place::Nowhere => return Ok(Opened { source: Box::new(Nothing), in_doubt: 0 }),
    };
    let group = Group { name, key };
    group.position(reader, watermark).await?;
    let in_doubt = recover(&group, reader, progress).await?;
    if let Some(source) = catch_up::open(&group, reader, watermark, gap).await? {
        return Ok(Opened { source, in_doubt });
    }
    let commands = Arc::clone(&consumer.commands);
    let layout = consumer.layout.clone();
    let source = Box::new(Live { group, reader: reader.clone(), commands, layout });
    Ok(Opened { source, in_doubt })
}

/// Goes through what former owners left unacknowledged, page by page. What took effect before a crash came between commit
/// and acknowledgement is acknowledged now; the rest will come again, since the group stands at the watermark.
async fn recover(group: &Group, redis: &Client, progress: &Progress) -> Result<u64, OwnerError> {
    let mut after = 0;
    loop {
        let page = group.pending_after(redis, after).await?;
        let Some(last) = page.last() else { return Ok(after) };
        after = last.sequence;
        let done: Vec<u64> = page
            .iter()
            .map(|pending| pending.sequence)
            .filter(|sequence| progress.is_done(*sequence))
            .collect();
        let acknowledged = group.acknowledge(redis, &done).await?;
        counter!("events_own_pel_recovered_total").increment(acknowledged);
        counter!("events_handled_total", "outcome" => "duplicate").increment(acknowledged);
    }
}

/// The stream itself, through the consumer group.
struct Live {
    group: Group,
    /// Used by the read alone: it stalls every command behind it.
    reader: Client,
    commands: Arc<redis::Shared>,
    layout: Watch,
}

#[async_trait]
impl Source for Live {
    async fn read(&self, count: u64) -> Result<Read, OwnerError> {
        // What follows in an ended generation may not be true.
        if self.layout.get().is_none_or(|layout| layout.epoch() != self.group.key.epoch) {
            return Ok(Read::Over);
        }
        Ok(Read::Entries(self.group.read(&self.reader, MEMBER, count).await?))
    }

    async fn settle(&self, sequences: &[u64], _: u64) -> Result<(), OwnerError> {
        let acknowledged = self.group.acknowledge(self.commands.client(), sequences).await;
        let acknowledged = self.commands.checked(acknowledged).await?;
        // Redis answers 0 for a group that is gone, without an error.
        let missing = (sequences.len() as u64).saturating_sub(acknowledged);
        counter!("events_ack_missing_total").increment(missing);
        Ok(())
    }

    fn is_live(&self) -> bool {
        true
    }
}
