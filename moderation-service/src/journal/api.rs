//! The endpoints of the log.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use event_runtime::EventStore;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Example};
use service_kit::{Cursor, Limit, Page, Problem, example};
use shared_schemas::{
    BatchId,
    moderation::{Decision, ModerationReason},
};
use uuid::Uuid;

use super::{
    pseudonym::Pseudonyms,
    view::{self, CountRow, LogRow},
};
use crate::case::{api::Tag, body::SubjectKind, view::moment};

/// The endpoints.
pub struct JournalApi {
    /// Where the log is.
    pub store: EventStore,
}

/// A decision, without anybody in it.
#[derive(Clone, Debug, Object)]
#[oai(example)]
struct LogEntry {
    /// Its id.
    id: Uuid,
    /// What it was about.
    subject_kind: SubjectKind,
    /// What was decided.
    decision: Decision,
    /// Why, worst first.
    reasons: Vec<ModerationReason>,
    /// Whether the policy decided, without a person.
    automated: bool,
    /// The moderator: a keyed hash, the same in every entry of the same person. Absent if automated.
    #[oai(skip_serializing_if_is_none)]
    moderator: Option<String>,
    /// Name of the analyser that opened the case, with the hash of its rules or its model.
    analyser_version: String,
    /// Hash of the policy in force; `none` where reports opened the case.
    policy_version: String,
    /// When.
    decided_at: DateTime<Utc>,
    /// Whether it was a removal that was taken back.
    overturned: bool,
    /// When.
    #[oai(skip_serializing_if_is_none)]
    overturned_at: Option<DateTime<Utc>>,
    /// Whether that was on appeal.
    on_appeal: bool,
    /// The batch by which it was decided: many judgements that another policy or model changed, or the undoing of such a batch.
    #[oai(skip_serializing_if_is_none)]
    batch_id: Option<BatchId>,
}

impl Example for LogEntry {
    fn example() -> Self {
        Self {
            id: example::id(10),
            subject_kind: SubjectKind::Post,
            decision: Decision::Delete,
            reasons: vec![ModerationReason::Spam],
            automated: false,
            moderator: Some("9f86d081884c7d65".to_owned()),
            analyser_version: "peerlink-rules/1 rules:5f0c".to_owned(),
            policy_version: "1b7e".to_owned(),
            decided_at: example::moment(),
            overturned: false,
            overturned_at: None,
            on_appeal: false,
            batch_id: None,
        }
    }
}

/// Removals, and how many of them were taken back.
#[derive(Clone, Debug, Object)]
struct Count {
    /// Of what.
    version: String,
    /// Removals.
    removals: i64,
    /// Removals that were taken back.
    overturned: i64,
}

/// How often removals were wrong.
#[derive(Clone, Debug, Object)]
#[oai(example)]
struct Statistics {
    /// By the policy in force, `policy_version` of the log; decisions of the policy alone.
    automated_by_policy: Vec<Count>,
    /// By the analyser that opened the case, `analyser_version` of the log; all removals.
    by_analyser: Vec<Count>,
    /// By the moderator, `moderator` of the log.
    by_moderator: Vec<Count>,
}

impl Example for Statistics {
    fn example() -> Self {
        let count =
            |version: &str| Count { version: version.to_owned(), removals: 40, overturned: 1 };
        Self {
            automated_by_policy: vec![count("1b7e")],
            by_analyser: vec![count("peerlink-rules/1 rules:5f0c")],
            by_moderator: vec![count("9f86d081884c7d65")],
        }
    }
}

#[OpenApi(tag = "Tag::Transparency")]
impl JournalApi {
    /// Read the log
    ///
    /// Every decision of moderation, newest first: what kind, why, automated or not, under which rules, and whether it was taken
    /// back. Without content, without authors; a moderator is a keyed hash. For everybody, without a token. Fails with 400 for a
    /// malformed parameter.
    #[oai(path = "/moderation/log", method = "get", operation_id = "readModerationLog")]
    async fn read_log(
        &self,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<LogEntry>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let db = self.store.db();
        let pseudonyms = view::pseudonyms(db).await?;
        let rows = view::list(db, (moment(before), id), limit).await?;
        let entries = rows
            .into_iter()
            .map(|row| entry(row, &pseudonyms))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Problem::internal(&error))?;
        let cursor =
            |entry: &LogEntry| Cursor::after(entry.decided_at.timestamp_micros(), entry.id);
        Ok(Json(Page::of(entries, limit, cursor, |entry| entry)))
    }

    /// Read how often removals were wrong
    ///
    /// Removals and how many of them were taken back, by policy, analyser and moderator. Whoever adds up the log comes to these
    /// figures. For everybody, without a token.
    #[oai(
        path = "/moderation/statistics",
        method = "get",
        operation_id = "readModerationStatistics"
    )]
    async fn read_statistics(&self) -> Result<Json<Statistics>, Problem> {
        let db = self.store.db();
        let pseudonyms = view::pseudonyms(db).await?;
        Ok(Json(statistics(&view::counts(db).await?, &pseudonyms)))
    }
}

fn entry(row: LogRow, pseudonyms: &Pseudonyms) -> Result<LogEntry, serde_json::Error> {
    let (analyser_version, policy_version) = versions(&row.analyser);
    Ok(LogEntry {
        id: row.id,
        subject_kind: SubjectKind::of_column(&row.subject_kind),
        decision: row.decision,
        reasons: serde_json::from_value(row.reasons)?,
        automated: row.moderator_id.is_none(),
        moderator: row.moderator_id.map(|id| pseudonyms.of(id)),
        analyser_version,
        policy_version,
        decided_at: row.decided_at,
        overturned: row.overturned,
        overturned_at: row.overturned_at,
        on_appeal: row.on_appeal,
        batch_id: row.batch_id.map(BatchId),
    })
}

fn statistics(rows: &[CountRow], pseudonyms: &Pseudonyms) -> Statistics {
    let mut by_policy = BTreeMap::new();
    let mut by_analyser = BTreeMap::new();
    let mut by_moderator = BTreeMap::new();
    for row in rows {
        let (analyser, policy) = versions(&row.analyser);
        add(&mut by_analyser, analyser, row);
        match row.moderator_id {
            Some(id) => add(&mut by_moderator, pseudonyms.of(id), row),
            None => add(&mut by_policy, policy, row),
        }
    }
    Statistics {
        automated_by_policy: list(by_policy),
        by_analyser: list(by_analyser),
        by_moderator: list(by_moderator),
    }
}

fn add(counts: &mut BTreeMap<String, (i64, i64)>, version: String, row: &CountRow) {
    let (removals, overturned) = counts.entry(version).or_default();
    *removals += row.removals;
    *overturned += row.overturned;
}

fn list(counts: BTreeMap<String, (i64, i64)>) -> Vec<Count> {
    let count = |(version, (removals, overturned))| Count { version, removals, overturned };
    counts.into_iter().map(count).collect()
}

/// What names an analyser, taken apart: everything but its policy, and its policy.
fn versions(analyser: &str) -> (String, String) {
    let (policy, rest): (Vec<&str>, Vec<&str>) =
        analyser.split(' ').partition(|part| part.starts_with("policy:"));
    let policy = policy.first().and_then(|policy| policy.strip_prefix("policy:"));
    (rest.join(" "), policy.unwrap_or("none").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_told_apart_from_the_analyser() {
        let both = |analyser: &str, policy: &str| (analyser.to_owned(), policy.to_owned());

        assert_eq!(versions("rules/1 rules:ab policy:cd"), both("rules/1 rules:ab", "cd"));
        assert_eq!(versions("reports"), both("reports", "none"));
    }
}
