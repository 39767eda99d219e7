//! Screens what others publish.

use std::sync::Arc;

use async_trait::async_trait;
use content_screening::{
    Analyser, Analysis, Behaviour, Verdict,
    publication::Publication,
    record::{Completed, ScreeningId},
};
use event_runtime::{
    ApplyError, Expected, Reactor, Recorded, RecordedEvent, Streams, UnitOfWork, Version,
};
use shared_schemas::{
    ClearanceId, CommentId, DecodeError, PostId, Service,
    comment::CommentEvent,
    envelope::Metadata,
    moderation::{CaseState, Subject},
    post::PostEvent,
};

use super::{
    aggregate::Screening,
    clearance::Clearance,
    cluster::{self, Cluster},
    fingerprint::text_hash,
    projection::{self, Activity},
    view,
};
use crate::{
    case::{
        self,
        aggregate::{Case, CaseError, Opening, Visibility, case_id},
    },
    confirm,
    version::analysers::Analysers,
};

/// Judges every version of every post and comment, records the judgement, and opens a case where it asks for one. If the
/// judgement is to remove, the policy decides the case in the same transaction.
pub struct ContentScreening {
    /// The judges, of which one is active.
    pub analysers: Arc<Analysers>,
    /// The judgements.
    pub screenings: Streams<Screening>,
    /// What is known to be harmless.
    pub clearances: Streams<Clearance>,
    /// The cases.
    pub cases: Streams<Case>,
}

/// A text that was made public, and by what.
pub(crate) struct Published {
    pub(crate) subject: Subject,
    pub(crate) subject_version: u64,
    pub(crate) publication: Publication,
    pub(crate) metadata: Metadata,
}

impl Published {
    /// What an event made public, if anything.
    pub(crate) fn by(event: &RecordedEvent) -> Result<Option<Self>, DecodeError> {
        if let Some(post) = event.open::<PostEvent>()? {
            Ok(of_post(post))
        } else if let Some(comment) = event.open::<CommentEvent>()? {
            Ok(of_comment(comment))
        } else {
            Ok(None)
        }
    }
}

#[async_trait]
impl Reactor for ContentScreening {
    fn group(&self) -> &'static str {
        "moderation.screen"
    }

    fn reads(&self) -> &'static [Service] {
        &[Service::Post, Service::Interaction]
    }

    async fn react(&self, work: &UnitOfWork, event: &RecordedEvent) -> Result<(), ApplyError> {
        let Some(published) = Published::by(event)? else { return Ok(()) };
        let analyser = Arc::clone(&self.analysers.active(work).await?.analyser);
        let activity = activity(&*analyser, &published, event);
        let cluster = find_cluster(work, &published.publication, &activity).await?;
        let behaviour = self.behaviour(work, &published, &activity, cluster.as_ref()).await?;
        let analysis = analyser.analyse(&published.publication.content(), &behaviour);
        let completed = Completed {
            subject: activity.subject,
            subject_version: activity.subject_version,
            author_id: activity.author_id,
            analyser: analyser.version().clone(),
            behaviour,
            analysis,
        };
        projection::remember(work.txn(), &activity).await?;
        self.screenings
            .execute_in(
                work,
                ScreeningId::from(published.subject),
                Expected::Any,
                &published.metadata,
                |screening| Ok::<_, CaseError>(screening.complete(completed.clone())),
            )
            .await?;
        match completed.analysis.verdict {
            Verdict::Allow => self.clear(work, &completed, &published.metadata).await,
            Verdict::Hold | Verdict::Remove => {
                let cluster_id = cluster.map(|cluster| cluster.id);
                self.open_case(work, completed, cluster_id, &published.metadata).await
            }
        }
    }
}

impl ContentScreening {
    async fn behaviour(
        &self,
        work: &UnitOfWork,
        published: &Published,
        activity: &Activity,
        cluster: Option<&Cluster>,
    ) -> Result<Behaviour, ApplyError> {
        let mut behaviour = view::behaviour(work.txn(), activity).await?;
        behaviour.community = match published.publication.community {
            // An edited comment does not say where it stands; what it was judged as before does.
            None => {
                let id = ScreeningId::from(activity.subject);
                self.screenings.state(id).await?.0.community()
            }
            known => known,
        };
        if let Some(cluster) = cluster {
            behaviour.near_copies_last_day = cluster.copies;
            behaviour.near_copy_authors_last_day = cluster.authors;
        }
        Ok(behaviour)
    }

