//! How long until effects come again after something was killed or forgot everything, with events coming all the while.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use event_runtime::{RuntimeBuilder, trim::Retention};
use fred::interfaces::ClientLike as _;
use local_stack::process::{Process, Signal};

use super::{Running, Scale, projection::filled_with, until_leased};
use crate::{
    bed::{Bed, Ground},
    load::{self, Faults},
    process,
    report::{Figure, Goal, note},
    worker::Role,
};

const SECTION: &str = "recovery";
const GROUP: &str = "engagement.log";
/// Events per second while something fails.
const RATE: f64 = 200.0;
const AGGREGATES: u64 = 100;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The consumer that holds the lease stops; another one stands by.
    Stop,
    /// The consumer that holds the lease is killed; another one stands by.
    Consumer,
    /// Redis is killed and started again at once.
    Redis,
    /// PostgreSQL is killed and started again at once.
    Postgres,
}

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut all = Vec::new();
    for (fault, what, most) in [
        (Fault::Stop, "consumer stops, another stands by: longest wait of an event", 0.2),
        (Fault::Consumer, "consumer killed, another stands by: longest wait of an event", 4.0),
        (Fault::Redis, "redis killed and restarted: longest wait of an event", 10.0),
        (Fault::Postgres, "postgresql killed: from its return to the next effect", 5.0),
    ] {
        let rounds = match fault {
            Fault::Stop | Fault::Consumer => scale.pick(3, 1),
            Fault::Redis | Fault::Postgres => 1,
        };
        let mut worst: f64 = 0.0;
        for _ in 0..rounds {
            let (seconds, faults) = after(ground, fault).await?;
            note(format_args!("  {fault:?}: {seconds:.2} s, {faults:?}"));
            worst = worst.max(seconds);
            all.push(faults);
        }
        figures.push(Figure::new(SECTION, what, worst, "s").goal(Goal::Below(most)));
    }
    let events = scale.pick(100_000, 20_000);
    let (seconds, faults) = flushed(ground, events).await?;
    all.push(faults);
    let what = format!("FLUSHALL with {events} events unread: until all are applied");
    figures.push(Figure::new(SECTION, what, seconds, "s").goal(Goal::Below(60.0)));
    let sum = |of: fn(&Faults) -> i64| all.iter().map(of).sum::<i64>() as f64;
    figures.extend([
        Figure::new(SECTION, "events lost", sum(|faults| faults.lost), "").goal(Goal::Zero),
        Figure::new(SECTION, "effects doubled", sum(|faults| faults.doubled), "").goal(Goal::Zero),
        Figure::new(SECTION, "effects out of order", sum(|faults| faults.out_of_order), "")
            .goal(Goal::Zero),
    ]);
    Ok(figures)
}

async fn after(ground: &mut Ground, fault: Fault) -> Result<(f64, Faults)> {
    let bed = ground.bed(1).await?;
    let directory = ground.directory().to_owned();
    // In the process that records, as a service's is, so that it does not have to look for news.
    let relay = RuntimeBuilder::new(bed.post.clone(), bed.redis_url.clone());
    let relay = Running::start(relay.trim(Retention::default()))?;
    let mut owner = process::start(&bed, Role::Log, &directory)?;
    until_leased(&bed).await?;
    let _standby = process::start(&bed, Role::Log, &directory)?;
    // Until it has asked for the lease, and been refused.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let events = (RATE * 8.0) as u64;
    let (appended, failed) = tokio::join!(
        load::paced(&bed, RATE, events, AGGREGATES),
        fail(ground, &bed, fault, &mut owner)
    );
    appended?;
    let failed = failed?;
    settled(&bed, events).await?;
    relay.stop().await;
    let effects = load::effects(&bed).await?;
    let micros = match fault {
        // The event after the fault waits for all of it.
        Fault::Stop | Fault::Consumer | Fault::Redis => effects
            .iter()
            .filter(|effect| effect.intended >= failed - 500_000)
            .map(|effect| effect.applied - effect.intended)
            .max(),
        Fault::Postgres => {
            let applied = effects.iter().map(|effect| effect.applied);
            applied.filter(|applied| *applied > failed).min().map(|applied| applied - failed)
        }
    };
    Ok((micros.unwrap_or(0) as f64 / 1e6, Faults::of(&bed).await?))
}

/// Makes it fail after two seconds; returns when that was, or when it was over for PostgreSQL.
async fn fail(ground: &mut Ground, bed: &Bed, fault: Fault, owner: &mut Process) -> Result<i64> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = || bed.post.clock().now().timestamp_micros();
    let failed = now();
    match fault {
        Fault::Stop => owner.stop(Signal::SIGTERM, Duration::from_secs(10)).await?,
        Fault::Consumer => owner.kill().await?,
        Fault::Redis => {
            ground.redis.kill().await?;
            ground.redis.restart().await?;
        }
        Fault::Postgres => {
            ground.postgres.kill().await?;
            ground.postgres.restart().await?;
            return Ok(now());
        }
    }
    Ok(failed)
}

/// Until every event that was recorded has had its effect; a writer whose commit lost its answer has recorded one more.
async fn settled(bed: &Bed, events: u64) -> Result<()> {
    let began = Instant::now();
    loop {
        let looked = async {
            let recorded = bed.number_of("SELECT count(*) FROM post.event").await?;
            anyhow::Ok((recorded, i64::try_from(bed.watermark(GROUP).await?)?))
        };
        // Connections of before the fault fail once.
        if let Ok((recorded, applied)) = looked.await
            && recorded >= i64::try_from(events)?
            && applied >= recorded
        {
            return Ok(());
        }
        ensure!(began.elapsed() < Duration::from_mins(2), "not settled after two minutes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Redis forgets everything while nobody has read any of it; then a consumer starts.
async fn flushed(ground: &mut Ground, events: u64) -> Result<(f64, Faults)> {
    let bed = filled_with(ground, events, AGGREGATES).await?;
    let directory = ground.directory().to_owned();
    let _relay = process::start(&bed, Role::Relay, &directory)?;
    let _consumer = process::start(&bed, Role::Log, &directory)?;
    until_leased(&bed).await?;
    bed.redis.flushall::<()>(false).await?;
    let began = Instant::now();
    bed.reached(GROUP, events, Duration::from_mins(3)).await?;
    let seconds = began.elapsed().as_secs_f64();
    Ok((seconds, Faults::of(&bed).await?))
}
