//! Judges what is published once more, for every version in shadow.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_trait::async_trait;
use content_screening::record::{Completed, ScreeningEvent, ScreeningId};
use event_runtime::{ApplyError, Expected, Reactor, RecordedEvent, Streams, UnitOfWork};
use service_kit::UNHURRIED;
use shared_schemas::{Event, Service, comment::CommentEvent, post::PostEvent};

use super::{
    aggregate::{Live, Shadow, ShadowId, Shadowed},
    view,
};
use crate::{content::reactor::Published, version::analysers::Analysers};

/// How often, and for how long, a shadow looks whether the judgement that counts is there, before it waits in earnest.
const LOOKS: u32 = 40;
const LOOK: Duration = Duration::from_millis(10);

/// Judges in shadow.
pub struct ShadowScreening {
    /// Whether it judges by the versions that this instance alone was started with, or by those that all instances do.
    pub apart: bool,
    /// The judges.
    pub analysers: Arc<Analysers>,
    /// What they say.
    pub shadows: Streams<Shadow>,
}

/// Why a shadow does not judge yet.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Missing {
    /// Screening is behind.
    #[error("the judgement that counts is not there yet")]
    Yet,
    /// Screening has gone on without it: its event is parked there, too.
    #[error("there is no judgement that counts")]
    Passed,
}

#[async_trait]
impl Reactor for ShadowScreening {
    fn group(&self) -> &'static str {
        if self.apart { "moderation.shadow_apart" } else { "moderation.shadow" }
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction]
    }

    fn categories(&self) -> &'static [&'static str] {
        &[PostEvent::CATEGORY, CommentEvent::CATEGORY]
    }

    fn linger(&self) -> Duration {
        UNHURRIED
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(published) = Published::by(event)? else { return Ok(()) };
        let versions = view::in_shadow(work.txn(), self.apart, event.occurred_at).await?;
        if versions.is_empty() {
            return Ok(());
        }
        let live = self.live(work, event, &published).await?;
        let content = published.publication.content();
        for version in versions {
            let judge = &self.analysers.get(work.txn(), &version).await?.analyser;
            let shadowed = Shadowed {
                subject: live.subject,
                subject_version: live.subject_version,
                author_id: live.author_id,
                analyser: judge.version().clone(),
                behaviour: live.behaviour.clone(),
                analysis: judge.analyse(&content, &live.behaviour),
                live: Live {
                    analyser: live.analyser.clone(),
                    verdict: live.analysis.verdict,
                    reasons: live.analysis.reasons.clone(),
                },
                version,
            };
            let id = ShadowId::of(&shadowed.subject, &shadowed.version);
            self.shadows
                .execute_in(work, id, Expected::Any, &published.metadata, |shadow| {
                    Ok::<_, Infallible>(shadow.judge(shadowed.clone()))
                })
                .await?;
        }
        Ok(())
    }

    /// One by one, unless no version judges in shadow: then, which is nearly always, for the price of one question.
    async fn react_all(
        &self,
        work: &UnitOfWork,
        events: &[RecordedEvent],
    ) -> Result<(), ApplyError> {
        let Some(last) = events.iter().map(|event| event.occurred_at).max() else { return Ok(()) };
        if view::in_shadow(work.txn(), self.apart, last).await?.is_empty() {
            return Ok(());
        }
        for event in events {
            self.react(work, event).await?;
        }
        Ok(())
    }
}

impl ShadowScreening {
    /// The judgement that counts, which has the same event to judge.
    async fn live(
        &self,
        work: &UnitOfWork,
        event: &RecordedEvent,
        published: &Published,
    ) -> Result<Completed, ApplyError> {
        for _ in 0..LOOKS {
            // Before the look: what is judged after it is not missed.
            let has_passed = view::is_screened(work.txn(), event).await?;
            if let Some(live) = self.judgement(work, published).await? {
                return Ok(live);
            }
            if has_passed {
                return Err(ApplyError::Retry(Box::new(Missing::Passed)));
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(ApplyError::not_yet(Missing::Yet))
    }

    async fn judgement(
        &self,
        work: &UnitOfWork,
        published: &Published,
    ) -> Result<Option<Completed>, ApplyError> {
        let id = ScreeningId::from(published.subject).into();
        let store = self.shadows.store();
        let history = store.history(work.txn(), ScreeningEvent::CATEGORY, id).await?;
        for recorded in history {
            let Some(screening) = recorded.open::<ScreeningEvent>()? else { continue };
            let ScreeningEvent::Completed(completed) = screening.event;
            if completed.subject_version == published.subject_version {
                return Ok(Some(completed));
            }
        }
        Ok(None)
    }
}
