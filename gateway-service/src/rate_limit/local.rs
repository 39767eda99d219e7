//! The log that a process keeps for itself while Redis does not answer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;

use super::{Decision, Policy, Subject};

/// Subjects remembered; the least used is forgotten first, and its count with it.
const SUBJECTS: u64 = 20_000;

type Log = Arc<Mutex<VecDeque<Instant>>>;

/// Logs by subject, of the same form and with the same limits as those in Redis.
pub(super) struct LocalLog {
    logs: Cache<Subject, Log>,
}

impl LocalLog {
    /// Logs that forget a subject which sends nothing for a `window`.
    pub(super) fn new(window: Duration) -> Self {
        Self { logs: Cache::builder().max_capacity(SUBJECTS).time_to_idle(window).build() }
    }

    /// Counts a request, if it may pass.
    pub(super) fn take(&self, subject: Subject, policy: Policy, now: Instant) -> Decision {
        let log = self.logs.get_with(subject, Log::default);
        // A log is changed by whole entries: a panic elsewhere leaves it usable.
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        while log.front().is_some_and(|oldest| now.duration_since(*oldest) >= policy.window) {
            log.pop_front();
        }
        let used = u32::try_from(log.len()).unwrap_or(u32::MAX);
        let admitted = used < policy.quota;
        if admitted {
            log.push_back(now);
        }
        let remaining = policy.quota.saturating_sub(used + u32::from(admitted));
        let age = log.front().map_or(Duration::ZERO, |oldest| now.duration_since(*oldest));
        Decision { policy, admitted, remaining, reset: policy.window.saturating_sub(age) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { name: "anonymous", quota: 3, window: Duration::from_mins(1) };

    fn subject(last: u8) -> Subject {
        Subject::address([192, 0, 2, last].into())
    }

    #[test]
    fn never_more_than_the_quota_in_any_window() {
        let (log, start) = (LocalLog::new(POLICY.window), Instant::now());
        let mut admitted: Vec<u64> = Vec::new();
        for second in (0..600).step_by(7) {
            let now = start + Duration::from_secs(second);
            if log.take(subject(1), POLICY, now).admitted {
                admitted.push(second);
            }
        }

        assert!(admitted.len() >= 27, "{admitted:?}");
        for first in &admitted {
            let window = admitted.iter().filter(|at| (*first..first + 60).contains(*at));
            assert!(window.count() <= 3, "{admitted:?}");
        }
    }

    #[test]
    fn a_refusal_says_when_there_is_room_again() {
        let (log, start) = (LocalLog::new(POLICY.window), Instant::now());
        for _ in 0..3 {
            log.take(subject(1), POLICY, start);
        }

        let refused = log.take(subject(1), POLICY, start + Duration::from_secs(20));

        assert!(!refused.admitted);
        assert_eq!((refused.remaining, refused.reset), (0, Duration::from_secs(40)));
        assert!(
            log.take(subject(1), POLICY, start + refused.reset + Duration::from_secs(20)).admitted
        );
    }

    #[test]
    fn subjects_do_not_share_a_quota() {
        let (log, now) = (LocalLog::new(POLICY.window), Instant::now());
        for _ in 0..3 {
            log.take(subject(1), POLICY, now);
        }

        assert!(log.take(subject(2), POLICY, now).admitted);
    }
}
