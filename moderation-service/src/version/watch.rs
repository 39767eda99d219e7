//! A promoted version whose flag rate leaves its band is taken back.

use std::{error::Error, time::Duration};

use event_runtime::{ExecuteError, error::chain};
use metrics::{counter, gauge};
use shared_schemas::envelope::Metadata;
use tokio_util::sync::CancellationToken;

use super::{
    aggregate::VersionError,
    band::{SHOWN, share},
    lifecycle::Lifecycle,
    view,
};

/// How often somebody looks. What counts is how many texts were judged, not how much time has passed.
const LOOK: Duration = Duration::from_secs(2);

/// Looks at the active version. Every replica may run it: a version falls once.
pub struct Watch {
    /// What takes it back.
    pub lifecycle: Lifecycle,
}

impl Watch {
    /// Looks until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.look().await {
                tracing::warn!(error = chain(&*error), "the active version cannot be watched");
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(LOOK) => (),
            }
        }
    }

    async fn look(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.lifecycle.look().await?;
        let db = self.lifecycle.versions.store().db();
        let Some((version, band, since)) = view::watched(db).await? else { return Ok(()) };
        let seen = view::flag_rate(db, &version, Some(since)).await?;
        gauge!("moderation_flag_rate").set(seen.share());
        if !band.is_left_by(seen) {
            return Ok(());
        }
        let (from, to) = seen.interval(SHOWN);
        let because = format!(
            "Of its last {} judgements {:.1} % were flagged (95 %: {:.1} to {:.1}), and its band is {:.1} to {:.1} %.",
            seen.judged,
            100.0 * seen.share(),
            100.0 * from,
            100.0 * to,
            100.0 * share(band.low),
            100.0 * share(band.high),
        );
        let nobody = Metadata::default();
        match self.lifecycle.roll_back(&version, because.clone(), None, &nobody).await {
            Ok(()) => {
                counter!("moderation_version_rollbacks_total").increment(1);
                tracing::error!(%version, because, "a version of the analyser was rolled back");
                Ok(())
            }
            // Another replica was faster.
            Err(ExecuteError::Refused(VersionError::NotActive)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
