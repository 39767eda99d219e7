use event_simulation::{Invariant, Sabotage, replay, run};

use crate::seeds::SEEDS;

/// In one of the worlds that are tried every time, the sabotage breaks this promise, and the trace shows how.
fn breaks(sabotage: Sabotage, invariant: Invariant) {
    let seed = (0..SEEDS)
        .find(|seed| run(*seed, Some(sabotage)).is_err_and(|found| found.invariant == invariant))
        .unwrap_or_else(|| panic!("{sabotage:?} is not seen in {SEEDS} worlds"));
    let (trace, _) = replay(seed, Some(sabotage));
    assert!(trace.last().is_some_and(|line| line.contains("VIOLATION")), "{trace:?}");
}

#[test]
fn a_relay_that_ignores_the_expected_end_is_caught() {
    breaks(Sabotage::AppendAnywhere, Invariant::NoHoles);
}

#[test]
fn a_relay_that_never_looks_at_an_idle_stream_is_caught() {
    breaks(Sabotage::TrustTheCursor, Invariant::Liveness);
}

#[test]
fn numbers_that_are_given_before_the_commit_are_caught() {
    breaks(Sabotage::NumberBeforeCommit, Invariant::Liveness);
}

#[test]
fn an_acknowledgement_before_the_commit_is_caught() {
    breaks(Sabotage::AcknowledgeBeforeCommit, Invariant::AcknowledgedAfterCommit);
}

#[test]
fn a_watermark_that_moves_before_the_effect_is_caught() {
    breaks(Sabotage::WatermarkFirst, Invariant::WatermarkIsContiguous);
}

#[test]
fn a_watermark_that_moves_after_the_effect_is_caught() {
    breaks(Sabotage::WatermarkLast, Invariant::EffectOnce);
}

#[test]
fn an_owner_without_a_fence_is_caught() {
    breaks(Sabotage::NoFence, Invariant::EffectOnce);
}

#[test]
fn an_owner_that_ignores_holes_is_caught() {
    breaks(Sabotage::IgnoreGaps, Invariant::WatermarkIsContiguous);
}

#[test]
fn a_group_that_is_made_again_at_the_end_is_caught() {
    breaks(Sabotage::GroupAtTheEnd, Invariant::Liveness);
}

#[test]
fn a_trim_at_the_last_delivered_entry_is_caught() {
    breaks(Sabotage::TrimAtLastDelivered, Invariant::TrimSafety);
}

#[test]
fn a_trim_that_asks_redis_who_has_to_read_is_caught() {
    breaks(Sabotage::TrimWithoutRegistry, Invariant::TrimSafety);
}

#[test]
fn a_park_that_does_not_keep_the_order_of_an_aggregate_is_caught() {
    breaks(Sabotage::ParkOnlyThePoison, Invariant::OrderUnderFailure);
}

#[test]
fn an_owner_that_acknowledges_what_it_inherits_is_caught() {
    breaks(Sabotage::AcknowledgeAllPending, Invariant::AcknowledgedAfterCommit);
}

#[test]
fn an_owner_that_takes_silence_for_the_end_is_caught() {
    breaks(Sabotage::TrustSilence, Invariant::Liveness);
}

#[test]
fn every_sabotage_is_caught_by_a_test() {
    let tests = include_str!("sabotage.rs");
    for sabotage in Sabotage::ALL {
        assert!(
            tests.contains(&format!("breaks(Sabotage::{sabotage:?}, ")),
            "{sabotage:?} is not tried"
        );
    }
}
