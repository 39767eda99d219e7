//! What one aggregate that cannot be handled costs the others.

use anyhow::{Result, ensure};

use super::{
    Scale,
    projection::{consume, filled_with},
};
use crate::{
    bed::Ground,
    figures::median,
    report::{Figure, Goal, note},
    sample::Rows,
};

const AGGREGATES: u64 = 10_000;

pub(crate) async fn measure(ground: &mut Ground, scale: Scale) -> Result<Vec<Figure>> {
    let events = scale.pick(60_000, 20_000);
    let (mut healthy, mut poisoned) = (Vec::new(), Vec::new());
    for round in 1..=scale.pick(3, 1) {
        let bed = filled_with(ground, events, AGGREGATES).await?;
        healthy.push(consume(&bed, events, Rows { refuses: false }).await?);
        let bed = filled_with(ground, events, AGGREGATES).await?;
        poisoned.push(consume(&bed, events, Rows { refuses: true }).await?);
        let parked = bed.number_of("SELECT count(*) FROM engagement.parked_event").await?;
        ensure!(parked == i64::try_from(events / AGGREGATES)?, "{parked} events are parked");
        note(format_args!("  round {round}: healthy {healthy:?}, poisoned {poisoned:?}"));
    }
    let limit = median(&healthy);
    Ok(vec![
        Figure::new("poison", "10,000 aggregates", limit, "events/s"),
        Figure::new("poison", "the same with one that is refused", median(&poisoned), "events/s")
            .of(limit)
            .goal(Goal::Share(0.95)),
    ])
}
