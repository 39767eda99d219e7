//! Asks for metadata when a mint is requested, and has it given up when the mint is withdrawn or tombstoned.

use async_trait::async_trait;
use event_runtime::{ApplyError, Reactor, RecordedEvent, UnitOfWork};
use shared_schemas::{MintId, Service, mint::MintEvent};

use super::job::{GIVE_UP, KEEP, Task};

/// Follows this service's own mints.
pub struct FollowMints;

#[async_trait]
impl Reactor for FollowMints {
    fn group(&self) -> &'static str {
        "minting.metadata"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Minting]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(mint) = event.open::<MintEvent>()? else { return Ok(()) };
        let kind = match &mint.event {
            // A retry of what was pinned before finds nothing to do.
            MintEvent::Requested { .. } | MintEvent::Retried {} | MintEvent::Restored {} => KEEP,
            MintEvent::Withdrawn {} | MintEvent::Tombstoned {} => GIVE_UP,
            MintEvent::Pinned { .. }
            | MintEvent::Planned { .. }
            | MintEvent::Signed { .. }
            | MintEvent::Broadcast { .. }
            | MintEvent::Mined { .. }
            | MintEvent::Reorged { .. }
            | MintEvent::Final { .. }
            | MintEvent::Parked { .. } => return Ok(()),
        };
        let task = Task { mint_id: MintId(mint.aggregate_id), metadata: mint.consequence() };
        work.enqueue(kind, &mint.id.to_string(), &task).await?;
        Ok(())
    }
}
