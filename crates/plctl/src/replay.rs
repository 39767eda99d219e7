//! `replay`: published events again, for whoever wants to read them a second time.

use std::time::Duration;

use clap::Subcommand;
use event_archive::replay::{Replay as Plan, ReplayStream, StreamOptions, replay as archive};
use event_archive::{ArchiveError, Sink, Speed};
use event_runtime::RecordedEvent;
use event_runtime::history::Cursor;
use event_runtime::operator::{Order, Site, replays};
use fred::clients::Client;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{Change, Global};
use crate::exit::{Failure, Verdict};
use crate::fleet::{Fleet, order};
use crate::select::{Select, sources};
use crate::{ui, value};

/// Published events again.
#[derive(Subcommand)]
pub(crate) enum Replay {
    /// Write published events to standard output, or into streams of the replay's own
    Run {
        /// The streams' name: `replay:{<service>.p<N>}:<NAME>`; without it, lines of JSON on standard output
        #[arg(long, value_name = "NAME")]
        into: Option<String>,
        #[command(flatten)]
        select: Select,
        /// As it happened (`1x`), faster (`10x`), slower (`0.5x`), or `max`
        #[arg(long, value_name = "SPEED", default_value = "max")]
        speed: Speed,
        /// Go on with what is published later, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Entries of one stream at a time: the replay waits for its readers
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        window: u32,
        /// How long a stream stays after the replay touched it last
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration)]
        keep: Duration,
        #[command(flatten)]
        change: Change,
    },
    /// The streams that replays have left, and who reads them
    Status {
        /// Only of this replay
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Delete the streams of a replay; one that is running ends
    Cancel {
        /// The replay
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Serialize)]
struct Report<'a> {
    dry_run: bool,
    into: Option<&'a str>,
    events: u64,
    /// Where it ended, by service.
    cursors: Vec<Cursor>,
    is_cancelled: bool,
}

impl Replay {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Run { into, select, speed, follow, window, keep, change } => {
                let plan = Plan { filter: select.into(), after: Vec::new(), speed, follow };
                let run = Run { fleet: &fleet, plan, json: global.json };
                match into {
                    None => run.to_lines().await?,
                    Some(name) => {
                        let options = StreamOptions { window, time_to_live: keep };
                        run.fill_streams(&name, options, &order(global, &change)?).await?;
                    }
                }
            }
            Self::Status { name } => {
                let site = first(&fleet)?;
                let streams = replays::list(site, name.as_deref()).await?;
                ui::show(global.json, &streams, |streams| list(streams))?;
            }
            Self::Cancel { name, change } => {
                let done = replays::cancel(first(&fleet)?, &order(global, &change)?, &name).await?;
                ui::show(global.json, &done, |done| {
                    let count = done.changed.len();
                    ui::changed(done.dry_run, count, "streams deleted", "streams would be deleted")
                })?;
            }
        }
        Ok(Verdict::Clean)
    }
}

/// Any service: the streams of replays are in the Redis of all.
fn first(fleet: &Fleet) -> Result<&Site, Failure> {
    fleet.sites.first().ok_or_else(|| Failure::Config("no service is known".to_owned()))
}

struct Run<'a> {
    fleet: &'a Fleet,
    plan: Plan,
    json: bool,
}

impl Run<'_> {
    async fn to_lines(&self) -> Result<(), Failure> {
        let sources = sources(self.fleet);
        archive(&sources, &self.plan, &mut Lines, &CancellationToken::new()).await?;
        Ok(())
    }

    async fn fill_streams(
        &self,
        name: &str,
        options: StreamOptions,
        order: &Order,
    ) -> Result<(), Failure> {
        let (sites, redis) = (&self.fleet.sites, &first(self.fleet)?.redis);
        let mut report = Report {
            dry_run: order.dry_run,
            into: Some(name),
            events: 0,
            cursors: Vec::new(),
            is_cancelled: false,
        };
        if !order.dry_run {
            let lifetime = options.time_to_live;
            replays::begin(sites, order, name, lifetime).await?;
            let (stop, busy) = (CancellationToken::new(), ui::Busy::new("replaying"));
            let mut sink = Watched {
                streams: ReplayStream::new(redis.clone(), name, options),
                redis,
                name,
                lifetime,
                stop: stop.clone(),
                busy,
                written: 0,
            };
            let sources = sources(self.fleet);
            let replayed = tokio::select! {
                replayed = archive(&sources, &self.plan, &mut sink, &stop) => Some(replayed),
                _ = tokio::signal::ctrl_c() => None,
            };
            report.events = sink.written;
            report.is_cancelled = stop.is_cancelled() || replayed.is_none();
            drop(sink);
            replays::end(redis, name).await?;
            if let Some(replayed) = replayed {
                report.cursors = replayed?.cursors;
            }
        }
        ui::show(self.json, &report, |report| match (report.dry_run, report.is_cancelled) {
            (true, _) => "nothing was written".to_owned(),
            (false, true) => format!("cancelled after {} events", report.events),
            (false, false) => {
                format!("{} events in replay:{{<service>.p<N>}}:{name}", report.events)
            }
        })
    }
}

/// One CloudEvents document per line on standard output.
struct Lines;

#[async_trait::async_trait]
impl Sink for Lines {
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), ArchiveError> {
        for event in events {
            ui::json_line(&event.envelope()).map_err(|failure| {
                ArchiveError::Receiver(std::io::Error::other(failure.to_string()))
            })?;
        }
        Ok(())
    }
}

/// Writes into streams for as long as nobody cancels.
struct Watched<'a> {
    streams: ReplayStream,
    redis: &'a Client,
    name: &'a str,
    lifetime: Duration,
    stop: CancellationToken,
    busy: ui::Busy,
    written: u64,
}

#[async_trait::async_trait]
impl Sink for Watched<'_> {
    async fn put(&mut self, events: &[RecordedEvent]) -> Result<(), ArchiveError> {
        if !replays::keep_alive(self.redis, self.name, self.lifetime).await? {
            self.stop.cancel();
            return Ok(());
        }
        self.streams.put(events).await?;
        self.written += events.len() as u64;
        self.busy.at(self.written, None);
        Ok(())
    }
}

fn list(streams: &[replays::ReplayStream]) -> String {
    let row = |stream: &replays::ReplayStream| {
        let readers =
            stream.groups.iter().map(|group| format!("{} at {}", group.group, group.delivered));
        [
            stream.name.clone(),
            stream.key.clone(),
            if stream.is_running { "running".to_owned() } else { "over".to_owned() },
            stream.length.to_string(),
            stream.last.to_string(),
            format!("{} s", stream.seconds_left),
            readers.collect::<Vec<_>>().join(", "),
        ]
    };
    let header = ["replay", "stream", "state", "entries", "last", "kept for", "readers"];
    ui::table(header, streams.iter().map(row), "no replay has left streams")
}
