//! A process of a service, for tests that kill or stop it.
//!
//! `fault-worker relay <database> <redis> <partitions>` publishes the events of `post`.
//! `fault-worker tally <database> <redis> <partitions>` runs the projection [`counter::Tally`] for `engagement`.
//! `fault-worker tally-lanes …` and `tally-shared …` do so with four lanes, or four readers; `tally-v2 …` is a newer build.
//! `fault-worker append <database> <redis> <partitions> <counters> <events>` records events of `post` and publishes them.
//! `fault-worker redrive <database> <redis> <partitions> <counter>` applies the parked events of a counter.
//! `fault-worker rebuild <database> <redis> <partitions>` makes the projection again.
//!
//! Says `ready` when it runs and `done` when a finite task is over; ends on SIGTERM.

use std::{
    error::Error,
    io::{self, Write as _},
};

use event_runtime::{Clock, Concurrency, EventStore, Expected, RuntimeBuilder, Streams};
use futures_util::future::try_join_all;
use sea_orm::{ConnectOptions, Database};
use shared_schemas::{Service, envelope::Metadata};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

mod counter;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments = arguments.iter().map(String::as_str);
    let mut next = |name: &'static str| arguments.next().ok_or(format!("no {name}"));
    let (role, database, redis) = (next("role")?, next("database")?, next("redis")?);
    let partitions = next("partitions")?.parse()?;

    let service =
        if matches!(role, "relay" | "append") { Service::Post } else { Service::Engagement };
    let mut options = ConnectOptions::new(database);
    options.max_connections(10).sqlx_logging(false);
    let db = Database::connect(options).await?;
    let store = EventStore::open(db, service, partitions, Clock::System).await?;
    let mut builder = RuntimeBuilder::new(store.clone(), redis.to_owned());
    if service == Service::Engagement {
        builder = match role {
            "tally-lanes" => builder.projection(counter::Variant {
                concurrency: Concurrency::Lanes(4),
                ..counter::Variant::default()
            }),
            "tally-shared" => builder.projection(counter::Variant {
                concurrency: Concurrency::Shared(4),
                ..counter::Variant::default()
            }),
            "tally-v2" => builder
                .projection(counter::Variant { knows_v2: true, ..counter::Variant::default() }),
            _ => builder.projection(counter::Tally),
        };
    }
    let runtime = builder.build();
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    if !matches!(role, "redrive" | "rebuild") {
        runtime.start(&tasks, &shutdown)?;
    }
    say("ready")?;

    match role {
        "append" => {
            append(store, next("counters")?.parse()?, next("events")?.parse()?).await?;
            say("done")?;
        }
        "redrive" => {
            runtime.redrive(counter::GROUP, Some(next("counter")?.parse()?)).await?;
            return say("done");
        }
        "rebuild" => {
            runtime.rebuild(counter::GROUP).await?;
            return say("done");
        }
        _ => (),
    }
    signal(SignalKind::terminate())?.recv().await;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Records `events` events of each of `counters` counters, all counters at once.
async fn append(store: EventStore, counters: u128, events: i64) -> Result<(), Failure> {
    let streams = Streams::<counter::Counter>::without_read_model(store);
    let streams = &streams;
    try_join_all((1..=counters).map(|counter| async move {
        for amount in 1..=events {
            streams
                .execute::<std::convert::Infallible>(
                    Uuid::from_u128(counter),
                    Expected::Any,
                    &Metadata::default(),
                    |_| Ok(vec![counter::CounterEvent::Added { amount }]),
                )
                .await?;
        }
        Ok::<(), Failure>(())
    }))
    .await?;
    Ok(())
}

fn say(word: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{word}")?;
    Ok(stdout.flush()?)
}
