//! The rules of a lane: what operators have ordered.

use event_runtime::Aggregate;
use shared_schemas::{
    LaneId,
    lane::{LaneEvent, PauseReason},
};

/// What operators have ordered of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// It signs nothing new.
    pub paused: Option<PauseReason>,
    /// Wei for a unit of gas above which it waits.
    pub hold_above: Option<u64>,
    /// Millionths of the chain's coin that it may spend in 24 hours.
    pub daily_budget: Option<u64>,
}

impl Aggregate for Lane {
    type Id = LaneId;
    type Event = LaneEvent;

    fn evolve(self, event: &LaneEvent) -> Self {
        match event {
            LaneEvent::Paused { reason, .. } => Self { paused: Some(*reason), ..self },
            LaneEvent::Resumed { .. } => Self { paused: None, ..self },
            LaneEvent::Limited { hold_above, daily_budget, .. } => {
                Self { hold_above: *hold_above, daily_budget: *daily_budget, ..self }
            }
        }
    }
}

impl Lane {
    /// It is to sign nothing new. The first reason stays.
    pub fn pause(&self, signer: &str, reason: PauseReason) -> Vec<LaneEvent> {
        if self.paused.is_some() {
            return Vec::new();
        }
        vec![LaneEvent::Paused { signer: signer.to_owned(), reason }]
    }

    /// It is to sign again.
    pub fn resume(&self, signer: &str) -> Vec<LaneEvent> {
        if self.paused.is_none() {
            return Vec::new();
        }
        vec![LaneEvent::Resumed { signer: signer.to_owned() }]
    }

    /// What it may spend.
    pub fn limit(
        &self,
        signer: &str,
        hold_above: Option<u64>,
        daily_budget: Option<u64>,
    ) -> Vec<LaneEvent> {
        if (self.hold_above, self.daily_budget) == (hold_above, daily_budget) {
            return Vec::new();
        }
        vec![LaneEvent::Limited { signer: signer.to_owned(), hold_above, daily_budget }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_stays_paused_for_its_first_reason_until_it_is_resumed() {
        let lane = Lane::default();
        let paused = lane.pause("0x1", PauseReason::ForeignNonce);
        let lane = paused.iter().fold(lane, Lane::evolve);
        assert_eq!(lane.paused, Some(PauseReason::ForeignNonce));
        assert_eq!(lane.pause("0x1", PauseReason::Operator), []);

        let lane = lane.resume("0x1").iter().fold(lane, Lane::evolve);

        assert_eq!(lane, Lane::default());
        assert_eq!(lane.resume("0x1"), []);
    }

    #[test]
    fn the_same_limits_again_are_nothing_new() {
        let lane = Lane::default();
        let lane = lane.limit("0x1", Some(5), None).iter().fold(lane, Lane::evolve);

        assert_eq!(lane.limit("0x1", Some(5), None), []);
        assert_eq!(lane.limit("0x1", None, None).len(), 1);
    }
}