    async fn clear(
        &self,
        work: &UnitOfWork,
        completed: &Completed,
        metadata: &Metadata,
    ) -> Result<(), ApplyError> {
        let id = ClearanceId::of(&completed.subject);
        self.clearances
            .execute_in(work, id, Expected::Any, metadata, |clearance| {
                Ok::<_, CaseError>(clearance.grant(completed))
            })
            .await?;
        Ok(())
    }

    async fn open_case(
        &self,
        work: &UnitOfWork,
        completed: Completed,
        cluster_id: Option<String>,
        metadata: &Metadata,
    ) -> Result<(), ApplyError> {
        let Completed { subject, subject_version, author_id, analyser, analysis, .. } = completed;
        let removal = match analysis.verdict {
            Verdict::Remove => self.removal(work, subject).await?,
            Verdict::Hold | Verdict::Allow => None,
        };
        let opening = Opening {
            subject,
            subject_version,
            author_id,
            reasons: analysis.reasons.clone(),
            analyser: analyser.to_string(),
            analysis: to_json(&analysis)?,
            cluster_id,
            labels: analysis.labels,
            batch_id: None,
        };
        let id = case_id(&subject, subject_version);
        self.cases
            .execute_in(work, id, Expected::Any, metadata, |case| {
                Ok::<_, CaseError>(case.open(opening.clone(), removal))
            })
            .await?;
        Ok(())
    }
}

impl ContentScreening {
    /// How a removal meets the content. `None` while the content is being restored: which of the two is carried out last
    /// cannot be known, so a person decides.
    async fn removal(
        &self,
        work: &UnitOfWork,
        subject: Subject,
    ) -> Result<Option<Visibility>, ApplyError> {
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let state = CaseState::RestoreRequested;
        let restored = case::view::waiting(work.txn(), subject, state).await?;
        Ok(restored.is_empty().then_some(visibility))
    }
}

fn activity(analyser: &dyn Analyser, published: &Published, event: &RecordedEvent) -> Activity {
    let Published { subject, publication, .. } = published;
    Activity {
        subject: *subject,
        subject_version: published.subject_version,
        author_id: publication.author_id,
        edited: publication.edited,
        text_hash: text_hash(&publication.text),
        links: analyser.links(&publication.text),
        mentions: analyser.mentions(&publication.text),
        occurred_at: event.occurred_at,
    }
}

/// Where a text stands among its near-copies; remembers it for those to come.
async fn find_cluster(
    work: &UnitOfWork,
    publication: &Publication,
    activity: &Activity,
) -> Result<Option<Cluster>, ApplyError> {
    let Some(print) = cluster::print(&publication.text) else { return Ok(None) };
    let others = view::alike(work.txn(), activity, &print).await?;
    let cluster = cluster::cluster(&print, activity, &others);
    projection::remember_print(work.txn(), activity, &print, &cluster).await?;
    Ok(Some(cluster))
}

fn to_json(analysis: &Analysis) -> Result<serde_json::Value, ApplyError> {
    serde_json::to_value(analysis).map_err(|error| ApplyError::reject("unencodable", error))
}

fn of_post(post: Recorded<PostEvent>) -> Option<Published> {
    let (subject, metadata) = (Subject::Post(PostId(post.aggregate_id)), post.consequence());
    let subject_version = version(post.version);
    let publication = Publication::of_post(post.event)?;
    Some(Published { subject, subject_version, publication, metadata })
}

fn of_comment(comment: Recorded<CommentEvent>) -> Option<Published> {
    let (subject, metadata) =
        (Subject::Comment(CommentId(comment.aggregate_id)), comment.consequence());
    let subject_version = version(comment.version);
    let publication = Publication::of_comment(comment.event)?;
    Some(Published { subject, subject_version, publication, metadata })
}

fn version(version: Version) -> u64 {
    u64::try_from(version.0).unwrap_or(0)
}
