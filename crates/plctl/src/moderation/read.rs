//! Judgements on record, each with the text that was judged and with what people decided about it.

use std::collections::HashMap;

use content_screening::record::ScreeningId;
use event_runtime::operator::records::{self, Range, Record};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Deserialize;
use serde_json::json;
use shared_schemas::moderation::{Decision, Subject};
use shared_schemas::{CaseId, Service};
use uuid::Uuid;

use crate::exit::Failure;
use crate::fleet::Fleet;

/// Judgements that are read, and judged again, at a time.
const BATCH: u32 = 4_000;

/// The stores that a replay reads.
#[derive(Clone, Copy)]
pub(super) struct Stores<'a> {
    moderation: &'a DatabaseConnection,
    posts: &'a DatabaseConnection,
    comments: &'a DatabaseConnection,
}

/// One judgement as it was recorded, unread.
pub(super) struct Item {
    /// The judgement: moderation's private event.
    pub(super) record: Record,
    /// The event that carried the text; `None` if it is gone.
    pub(super) text: Option<Record>,
    /// What a moderator decided last about the case of this version.
    pub(super) decision: Option<Decision>,
}

/// What tells which text a judgement is about.
#[derive(Deserialize)]
struct About {
    subject: Subject,
    subject_version: u64,
}

/// What tells what was decided.
#[derive(Deserialize)]
struct Decided {
    decision: Decision,
}

impl<'a> Stores<'a> {
    pub(super) fn of(fleet: &'a Fleet) -> Result<Self, Failure> {
        Ok(Self {
            moderation: &fleet.of(Service::Moderation)?.db,
            posts: &fleet.of(Service::Post)?.db,
            comments: &fleet.of(Service::Interaction)?.db,
        })
    }

    /// How far the store of judgements goes now.
    pub(super) async fn head(self) -> Result<i64, DbErr> {
        records::head(self.moderation).await
    }

    /// How many judgements there are.
    pub(super) async fn count(self, range: Range<'_>) -> Result<u64, DbErr> {
        records::count(self.moderation, range).await
    }

    /// The next judgements after a position, with all that belongs to them; none at the end.
    pub(super) async fn page(self, range: Range<'_>, after: i64) -> Result<Vec<Item>, DbErr> {
        let judgements = records::page(self.moderation, range, after, BATCH).await?;
        let (mut posts, mut comments, mut cases) = (Vec::new(), Vec::new(), Vec::new());
        let about: Vec<Option<About>> =
            judgements.iter().map(|record| serde_json::from_str(&record.data).ok()).collect();
        for About { subject, subject_version } in about.iter().flatten() {
            let version = i64::try_from(*subject_version).unwrap_or(i64::MAX);
            match subject {
                Subject::Post(id) => posts.push((id.0, version)),
                Subject::Comment(id) => comments.push((id.0, version)),
            }
            cases.push(CaseId::about(subject, *subject_version).0);
        }
        let by_person = json!({ "decided_by": { "kind": "moderator" } });
        let decided = records::last(self.moderation, "case", "case.decided.v1", &cases, &by_person);
        let (posts, comments, decided) = tokio::try_join!(
            records::at(self.posts, "post", &posts),
            records::at(self.comments, "comment", &comments),
            decided,
        )?;
        let mut texts = by_place(posts.into_iter().chain(comments));
        let decisions: HashMap<Uuid, Decision> = decided
            .into_iter()
            .filter_map(|record| {
                let Decided { decision } = serde_json::from_str(&record.data).ok()?;
                Some((record.aggregate_id, decision))
            })
            .collect();
        let items = judgements.into_iter().zip(about).map(|(record, about)| {
            let Some(About { subject, subject_version }) = about else {
                return Item { record, text: None, decision: None };
            };
            let id = Uuid::from(ScreeningId::from(subject));
            let version = i64::try_from(subject_version).unwrap_or(i64::MAX);
            let decision = decisions.get(&CaseId::about(&subject, subject_version).0).copied();
            Item { record, text: texts.remove(&(id, version)), decision }
        });
        Ok(items.collect())
    }
}

fn by_place(records: impl IntoIterator<Item = Record>) -> HashMap<(Uuid, i64), Record> {
    let place = |record: Record| ((record.aggregate_id, record.aggregate_version), record);
    records.into_iter().map(place).collect()
}
