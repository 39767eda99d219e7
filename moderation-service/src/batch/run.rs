//! Carries batches out, and undoes them, part by part and judgement by judgement.

use std::time::Duration;

use content_screening::record::{Completed, ScreeningEvent};
use event_runtime::{ExecuteError, Expected, Streams, error::chain};
use shared_schemas::{
    BatchId, Event, UserId,
    envelope::Metadata,
    moderation::{CaseEvent, CaseState, Decision, ModerationReason, Subject},
};
use tokio_util::sync::CancellationToken;

use super::{
    aggregate::{Batch, BatchState, Refused},
    view::{self, ItemRow},
};
use crate::{
    case::{
        aggregate::{Case, Opening, Visibility, case_id},
        batch::{Flip, Undoing, Untouched},
        view::{subject, waiting},
    },
    confirm,
};

/// How often somebody looks for batches: one begins that much later at most.
const LOOK: Duration = Duration::from_secs(1);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Goes through batches. Every replica may run it: what a case has of a batch it does not get again.
pub struct BatchRun {
    /// The batches.
    pub batches: Streams<Batch>,
    /// The cases.
    pub cases: Streams<Case>,
}

/// What became of one judgement.
enum Outcome {
    Done,
    Left(&'static str),
    /// Something else has to end first.
    NotYet,
}

impl BatchRun {
    /// Works until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.step(&shutdown).await {
                Ok(true) => continue,
                Ok(false) => (),
                Err(error) => {
                    tracing::warn!(error = chain(&*error), "a batch cannot be carried out now");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = tokio::time::sleep(LOOK) => (),
            }
        }
    }

    /// Does the next part of every batch that is not finished; `true` if any part was done.
    async fn step(&self, shutdown: &CancellationToken) -> Result<bool, Failure> {
        let mut is_done = false;
        for batch_id in view::unfinished(self.batches.store().db()).await? {
            is_done |= self.part(batch_id, shutdown).await?;
        }
        Ok(is_done)
    }

    async fn part(&self, id: BatchId, shutdown: &CancellationToken) -> Result<bool, Failure> {
        let (batch, _) = self.batches.state(id).await?;
        let (Some(part), Some((_, analyser))) = (batch.next(), batch.about()) else {
            return Ok(false);
        };
        let (mut done, mut left) = (0, Vec::new());
        for item in view::items(self.batches.store().db(), id, part).await? {
            if shutdown.is_cancelled() {
                return Ok(false);
            }
            let outcome = match batch.undo_asked_by() {
                None => self.apply(id, analyser, &item).await?,
                // What was left alone then is left alone now.
                Some(_) if item.is_refused => continue,
                Some(asked_by) => self.undo(id, asked_by, &item).await?,
            };
            match outcome {
                Outcome::Done => done += 1,
                Outcome::Left(why) => left.push(Refused {
                    item: u32::try_from(item.item).unwrap_or(0),
                    refusal: why.to_owned(),
                }),
                Outcome::NotYet => return Ok(false),
            }
        }
        let is_undoing = batch.state() == BatchState::Undoing;
        self.batches
            .execute(id, Expected::Any, &caused_by(id), |batch| {
                Ok::<_, std::convert::Infallible>(if is_undoing {
                    batch.reverted(part, done, &left)
                } else {
                    batch.applied(part, done, &left)
                })
            })
            .await?;
        Ok(true)
    }

    async fn apply(&self, id: BatchId, analyser: &str, item: &ItemRow) -> Result<Outcome, Failure> {
        let (subject, version) = about(item);
        let Some(judged) = self.judged(subject, version).await? else {
            return Ok(Outcome::Left("not-judged"));
        };
        if judged.analysis.verdict.as_str() != item.from_verdict {
            return Ok(Outcome::Left("judged-otherwise"));
        }
        let Ok(to) = item.to_verdict.parse() else { return Ok(Outcome::Left("unreadable")) };
        let reasons: Vec<ModerationReason> = item
            .analysis
            .get("reasons")
            .and_then(|reasons| serde_json::from_value(reasons.clone()).ok())
            .unwrap_or_default();
        let opening = Opening {
            subject,
            subject_version: version,
            author_id: judged.author_id,
            reasons,
            analyser: analyser.to_owned(),
            analysis: item.analysis.clone(),
            cluster_id: None,
            labels: vec![],
            batch_id: Some(id),
        };
        let now = self.cases.store().clock().now();
        self.change(id, item, |case, visibility| {
            case.flip(&Flip { batch_id: id, to, opening: opening.clone(), visibility, now })
        })
        .await
    }

    async fn undo(
        &self,
        id: BatchId,
        asked_by: UserId,
        item: &ItemRow,
    ) -> Result<Outcome, Failure> {
        let now = self.cases.store().clock().now();
        let outcome = self
            .change(id, item, |case, visibility| {
                case.undo(&Undoing { batch_id: id, asked_by, visibility, now })
            })
            .await?;
        Ok(match outcome {
            Outcome::Left("pending") => Outcome::NotYet,
            Outcome::Done | Outcome::Left(_) | Outcome::NotYet => outcome,
        })
    }

    /// Changes the case of a judgement in one transaction with what is known of its content.
    async fn change(
        &self,
        id: BatchId,
        item: &ItemRow,
        decide: impl Fn(&Case, Visibility) -> Result<Vec<CaseEvent>, Untouched> + Send + Sync,
    ) -> Result<Outcome, Failure> {
        let (subject, version) = about(item);
        let case_id = case_id(&subject, version);
        let work = self.cases.store().begin().await?;
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let is_waited_for = async |state| {
            let cases = waiting(work.txn(), subject, state).await?;
            Ok::<_, sea_orm::DbErr>(cases.iter().any(|other| *other != case_id))
        };
        let is_restored = is_waited_for(CaseState::RestoreRequested).await?;
        let is_deleted = is_waited_for(CaseState::DeleteRequested).await?;
        let decided = self
            .cases
            .execute_in(&work, case_id, Expected::Any, &caused_by(id), |case| {
                let events = decide(case, visibility)?;
                let is_opposed =
                    events.iter().filter_map(CaseEvent::decision).any(|decision| match decision {
                        Decision::Delete => is_restored,
                        Decision::Restore => is_deleted,
                        Decision::Dismiss => false,
                    });
                if is_opposed { Err(Untouched::Pending) } else { Ok(events) }
            })
            .await;
        match decided {
            Ok(_) => {
                work.commit().await?;
                Ok(Outcome::Done)
            }
            Err(ExecuteError::Refused(why)) => {
                work.rollback().await?;
                Ok(Outcome::Left(why.as_str()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The judgement on record of a version.
    async fn judged(&self, subject: Subject, version: u64) -> Result<Option<Completed>, Failure> {
        let (store, id) = (self.cases.store(), subject_id(subject));
        for event in store.history(store.db(), ScreeningEvent::CATEGORY, id).await? {
            let Some(judged) = event.open::<ScreeningEvent>()? else { continue };
            let ScreeningEvent::Completed(completed) = judged.event;
            if completed.subject_version == version {
                return Ok(Some(completed));
            }
        }
        Ok(None)
    }
}

fn about(item: &ItemRow) -> (Subject, u64) {
    let version = u64::try_from(item.subject_version).unwrap_or(0);
    (subject(&item.subject_kind, item.subject_id), version)
}

fn subject_id(subject: Subject) -> uuid::Uuid {
    crate::case::view::columns(subject).1
}

/// Everything that a batch does can be found by it.
fn caused_by(id: BatchId) -> Metadata {
    Metadata { correlation_id: Some(id.0), ..Metadata::default() }
}
