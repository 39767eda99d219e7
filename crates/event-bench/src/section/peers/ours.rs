//! The event runtime in the same trials.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use event_runtime::{RuntimeBuilder, stream::StreamKey};
use fred::interfaces::{ClientLike as _, StreamsInterface as _};
use local_stack::process::Process;
use shared_schemas::Service;

use super::trial::{AGGREGATES, Contestant, Handled, Outcome, PATIENCE, Trial, lines};
use crate::{
    bed::{Bed, Ground},
    load, process,
    sample::text_of,
    section::Running,
    worker::Role,
};

/// What a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Writes a line, as the peers do: outside the transaction.
    Line,
    /// Inserts a row, in the transaction.
    Row,
}

pub(super) struct Ours {
    effect: Effect,
}

impl Ours {
    pub(super) fn new(effect: Effect) -> Self {
        Self { effect }
    }

    /// What it was told.
    pub(super) fn note(&self) -> &'static str {
        match self.effect {
            Effect::Line => {
                "one partition; the handler writes a line, which a kill before the commit repeats. Events are committed to \
                 PostgreSQL before they are published, and that is in the latency"
            }
            Effect::Row => {
                "one partition; the handler inserts a row in the transaction that moves the watermark; published/s is the \
                 relay's, from a backlog in PostgreSQL to the stream"
            }
        }
    }

    fn consumer(&self, bed: &Bed, directory: &Path, member: usize) -> Result<Process> {
        match self.effect {
            Effect::Line => process::start_lines(bed, directory, &log(directory, member)),
            Effect::Row => process::start(bed, Role::Log, directory),
        }
    }

    async fn handled(&self, bed: &Bed, directory: &Path, trial: Trial) -> Result<Vec<Handled>> {
        if self.effect == Effect::Row {
            return rows(bed).await;
        }
        let mut handled = Vec::new();
        for member in 0..trial.consumers {
            handled.extend(lines(&log(directory, member))?);
        }
        Ok(handled)
    }
}

impl Contestant for Ours {
    fn name(&self) -> String {
        match self.effect {
            Effect::Line => "PeerLink, transport only".to_owned(),
            Effect::Row => "PeerLink, effect in PostgreSQL".to_owned(),
        }
    }

    fn throughput_events(&self) -> u64 {
        50_000
    }

    async fn run(&mut self, ground: &mut Ground, trial: Trial) -> Result<Outcome> {
        let directory = tempfile::tempdir()?;
        let bed = ground.bed(1).await?;
        let mut consumers = Vec::new();
        for member in 0..trial.consumers {
            consumers.push(self.consumer(&bed, directory.path(), member)?);
            // The first one becomes the owner, so that the one that is killed had something to do.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }

        if trial.rate == 0 {
            self.drain(&bed, directory.path(), trial, &mut consumers).await
        } else {
            self.paced(&bed, directory.path(), trial, &mut consumers).await
        }
    }
}

impl Ours {
    /// A backlog in the store, all of it meant to be sent when the relay starts.
    async fn drain(
        &self,
        bed: &Bed,
        directory: &Path,
        trial: Trial,
        consumers: &mut [Process],
    ) -> Result<Outcome> {
        bed.record_with(trial.events, AGGREGATES, &text_of(0)).await?;
        let (began, start) = (Instant::now(), bed.post.clock().now().timestamp_micros());
        let _relay = process::start(bed, Role::Relay, directory)?;
        let (published, disturbed) = tokio::join!(
            until_published(bed, trial.events),
            self.disturb(bed, directory, trial, consumers)
        );
        published?;
        disturbed?;
        let published_in = began.elapsed().as_secs_f64();
        self.wait(bed, directory, trial).await?;
        let mut handled = self.handled(bed, directory, trial).await?;
        for one in &mut handled {
            one.intended = start;
        }
        Ok(Outcome::of(trial, published_in, handled))
    }

