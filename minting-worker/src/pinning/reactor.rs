//! Asks for metadata when a mint is requested, and has it given up when the mint is withdrawn or tombstoned.

use std::time::Duration;

use async_trait::async_trait;
use event_runtime::{ApplyError, Reactor, RecordedEvent, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{Event, MintId, Service, mint::MintEvent};

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

    fn categories(&self) -> &'static [&'static str] {
        &[MintEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        self.react_all(work, std::slice::from_ref(event)).await
    }

    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        let (mut keep, mut give_up) = (Vec::new(), Vec::new());
        for event in events {
            let Some(mint) = event.open::<MintEvent>()? else { continue };
            let tasks = match &mint.event {
                // A retry of what was pinned before finds nothing to do.
                MintEvent::Requested { .. } | MintEvent::Retried {} | MintEvent::Restored {} => {
                    &mut keep
                }
                MintEvent::Withdrawn {} | MintEvent::Tombstoned {} => &mut give_up,
                MintEvent::Pinned { .. }
                | MintEvent::Planned { .. }
                | MintEvent::Signed { .. }
                | MintEvent::Broadcast { .. }
                | MintEvent::Mined { .. }
                | MintEvent::Reorged { .. }
                | MintEvent::Final { .. }
                | MintEvent::Parked { .. } => continue,
            };
            let task = Task { mint_id: MintId(mint.aggregate_id), metadata: mint.consequence() };
            tasks.push((mint.id.to_string(), task));
        }
        work.enqueue_all(KEEP, &keep).await?;
        work.enqueue_all(GIVE_UP, &give_up).await?;
        Ok(())
    }
}
