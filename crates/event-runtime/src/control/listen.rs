//! The producer's side: every relay process reads the control stream of its service.

use std::time::{Duration, Instant};

use fred::{clients::Client, interfaces::StreamsInterface, types::Value};
use metrics::counter;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    CatchUpRequest, Message, WatermarkReport, control_key, message::MessageError, subscription,
};
use crate::{
    EventStore, RuntimeError,
    error::{chain, is_transient},
    redis::{BLOCK, backoff, blocking, close, once, recover},
};

/// Entries per read.
const COUNT: u64 = 1_000;

/// How often a listener that hears nothing looks whether the stream has begun again below its cursor.
const DOUBT: Duration = Duration::from_secs(5);

/// The id of an entry: milliseconds of Redis's clock, and a number among those of one millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u64, u64);

impl Id {
    fn parse(id: &str) -> Option<Self> {
        let (time, number) = id.split_once('-')?;
        Some(Self(time.parse().ok()?, number.parse().ok()?))
    }
}

/// Reads what consumers tell this service, and hands it to whom it concerns.
pub(crate) struct Listener {
    store: EventStore,
    /// Used by nothing else: a blocking read stalls every command behind it.
    redis: Client,
    catch_up: mpsc::Sender<CatchUpRequest>,
}

impl Listener {
    /// A listener over its own Redis client. Watermarks go to the registry, requests to `catch_up`; one that finds no room
    /// there is dropped, since the reader repeats it.
    pub(crate) fn new(
        store: EventStore,
        redis: Client,
        catch_up: mpsc::Sender<CatchUpRequest>,
    ) -> Self {
        Self { store, redis, catch_up }
    }

    /// Listens until told to stop.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let (mut cursor, mut failures) = (None, 0);
        while !shutdown.is_cancelled() {
            match self.follow(&mut cursor, &shutdown, &mut failures).await {
                Ok(()) => (),
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(
                            error = chain(&error),
                            "control stream cannot be read; nothing is trimmed further meanwhile"
                        );
                    }
                    if let RuntimeError::Redis(cause) = &error {
                        recover(&self.redis, cause).await;
                    }
                    tokio::select! {
                        () = shutdown.cancelled() => (),
                        () = tokio::time::sleep(backoff(failures)) => (),
                    }
                }
            }
        }
        close(&self.redis).await;
    }

    /// Reads on from the cursor. It moves only after what was read has been written down.
    async fn follow(
        &self,
        cursor: &mut Option<Id>,
        shutdown: &CancellationToken,
        failures: &mut u32,
    ) -> Result<(), RuntimeError> {
        let mut heard = Instant::now();
        while !shutdown.is_cancelled() {
            // What was said before the start is said again soon, or is no longer true.
            let after = match *cursor {
                Some(cursor) => cursor,
                None => self.end().await?,
            };
            let page = self.page(after).await?;
            if let Some((last, _)) = page.last() {
                *cursor = Some(*last);
                heard = Instant::now();
                let messages = page.iter().map(|(_, message)| message);
                if let Err(error) = self.dispatch(messages).await {
                    *cursor = Some(after);
                    return Err(error);
                }
            } else {
                *cursor = Some(after);
                // A Redis that forgot everything, with a clock that went back, gives ids below the cursor.
                if heard.elapsed() > DOUBT {
                    heard = Instant::now();
                    if self.end().await? < after {
                        *cursor = Some(Id::default());
                    }
                }
            }
            *failures = 0;
        }
        Ok(())
    }

    /// Acts on messages in their order. One that cannot be read is counted and holds up nobody.
    async fn dispatch<'a>(
        &self,
        messages: impl Iterator<Item = &'a Result<Message, MessageError>> + Send,
    ) -> Result<(), RuntimeError> {
        let mut reports = Vec::new();
        for message in messages {
            match message {
                Ok(Message::Watermark(report)) => reports.push(report.clone()),
                Ok(Message::CatchUp(request)) => {
                    if let Err(error) = self.catch_up.try_send(request.clone()) {
                        tracing::debug!(error = chain(&error), "request not taken");
                    }
                }
                Err(error) => {
                    counter!("events_control_rejected_total").increment(1);
                    tracing::debug!(error = chain(error), "control message rejected");
                }
            }
        }
        match subscription::register(&self.store, reports.clone()).await {
            Err(error) if !is_transient(&error) => self.register_each(reports).await,
            registered => Ok(registered?),
        }
    }

    /// Writes reports down one by one, since the database refuses one of them, and would refuse it for ever.
    async fn register_each(&self, reports: Vec<WatermarkReport>) -> Result<(), RuntimeError> {
        let mut refused = None;
        for report in reports {
            match subscription::register(&self.store, vec![report]).await {
                Err(error) if !is_transient(&error) => {
                    counter!("events_control_rejected_total").increment(1);
                    refused = Some(error);
                }
                registered => registered?,
            }
        }
        if let Some(error) = refused {
            tracing::warn!(error = chain(&error), "watermark reports refused");
        }
        Ok(())
    }

    /// The last id of the stream; the lowest of all if there is none.
    async fn end(&self) -> Result<Id, RuntimeError> {
        let key = control_key(self.store.service());
        let last: Value = once(&self.redis).xrevrange(key, "+", "-", Some(1)).await?;
        Ok(entries(last).first().map_or_else(Id::default, |(id, _)| *id))
    }

    async fn page(
        &self,
        after: Id,
    ) -> Result<Vec<(Id, Result<Message, MessageError>)>, RuntimeError> {
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        let key = control_key(self.store.service());
        let reply: Option<Value> = blocking(&self.redis)
            .xread(Some(COUNT), Some(block), key, format!("{}-{}", after.0, after.1))
            .await?;
        let Some(Value::Array(streams)) = reply else { return Ok(Vec::new()) };
        let Some(Value::Array(stream)) = streams.into_iter().next() else { return Ok(Vec::new()) };
        Ok(stream.into_iter().nth(1).map(entries).unwrap_or_default())
    }
}

/// The entries of a reply, each a message or the reason why it is none.
fn entries(reply: Value) -> Vec<(Id, Result<Message, MessageError>)> {
    let Value::Array(entries) = reply else { return Vec::new() };
    entries.into_iter().filter_map(entry).collect()
}

fn entry(entry: Value) -> Option<(Id, Result<Message, MessageError>)> {
    let Value::Array(pair) = entry else { return None };
    let mut pair = pair.into_iter();
    let id = Id::parse(&pair.next()?.into_string()?)?;
    let (mut kind, mut content) = (None, None);
    if let Some(Value::Array(fields)) = pair.next() {
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match name.as_str().as_deref() {
                Some("k") => kind = value.into_string(),
                Some("d") => content = value.into_string(),
                _ => (),
            }
        }
    }
    Some((id, Message::decode(kind.as_deref(), content.as_deref())))
}
