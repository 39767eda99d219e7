//! `streams`: what Redis holds.

use std::time::Duration;

use clap::Subcommand;
use event_runtime::operator::streams::{self, Stream, StreamEntry};

use crate::cli::Global;
use crate::exit::{Failure, Verdict};
use crate::fleet::Fleet;
use crate::ui;

/// How often a stream is looked at for more.
const POLL: Duration = Duration::from_millis(250);

/// Entries per look.
const PAGE: u64 = 500;

/// The streams in Redis.
#[derive(Subcommand)]
pub(crate) enum Streams {
    /// Every stream with its first and last number, its length and its size
    Ls,
    /// One stream with the groups on it
    Describe {
        /// The key, such as `ev:{post.p0}:e1`
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// The latest entries, and with `--follow` those that come
    Tail {
        /// Only this partition
        #[arg(long, value_name = "N")]
        partition: Option<i16>,
        /// Only this event type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// This many to begin with, per stream
        #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
        lines: u64,
        /// Wait for more, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
}

impl Streams {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let fleet = Fleet::connect(global).await?;
        match self {
            Self::Ls => {
                let streams = all(&fleet).await?;
                ui::show(global.json, &streams, |streams| list(streams))?;
            }
            Self::Describe { key } => {
                let streams = all(&fleet).await?;
                let stream = streams.into_iter().find(|stream| stream.key == key);
                let stream = stream.ok_or_else(|| {
                    Failure::Refused(format!("there is no stream `{key}`; `streams ls` lists them"))
                })?;
                ui::show(global.json, &stream, describe)?;
            }
            Self::Tail { partition, event_type, lines, follow } => {
                let tail = Tail { partition, event_type, json: global.json };
                tail.run(&fleet, lines, follow).await?;
            }
        }
        Ok(Verdict::Clean)
    }
}

async fn all(fleet: &Fleet) -> Result<Vec<Stream>, Failure> {
    let mut all = Vec::new();
    for site in &fleet.sites {
        all.extend(streams::list(site).await?);
    }
    Ok(all)
}

fn list(streams: &[Stream]) -> String {
    let row = |stream: &Stream| {
        [
            stream.key.clone(),
            if stream.exists { stream.first.to_string() } else { "missing".to_owned() },
            stream.last.to_string(),
            stream.head.to_string(),
            stream.length.to_string(),
            stream.bytes.to_string(),
            stream.groups.len().to_string(),
        ]
    };
    let header = ["stream", "first", "last", "store", "entries", "bytes", "groups"];
    ui::table(header, streams.iter().map(row), "no streams")
}

fn describe(stream: &Stream) -> String {
    let groups = stream.groups.iter().map(|group| {
        [
            group.group.clone(),
            group.delivered.to_string(),
            group.pending.to_string(),
            group.consumers.to_string(),
        ]
    });
    let header = ["group", "delivered", "pending", "consumers"];
    format!(
        "{}\n\n{}",
        list(std::slice::from_ref(stream)),
        ui::table(header, groups, "no groups on it")
    )
}

/// What is shown of streams as they grow.
struct Tail {
    partition: Option<i16>,
    event_type: Option<String>,
    json: bool,
}

impl Tail {
    async fn run(&self, fleet: &Fleet, lines: u64, follow: bool) -> Result<(), Failure> {
        let mut followed = Vec::new();
        for site in &fleet.sites {
            for stream in streams::list(site).await? {
                if self.partition.is_none_or(|partition| stream.partition == partition) {
                    let entries = streams::last_entries(site, &stream, lines).await?;
                    let after = entries.last().map_or(stream.last, |entry| entry.sequence);
                    self.print(&stream, &entries)?;
                    followed.push((site, stream, after));
                }
            }
        }
        if !follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(POLL).await;
            for (site, stream, after) in &mut followed {
                let entries = streams::entries_after(site, stream, *after, PAGE).await?;
                self.print(stream, &entries)?;
                *after = entries.last().map_or(*after, |entry| entry.sequence);
            }
        }
    }

    fn print(&self, stream: &Stream, entries: &[StreamEntry]) -> Result<(), Failure> {
        let is_meant =
            |entry: &&StreamEntry| self.event_type.is_none() || entry.event_type == self.event_type;
        for entry in entries.iter().filter(is_meant) {
            if self.json {
                ui::json_line(entry)?;
            } else {
                ui::line(format_args!(
                    "{} {} {} {} {} {}",
                    entry.occurred_at.as_deref().unwrap_or("-"),
                    stream.key,
                    entry.sequence,
                    entry.event_type.as_deref().unwrap_or("?"),
                    entry.aggregate.as_deref().unwrap_or("?"),
                    entry.data
                ))?;
            }
        }
        Ok(())
    }
}
