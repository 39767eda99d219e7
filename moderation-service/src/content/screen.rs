//! Screens a batch: what is known is read once, each text is judged by a pure function, and what follows is written once.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use content_screening::{
    Analyser, Behaviour, Verdict,
    record::{Completed, ScreeningEvent, ScreeningId},
};
use event_runtime::{Aggregate as _, ApplyError, Expected, UnitOfWork};
use shared_schemas::{
    ClearanceId, Event as _,
    envelope::Metadata,
    moderation::{CaseState, Subject},
    post::Category,
};
use uuid::Uuid;

use super::{
    aggregate::Screening,
    cluster::{self, Candidate, Cluster, Print},
    fingerprint::text_hash,
    projection::{self, Activity},
    reactor::{ContentScreening, Published},
    view,
};
use crate::{
    case::{
        self,
        aggregate::{CaseError, Opening, Visibility, case_id},
    },
    confirm,
};

/// A text of the batch, and where it stands.
struct Text {
    published: Published,
    activity: Activity,
    print: Option<Print>,
    cluster: Option<Cluster>,
}

impl Text {
    fn new(published: Published, analyser: &dyn Analyser) -> Self {
        let Published { subject, subject_version, ref publication, occurred_at, .. } = published;
        let activity = Activity {
            subject,
            subject_version,
            author_id: publication.author_id,
            edited: publication.edited,
            text_hash: text_hash(&publication.text),
            links: analyser.links(&publication.text),
            mentions: analyser.mentions(&publication.text),
            occurred_at,
        };
        let print = cluster::print(&publication.text);
        Self { published, activity, print, cluster: None }
    }
}

impl ContentScreening {
    /// Judges texts of different content, by one version of the analyser, which stays active until the unit of work ends.
    pub(super) async fn screen(
        &self,
        work: &UnitOfWork,
        batch: Vec<Published>,
    ) -> Result<(), ApplyError> {
        let analyser = Arc::clone(&self.analysers.active(work).await?.analyser);
        let mut texts: Vec<Text> =
            batch.into_iter().map(|published| Text::new(published, &*analyser)).collect();
        find_clusters(work, &mut texts).await?;
        let activities: Vec<&Activity> = texts.iter().map(|text| &text.activity).collect();
        // Before they are looked at: each is judged by what was published before it, in the batch, too.
        projection::remember(work.txn(), &activities).await?;
        let behaviours = view::behaviours(work.txn(), &activities).await?;
        let mut judged = Vec::with_capacity(texts.len());
        for (text, behaviour) in texts.iter().zip(behaviours) {
            let behaviour = self.complete(work, text, behaviour).await?;
            let analysis = analyser.analyse(&text.published.publication.content(), &behaviour);
            judged.push(Completed {
                subject: text.activity.subject,
                subject_version: text.activity.subject_version,
                author_id: text.activity.author_id,
                analyser: analyser.version().clone(),
                behaviour,
                analysis,
            });
        }
        self.record(work, &texts, &judged).await?;
        for (text, completed) in texts.into_iter().zip(judged) {
            if completed.analysis.verdict != Verdict::Allow {
                let cluster_id = text.cluster.map(|cluster| cluster.id);
                self.open_case(work, completed, cluster_id, &text.published.metadata).await?;
            }
        }
        Ok(())
    }

    /// What is known beside what the author did.
    async fn complete(
        &self,
        work: &UnitOfWork,
        text: &Text,
        behaviour: Behaviour,
    ) -> Result<Behaviour, ApplyError> {
        let (near_copies, authors) =
            text.cluster.as_ref().map_or((0, 0), |cluster| (cluster.copies, cluster.authors));
        let community = match text.published.publication.community {
            None => self.community(work, text.activity.subject).await?,
            known => known,
        };
        Ok(Behaviour {
            near_copies_last_day: near_copies,
            near_copy_authors_last_day: authors,
            community,
            ..behaviour
        })
    }

    /// Where content stands that does not say so itself, such as an edited comment: what it was judged as before does.
    async fn community(
        &self,
        work: &UnitOfWork,
        subject: Subject,
    ) -> Result<Option<Category>, ApplyError> {
        let (store, id) = (self.screenings.store(), ScreeningId::from(subject).into());
        let mut screening = Screening::default();
        for recorded in store.history(work.txn(), ScreeningEvent::CATEGORY, id).await? {
            if let Some(recorded) = recorded.open::<ScreeningEvent>()? {
                screening = screening.evolve(&recorded.event);
            }
        }
        Ok(screening.community())
    }

    /// Records the judgements, and what may be known of the harmless ones.
    async fn record(
        &self,
        work: &UnitOfWork,
        texts: &[Text],
        judged: &[Completed],
    ) -> Result<(), ApplyError> {
        let (mut screenings, mut clearances) = (Vec::new(), Vec::new());
        let mut of_id: HashMap<Uuid, &Completed> = HashMap::new();
        for (text, completed) in texts.iter().zip(judged) {
            let metadata = || text.published.metadata.clone();
            let (screening, clearance) =
                (ScreeningId::from(completed.subject), ClearanceId::of(&completed.subject));
            screenings.push((screening, metadata()));
            of_id.insert(screening.into(), completed);
            if completed.analysis.verdict == Verdict::Allow {
                clearances.push((clearance, metadata()));
                of_id.insert(clearance.into(), completed);
            }
        }
        let completed = |id: Uuid| of_id.get(&id).copied();
        self.screenings
            .execute_all_in::<Infallible>(work, &screenings, |id, screening| {
                completed(id.into()).map_or_else(Vec::new, |one| screening.complete(one.clone()))
            })
            .await?;
        if !clearances.is_empty() {
            self.clearances
                .execute_all_in::<Infallible>(work, &clearances, |id, clearance| {
                    completed(id.into()).map_or_else(Vec::new, |one| clearance.grant(one))
                })
                .await?;
        }
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
        let evidence = serde_json::to_value(&analysis)
            .map_err(|error| ApplyError::reject("unencodable", error))?;
        let opening = Opening {
            subject,
            subject_version,
            author_id,
            reasons: analysis.reasons,
            analyser: analyser.to_string(),
            analysis: evidence,
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

/// Where texts stand among their near-copies; remembers them for those to come.
async fn find_clusters(work: &UnitOfWork, texts: &mut [Text]) -> Result<(), ApplyError> {
    let printed: Vec<(&Activity, &Print)> =
        texts.iter().filter_map(|text| Some((&text.activity, text.print.as_ref()?))).collect();
    if printed.is_empty() {
        return Ok(());
    }
    let known = view::alike(work.txn(), &printed).await?;
    let candidates: Vec<Candidate<'_>> = printed
        .iter()
        .zip(known)
        .map(|((activity, print), known)| Candidate { activity, print, known })
        .collect();
    let clusters = cluster::clusters(&candidates);
    let prints: Vec<(&Activity, &Print, &Cluster)> = printed
        .iter()
        .zip(&clusters)
        .map(|((activity, print), cluster)| (*activity, *print, cluster))
        .collect();
    projection::remember_prints(work.txn(), &prints).await?;
    let mut clusters = clusters.into_iter();
    for text in texts.iter_mut().filter(|text| text.print.is_some()) {
        text.cluster = clusters.next();
    }
    Ok(())
}
