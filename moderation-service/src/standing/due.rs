//! Sanctions end by themselves.

use std::{convert::Infallible, time::Duration};

use event_runtime::{Expected, Streams, error::chain};
use shared_schemas::envelope::Metadata;
use tokio_util::sync::CancellationToken;

use super::{aggregate::Standing, view};

/// How often somebody looks whose time is over: a sanction lasts that much longer at most.
const LOOK: Duration = Duration::from_secs(1);

/// Ends sanctions whose time is over. Every replica may run it: a sanction ends once.
pub struct DueSanctions {
    /// The people.
    pub standings: Streams<Standing>,
}

impl DueSanctions {
    /// Looks until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.end_due().await {
                tracing::warn!(error = chain(&*error), "sanctions that are over cannot be ended");
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(LOOK) => (),
            }
        }
    }

    async fn end_due(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let store = self.standings.store();
        for user in view::due(store.db(), store.clock().now()).await? {
            // Read anew: after the look, and before the decision.
            let now = store.clock().now();
            self.standings
                .execute(user, Expected::Any, &Metadata::default(), |standing| {
                    Ok::<_, Infallible>(standing.expire(now))
                })
                .await?;
        }
        Ok(())
    }
}
