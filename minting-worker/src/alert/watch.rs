//! Looks at the lanes from time to time, and begins and ends alerts.

use std::{error::Error, sync::Arc};

use evm_chain::U256;
use metrics::gauge;
use shared_schemas::lane::PauseReason;
use tokio_util::sync::CancellationToken;

use super::{Kind, config::AlertConfig, tell, view};
use crate::{
    lane::{
        context::{LaneContext, LaneError},
        view as lanes,
    },
    mint::view as mints,
    operator::lanes::hours_left,
    slot::view as slots,
};

/// Wei in a millionth of the chain's coin.
const MILLIONTH: u64 = 1_000_000_000_000;

/// What alerts about mints that were given up are about.
const MINTS: &str = "mints";

/// Something that is to be so or not.
struct Found {
    kind: Kind,
    subject: String,
    /// What is wrong, if it is.
    wrong: Option<String>,
}

/// Looks until told to stop.
pub async fn run(
    contexts: Vec<Arc<LaneContext>>,
    config: AlertConfig,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        for context in &contexts {
            if let Err(error) = look(context, &config).await {
                let error = &error as &dyn Error;
                tracing::warn!(error, lane = context.address(), "alerts cannot be looked after");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = tokio::time::sleep(config.poll) => (),
        }
    }
}

async fn look(context: &LaneContext, config: &AlertConfig) -> Result<(), LaneError> {
    let (db, key, now) = (context.store.db(), context.key(), context.clock.now());
    let (lane, mut found) = (context.address(), Vec::new());
    let order = lanes::order(db, context.id()).await?;
    let foreign = order.paused && order.pause_reason == Some(PauseReason::ForeignNonce);
    let wrong = foreign.then(|| "somebody else signs with this key; the lane is paused".to_owned());
    found.push(Found { kind: Kind::ForeignNonce, subject: lane.clone(), wrong });

    let hold = lanes::lease(db, &key).await?.and_then(|lease| lease.hold);
    let is_late =
        |since: chrono::DateTime<chrono::Utc>| (now - since).num_seconds() > config.stuck_after;
    let open = view::oldest_open(db, &key).await?.filter(|since| is_late(*since));
    let waiting = view::oldest_waiting(db).await?.filter(|since| is_late(*since));
    let wrong =
        open.map(|since| format!("a transaction is in no block since {since}")).or_else(|| {
            let why = hold.map_or_else(String::new, |why| format!(" ({why})"));
            waiting.map(|since| format!("a mint waits for a lane since {since}{why}"))
        });
    found.push(Found { kind: Kind::LaneStuck, subject: lane.clone(), wrong });

    let (count_waiting, count_parked) = mints::backlog(db).await?;
    gauge!("mint_waiting").set(as_figure(count_waiting));
    gauge!("mint_parked").set(as_figure(count_parked));
    let wrong = (count_parked > 0).then(|| format!("{count_parked} given up; see `plctl mint ls`"));
    found.push(Found { kind: Kind::Parked, subject: MINTS.to_owned(), wrong });

    // Without an answer nothing is known about it: what was wrong stays so.
    if let Ok(balance) = context.nodes.balance(context.signer.address()).await {
        let coins = (balance / U256::from(MILLIONTH)).min(U256::from(i64::MAX)).as_u64();
        gauge!("mint_lane_balance_millionths", "lane" => lane.clone())
            .set(as_figure(i64::try_from(coins).unwrap_or(i64::MAX)));
        let wrong = (coins < config.balance_below)
            .then(|| format!("{coins} millionths of a coin are left"));
        found.push(Found { kind: Kind::BalanceLow, subject: lane.clone(), wrong });
        let hours = hours_left(balance, slots::spent_today(db, &key).await?);
        if let Some(hours) = hours {
            gauge!("mint_lane_hours_left", "lane" => lane.clone()).set(as_figure(hours));
        }
        let wrong = hours
            .filter(|hours| *hours < config.dry_hours)
            .map(|hours| format!("runs dry in {hours} hours at today's rate"));
        found.push(Found { kind: Kind::RunsDry, subject: lane, wrong });
    }
    for found in found {
        settle(context, &found).await?;
    }
    Ok(())
}

async fn settle(context: &LaneContext, found: &Found) -> Result<(), LaneError> {
    let now = context.clock.now();
    let work = context.store.begin().await?;
    let about = (found.kind, found.subject.as_str());
    let (changed, what) = match &found.wrong {
        Some(detail) => (view::begin(work.txn(), about, detail, now).await?, "began"),
        None => (view::end(work.txn(), about, now).await?, "ended"),
    };
    gauge!("mint_alert", "kind" => found.kind.as_str(), "subject" => found.subject.clone())
        .set(if found.wrong.is_some() { 1.0 } else { 0.0 });
    if let Some(alert) = changed {
        tracing::warn!(
            kind = alert.kind,
            subject = alert.subject,
            detail = alert.detail,
            what,
            "alert"
        );
        tell::enqueue(&work, &alert, what).await?;
    }
    work.commit().await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures are rounded for people")]
fn as_figure(number: i64) -> f64 {
    number as f64
}
