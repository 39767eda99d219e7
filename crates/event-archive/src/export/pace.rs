//! Not faster than allowed.

use std::time::Duration;

use tokio::time::Instant;

/// Keeps the number of events per second below a limit, on average since the beginning.
pub(super) struct Pace {
    started: Instant,
    events: u64,
    per_second: u32,
}

impl Pace {
    /// `per_second` 0 is no limit.
    pub(super) fn new(per_second: u32) -> Self {
        Self { started: Instant::now(), events: 0, per_second }
    }

    /// Waits until so many more events are allowed.
    pub(super) async fn take(&mut self, events: u64) {
        self.events += events;
        if self.per_second > 0 {
            let micros = self.events.saturating_mul(1_000_000) / u64::from(self.per_second);
            tokio::time::sleep_until(self.started + Duration::from_micros(micros)).await;
        }
    }
}
