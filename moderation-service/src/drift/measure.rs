//! Drift as gauges.

use std::time::Duration;

use content_screening::Category;
use event_runtime::{EventStore, error::chain};
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use super::report::{Drift, drift};

/// How often drift is measured: it reads two weeks of figures.
const MEASURE: Duration = Duration::from_mins(5);

/// Measures drift. Every replica does, and comes to the same.
pub struct Measure {
    /// Where the figures are.
    pub store: EventStore,
}

impl Measure {
    /// Measures until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match drift(self.store.db()).await {
                Ok(Some(drift)) => show(&drift),
                Ok(None) => (),
                Err(error) => tracing::warn!(error = chain(&error), "drift cannot be measured"),
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(MEASURE) => (),
            }
        }
    }
}

fn show(drift: &Drift) {
    for category in Category::ALL {
        let Some(index) = drift.stability(category) else { continue };
        let category_name = category.as_str();
        gauge!("moderation_drift_psi", "category" => category_name).set(index);
        if drift.is_alarming(category) {
            tracing::warn!(category = category_name, index, "the texts have changed");
        }
    }
    for (window, rates) in [("current", &drift.current), ("reference", &drift.reference)] {
        gauge!("moderation_flagged_ratio", "window" => window).set(rates.flagged.share());
        gauge!("moderation_corrected_ratio", "window" => window).set(rates.corrected.share());
    }
    if drift.is_evasive() {
        tracing::warn!(
            now = drift.current.corrected.share(),
            before = drift.reference.corrected.share(),
            "words are hidden from the model more often than before"
        );
    }
}
