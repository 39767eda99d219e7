//! Minutes of load with a fault every ten seconds: nothing lost, nothing doubled, nothing that grows.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::Result;
use local_stack::stack::Stack;
use serde_json::{Map, Value, json};
use system_tests::{
    client::{Client, until},
    faults,
    oracle::{Oracle, Verdict},
    weight::{self, Growth, Weights},
    workload::{self, Done, Size},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ui;

/// Between faults.
const PAUSE: Duration = Duration::from_secs(10);
/// Who is there; everybody posts, comments, reacts and views.
const PEOPLE: usize = 8;
/// One round of the load; the next one begins when all of it was answered.
const ROUND: Size = Size { people: PEOPLE, posts: 16, acts: 32 };
/// How long everything may take to arrive everywhere after the last fault.
const SETTLE: Duration = Duration::from_mins(5);
/// Megabytes per minute that count as a leak in a process whose youth is over. A debug build's allocator wavers below it.
const LEAK: f64 = 2.0;
/// Effects that may be ahead of their watermark at any moment, all services together.
const INBOX: u64 = 20_000;

/// What must hold, and whether it does.
struct Claim {
    what: String,
    found: String,
    holds: bool,
}

pub(super) async fn run(stack: &Stack, time: Duration, seed: u64, json: bool) -> Result<ExitCode> {
    let client = Client::new(stack.endpoints().clone())?;
    let done = Done::default();
    let signing_up = workload::people(&client, PEOPLE, &done);
    let people = ui::with_count("people", PEOPLE, || done.count(), signing_up).await?;

    let (done, stop, began) = (Done::default(), CancellationToken::new(), Instant::now());
    let load = async {
        let rounds = async {
            while began.elapsed() < time {
                workload::run(&people, ROUND, &done).await?;
            }
            anyhow::Ok(())
        };
        let loaded = rounds.await;
        stop.cancel();
        loaded
    };
    let minutes = || usize::try_from(began.elapsed().as_secs()).unwrap_or(usize::MAX);
    let whole = usize::try_from(time.as_secs())?;
    let all = Box::pin(async {
        tokio::join!(
            load,
            faults::every(stack, seed, PAUSE, stop.clone()),
            weight::watch(stack, stop.clone())
        )
    });
    let (loaded, happened, weights) = ui::with_count("seconds", whole, minutes, all).await;
    let (happened, weights) = (happened?, weights?);
    loaded?;

    let oracle = Oracle::connect(&stack.endpoints().postgres).await?;
    let judged = oracle.judge(&people, SETTLE).await;
    // Acknowledgements and compaction follow the effects.
    let unfinished = until(Duration::from_mins(1), || async {
        let (pending, inbox) = weight::unfinished(stack).await?;
        anyhow::ensure!(pending + inbox == 0, "{pending} pending, {inbox} in the inbox");
        Ok(())
    });
    let claims = claims(&judged, unfinished.await, &weights);
    report(&done, &happened, &weights, &claims, json)?;
    let holds = claims.iter().all(|claim| claim.holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn claims(judged: &Result<Verdict>, finished: Result<()>, weights: &Weights) -> Vec<Claim> {
    let claim = |what: &str, found: String, holds| Claim { what: what.to_owned(), found, holds };
    let counted = match judged {
        Ok(verdict) => format!(
            "{} figures equal a recount of {} events, settled in {:.1} s",
            verdict.figures,
            verdict.events,
            verdict.settled_in.as_secs_f64()
        ),
        Err(error) => format!("{error:#}"),
    };
    let ends = finished.is_ok();
    let left = finished.map_or_else(|error| format!("{error:#}"), |()| "none".to_owned());
    let inbox = weights.inbox.iter().copied().max().unwrap_or(0);
    let mut claims = vec![
        claim("nothing lost, doubled, parked or out of order", counted, judged.is_ok()),
        claim("pending and inbox at the end", left, ends),
        claim("inbox, most", inbox.to_string(), inbox <= INBOX),
    ];
    for Growth { name, most, per_minute } in weights.growth() {
        let found = match per_minute {
            Some(slope) => format!("{slope:+.2} MB/min, most {most:.0} MB"),
            None => format!("never lived long enough, most {most:.0} MB"),
        };
        let holds = per_minute.is_none_or(|slope| slope < LEAK);
        claims.push(claim(&format!("memory of {name}"), found, holds));
    }
    claims
}

fn report(
    done: &Done,
    happened: &BTreeMap<&'static str, usize>,
    weights: &Weights,
    claims: &[Claim],
    json: bool,
) -> Result<()> {
    let most = |values: &[u64]| values.iter().copied().max().unwrap_or(0);
    let redis = weights.redis.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
    if json {
        let claims: Map<String, Value> = claims
            .iter()
            .map(|claim| {
                (claim.what.clone(), json!({ "found": claim.found, "holds": claim.holds }))
            })
            .collect();
        let report = json!({
            "requests": done.count(), "faults": happened, "claims": claims,
            "pending_most": most(&weights.pending), "redis_megabytes_most": redis,
        });
        return Ok(ui::line(report)?);
    }
    let yes_no = |holds: bool| if holds { "yes" } else { "NO" }.to_owned();
    let mut rows = vec![["requests answered".to_owned(), done.count().to_string(), String::new()]];
    rows.extend(
        happened.iter().map(|(kind, count)| {
            [format!("fault: {kind}"), format!("{count} times"), String::new()]
        }),
    );
    rows.push(["pending, most".to_owned(), most(&weights.pending).to_string(), String::new()]);
    rows.push(["redis memory, most".to_owned(), format!("{redis:.1} MB"), String::new()]);
    rows.extend(
        claims.iter().map(|claim| [claim.what.clone(), claim.found.clone(), yes_no(claim.holds)]),
    );
    Ok(ui::line(ui::table(["what", "found", "holds"], rows))?)
}
