//! A circuit breaker: a service that does not answer is not waited for again and again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures in a row after which nothing is sent any more.
pub const FAILURES: u32 = 5;

/// How long nothing is sent; then one request tries.
pub const OPEN: Duration = Duration::from_secs(5);

/// The breaker of one service. Clones are the same breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// Requests pass; so many have failed in a row.
    Closed { failures: u32 },
    /// Nothing passes until then.
    Open { until: Instant },
    /// One request is trying.
    HalfOpen,
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// Nothing is sent to this service now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service has failed {FAILURES} times in a row; it is asked again in {retry_in:?}")]
pub struct Tripped {
    /// When to ask again.
    pub retry_in: Duration,
}

impl Breaker {
    /// Lets a request through, or not.
    ///
    /// # Errors
    ///
    /// [`Tripped`] while the service is left alone.
    pub fn enter(&self, now: Instant) -> Result<Pass, Tripped> {
        let mut state = self.state();
        let probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if now < until => return Err(Tripped { retry_in: until - now }),
            State::Open { .. } => {
                *state = State::HalfOpen;
                true
            }
            // The one that tries will know within seconds.
            State::HalfOpen => return Err(Tripped { retry_in: Duration::from_secs(1) }),
        };
        Ok(Pass { breaker: self.clone(), probe, settled: false })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is one value, written at once: a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to send one request; say how it went.
#[derive(Debug)]
pub struct Pass {
    breaker: Breaker,
    probe: bool,
    settled: bool,
}

impl Pass {
    /// The service answered, whatever it said.
    pub fn answered(mut self) {
        self.settled = true;
        let mut state = self.breaker.state();
        // An answer to an old request does not end a pause that began after it was sent.
        if self.probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
        }
    }

    /// The service could not be reached or did not answer. True if it is left alone from now on.
    pub fn failed(mut self, now: Instant) -> bool {
        self.settled = true;
        let mut state = self.breaker.state();
        let failures = match *state {
            State::Closed { failures } => failures + 1,
            State::HalfOpen if self.probe => FAILURES,
            State::HalfOpen | State::Open { .. } => return false,
        };
        let opens = failures >= FAILURES;
        *state = if opens { State::Open { until: now + OPEN } } else { State::Closed { failures } };
        opens
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // The client went away before there was an answer: the next request tries instead.
        if self.probe && !self.settled {
            *self.breaker.state() = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped(now: Instant) -> Breaker {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.enter(now).unwrap().failed(now);
        }
        breaker
    }

    #[test]
    fn an_answer_starts_the_count_again() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES - 1 {
            breaker.enter(now).unwrap().failed(now);
        }
        breaker.enter(now).unwrap().answered();
        breaker.enter(now).unwrap().failed(now);

        assert!(breaker.enter(now).is_ok());
    }

    #[test]
    fn five_failures_in_a_row_close_the_door_for_five_seconds() {
        let now = Instant::now();
        let breaker = tripped(now);

        assert_eq!(breaker.enter(now).unwrap_err().retry_in, OPEN);
        assert!(breaker.enter(now + OPEN).is_ok());
    }

    #[test]
    fn one_request_tries_and_the_others_wait_for_its_result() {
        let now = Instant::now();
        let breaker = tripped(now);
        let later = now + OPEN;
        let probe = breaker.enter(later).unwrap();

        assert!(breaker.enter(later).is_err());
        probe.answered();
        assert!(breaker.enter(later).is_ok());
    }

    #[test]
    fn a_failed_try_closes_the_door_again() {
        let now = Instant::now();
        let breaker = tripped(now);
        let later = now + OPEN;

        assert!(breaker.enter(later).unwrap().failed(later));
        assert!(breaker.enter(later + OPEN / 2).is_err());
    }

    #[test]
    fn a_try_that_nobody_waits_for_any_more_passes_its_right_on() {
        let now = Instant::now();
        let breaker = tripped(now);
        let later = now + OPEN;

        drop(breaker.enter(later).unwrap());

        assert!(breaker.enter(later).is_ok());
    }

    #[test]
    fn a_late_answer_does_not_open_the_door() {
        let now = Instant::now();
        let breaker = Breaker::default();
        let old = breaker.enter(now).unwrap();
        for _ in 0..FAILURES {
            breaker.enter(now).unwrap().failed(now);
        }

        old.answered();

        assert!(breaker.enter(now).is_err());
    }
}