    async fn disturb(
        &self,
        bed: &Bed,
        directory: &Path,
        trial: Trial,
        consumers: &mut [Process],
    ) -> Result<()> {
        if !trial.is_disturbed() {
            return Ok(());
        }
        trial.moment(async || self.count(bed, directory, trial).await).await?;
        if trial.kill
            && let Some(first) = consumers.first_mut()
        {
            first.kill().await?;
        }
        if trial.flush {
            bed.redis.flushall::<()>(false).await?;
        }
        if trial.malformed {
            spoil(bed).await?;
        }
        Ok(())
    }

    /// How many are handled; cheaper than looking at each.
    async fn count(&self, bed: &Bed, directory: &Path, trial: Trial) -> Result<usize> {
        if self.effect == Effect::Row {
            let count = bed.number_of("SELECT count(*) FROM engagement.sample_log").await?;
            return Ok(usize::try_from(count)?);
        }
        Ok(self.handled(bed, directory, trial).await?.len())
    }

    /// Events recorded at a pace, and what goes wrong half-way.
    async fn paced(
        &self,
        bed: &Bed,
        directory: &Path,
        trial: Trial,
        consumers: &mut [Process],
    ) -> Result<Outcome> {
        // In the process that records, as a service's is, so that it does not have to look for news.
        let relay = Running::start(RuntimeBuilder::new(bed.post.clone(), bed.redis_url.clone()))?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let pace = trial.rate as f64;
        let (appended, disturbed) = tokio::join!(
            load::paced(bed, pace, trial.events, AGGREGATES),
            self.disturb(bed, directory, trial, consumers)
        );
        appended?;
        disturbed?;
        let published_in = began.elapsed().as_secs_f64();
        self.wait(bed, directory, trial).await?;
        relay.stop().await;
        Ok(Outcome::of(trial, published_in, self.handled(bed, directory, trial).await?))
    }

    /// Until everything is handled and nothing more comes.
    async fn wait(&self, bed: &Bed, directory: &Path, trial: Trial) -> Result<()> {
        let mut seen = (0, Instant::now());
        loop {
            let handled = self.handled(bed, directory, trial).await?;
            if handled.len() > seen.0 {
                seen = (handled.len(), Instant::now());
            }
            let is_done = Outcome::of(trial, 1.0, handled).lost == 0
                && (!trial.kill || seen.1.elapsed() > PATIENCE / 2);
            if is_done || seen.1.elapsed() > PATIENCE {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn until_published(bed: &Bed, events: u64) -> Result<()> {
    let began = Instant::now();
    let key = StreamKey::new(Service::Post, 0);
    while event_runtime::relay::last_sequence(&bed.redis, key).await? < events {
        ensure!(began.elapsed() < Duration::from_mins(2), "not published after two minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// An event that nobody can read, in the store as in the stream: what a faulty producer would leave.
async fn spoil(bed: &Bed) -> Result<()> {
    let key = StreamKey::new(Service::Post, 0);
    let mut tries = 0;
    loop {
        let last = event_runtime::relay::last_sequence(&bed.redis, key).await?;
        let (name, id) = (key.to_string(), format!("{last}-1"));
        let added: Result<(), _> =
            bed.redis.xadd(name, false, None, id, vec![("nonsense", "\u{0}")]).await;
        match added {
            Ok(()) => return Ok(()),
            // The relay was quicker.
            Err(error) if tries < 1_000 && error.details().contains("equal or smaller") => {
                tries += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn rows(bed: &Bed) -> Result<Vec<Handled>> {
    let effects = load::effects(bed).await?.into_iter();
    let handled = effects.map(|effect| {
        anyhow::Ok(Handled {
            aggregate: u64::try_from(effect.aggregate_id.as_u128())?,
            number: u64::try_from(effect.version)?,
            intended: effect.intended,
            at: effect.applied,
        })
    });
    handled.collect()
}

fn log(directory: &Path, member: usize) -> PathBuf {
    directory.join(format!("m{member}.lines"))
}
