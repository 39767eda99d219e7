//! The oracle: every figure that the platform shows, compared with a recount from the recorded events.
//!
//! It reads the event stores directly, which nobody else may, and knows nothing of projections.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, FromQueryResult, raw_sql};
use serde_json::Value;

use crate::{
    client::{number, until},
    person::Person,
};

/// The schemas that hold event stores.
pub(crate) const STORES: [&str; 6] =
    ["auth", "post", "interaction", "moderation", "engagement", "minting"];

/// What an activity profile shows.
const PROFILE: [&str; 8] = [
    "posts",
    "comments",
    "reactions",
    "views",
    "reactions_received",
    "comments_received",
    "views_received",
    "connections",
];

/// What a post shows.
const POST: [&str; 3] = ["total_views", "total_comments", "total_reactions"];

/// Figures by name.
type Figures = BTreeMap<&'static str, i64>;

/// What the figures must be.
#[derive(Debug, Default)]
pub struct Recount {
    /// By person.
    pub people: BTreeMap<String, Figures>,
    /// By post.
    pub posts: BTreeMap<String, Figures>,
    /// Events by type.
    pub events: BTreeMap<String, i64>,
}

/// How much was compared.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Figures that were compared, all equal.
    pub figures: usize,
    /// Events they were recounted from.
    pub events: i64,
    /// How long it took until everything had arrived everywhere.
    pub settled_in: Duration,
}

/// Reads the stores of a stack.
pub struct Oracle {
    db: DatabaseConnection,
}

#[derive(FromQueryResult)]
struct EventRow {
    #[sea_orm(from_alias = "type")]
    event_type: String,
    aggregate_id: uuid::Uuid,
    data: Value,
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

impl Oracle {
    /// An oracle over the database of a stack, as its superuser.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn connect(postgres: &str) -> Result<Self> {
        Ok(Self { db: Database::connect(postgres).await? })
    }

    /// Waits until everything that was recorded has taken effect everywhere, then compares every figure of these people and
    /// of all posts with the recount.
    ///
    /// # Errors
    ///
    /// The first difference, or what has not settled within `limit`.
    pub async fn judge(&self, people: &[Person], limit: Duration) -> Result<Verdict> {
        let started = tokio::time::Instant::now();
        until(limit, || self.settled()).await.context("the platform has not settled")?;
        let settled_in = started.elapsed();
        self.sound().await?;
        let recount = self.recount().await?;
        let mut figures = 0;
        for person in people {
            let profile = person.get("/me/activity-profile").await?;
            let totals = profile.get("totals").context("no totals")?;
            figures += compare(
                &format!("person {}", person.id),
                totals,
                recount.people.get(&person.id),
                &PROFILE,
            )?;
        }
        let reader = people.first().context("nobody to read with")?;
        for (post, expected) in &recount.posts {
            let answer =
                reader.call(&reqwest::Method::GET, &format!("/posts/{post}"), None).await?;
            // Hidden, archived and deleted posts show nobody anything.
            if answer.status.as_u16() == 200 {
                figures += compare(&format!("post {post}"), &answer.body, Some(expected), &POST)?;
            }
        }
        Ok(Verdict { figures, events: recount.events.values().sum(), settled_in })
    }

    /// Nothing waits in an outbox, and every group stands at the head of every stream it reads.
    async fn settled(&self) -> Result<()> {
        for store in STORES {
            let waiting = self.count(&format!("SELECT count(*) FROM {store}.outbox")).await?;
            ensure!(waiting == 0, "{waiting} events wait in the outbox of {store}");
        }
        for reader in STORES {
            for producer in STORES {
                let behind = self
                    .count(&format!(
                        "SELECT count(*) FROM {reader}.watermark w JOIN {producer}.publication_head h USING (partition)
                           WHERE w.service = '{producer}' AND w.sequence <> h.sequence"
                    ))
                    .await?;
                ensure!(behind == 0, "{behind} partitions of {producer} are behind in {reader}");
            }
        }
        Ok(())
    }

    /// What must hold whatever was recorded: dense sequences, contiguous versions, nothing parked.
    async fn sound(&self) -> Result<()> {
        for store in STORES {
            let holes = self
                .count(&format!(
                    "SELECT count(*) FROM {store}.publication_head h
                       WHERE h.sequence <> (SELECT count(*) FROM {store}.publication p WHERE p.partition = h.partition)"
                ))
                .await?;
            ensure!(holes == 0, "{store} has {holes} partitions whose sequence is not dense");
            let torn = self
                .count(&format!(
                    "SELECT count(*) FROM (SELECT FROM {store}.event GROUP BY aggregate_type, aggregate_id
                       HAVING max(aggregate_version) <> count(*)) torn"
                ))
                .await?;
            ensure!(torn == 0, "{store} has {torn} aggregates with a missing version");
            let unpublished = self
                .count(&format!(
                    "SELECT count(*) FROM {store}.event e WHERE e.is_public
                       AND NOT EXISTS (SELECT FROM {store}.publication p WHERE p.position = e.position)"
                ))
                .await?;
            ensure!(unpublished == 0, "{store} has {unpublished} events that were never published");
            let parked = self.count(&format!("SELECT count(*) FROM {store}.parked_event")).await?;
            ensure!(parked == 0, "{store} has {parked} parked events");
        }
        Ok(())
    }

    async fn count(&self, sql: &str) -> Result<i64> {
        let statement =
            sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, sql, []);
        let row = Count::find_by_statement(statement).one(&self.db).await?;
        Ok(row.context("count returns a row")?.count)
    }

    /// Adds up all events.
    ///
    /// # Errors
    ///
    /// If an event lacks a field that it must have.
    pub async fn recount(&self) -> Result<Recount> {
        let mut recount = Recount::default();
        let rows = EventRow::find_by_statement(raw_sql!(
            Postgres,
            "SELECT type, aggregate_id, data FROM (
               SELECT 1 AS store, position, type, aggregate_id, data FROM auth.event WHERE is_public
               UNION ALL SELECT 2, position, type, aggregate_id, data FROM post.event WHERE is_public
               UNION ALL SELECT 3, position, type, aggregate_id, data FROM interaction.event WHERE is_public
             ) e ORDER BY store, position"
        ))
        .all(&self.db)
        .await?;
        for row in rows {
            recount
                .add(&row)
                .with_context(|| format!("{} of {}", row.event_type, row.aggregate_id))?;
        }
        Ok(recount)
    }

    /// Forgets one row of a projection, to see whether the oracle notices.
    ///
    /// # Errors
    ///
    /// If the database does not answer.
    pub async fn execute(&self, sql: &str) -> Result<u64> {
        Ok(self.db.execute_unprepared(sql).await?.rows_affected())
    }
}

impl Recount {
    fn add(&mut self, row: &EventRow) -> Result<()> {
        *self.events.entry(row.event_type.clone()).or_default() += 1;
        let id = row.aggregate_id.to_string();
        let field = |name: &str| crate::client::text(&row.data, name);
        match row.event_type.as_str() {
            // A post that comes back from the archive was counted when it was first published.
            "post.published.v1" if !self.posts.contains_key(&id) => {
                self.posts.insert(id, Figures::new());
                self.person(&field("author_id")?, "posts", 1);
            }
            "connection.established.v1" => {
                self.person(&field("initiator_id")?, "connections", 1);
                self.person(&field("other_id")?, "connections", 1);
            }
            "connection.ended.v1" => {
                self.person(&field("ended_by")?, "connections", -1);
                self.person(&field("other_id")?, "connections", -1);
            }
            "comment.added.v1" => {
                self.act(row, "author_id", "comments", "comments_received", "total_comments", 1)?;
            }
            // Hiding it has taken it from the total.
            "comment.deleted.v1" if row.data.get("was_hidden") == Some(&Value::Bool(true)) => (),
            "comment.deleted.v1" | "comment.hidden.v1" => {
                self.post(&field("post_id")?, "total_comments", -1);
            }
            "comment.restored.v1" => self.post(&field("post_id")?, "total_comments", 1),
            "reaction.added.v1" => {
                self.act(row, "user_id", "reactions", "reactions_received", "total_reactions", 1)?;
            }
            "reaction.removed.v1" => {
                self.act(row, "user_id", "reactions", "reactions_received", "total_reactions", -1)?;
            }
            "view.counted.v1" => {
                self.act(row, "viewer_id", "views", "views_received", "total_views", 1)?;
            }
            _ => (),
        }
        Ok(())
    }

    /// One person did something with another's post; what people do with their own is not received.
    fn act(
        &mut self,
        row: &EventRow,
        actor: &str,
        given: &'static str,
        received: &'static str,
        total: &'static str,
        by: i64,
    ) -> Result<()> {
        let actor = crate::client::text(&row.data, actor)?;
        let author = crate::client::text(&row.data, "post_author_id")?;
        self.person(&actor, given, by);
        if actor != author {
            self.person(&author, received, by);
        }
        self.post(&crate::client::text(&row.data, "post_id")?, total, by);
        Ok(())
    }

    fn person(&mut self, id: &str, figure: &'static str, by: i64) {
        *self.people.entry(id.to_owned()).or_default().entry(figure).or_default() += by;
    }

    fn post(&mut self, id: &str, figure: &'static str, by: i64) {
        *self.posts.entry(id.to_owned()).or_default().entry(figure).or_default() += by;
    }
}

/// Compares what is shown with what was recounted; returns how many figures that were.
fn compare(
    what: &str,
    shown: &Value,
    expected: Option<&Figures>,
    names: &[&'static str],
) -> Result<usize> {
    for name in names {
        let expected = expected.and_then(|figures| figures.get(name)).copied().unwrap_or(0);
        let shown = number(shown, name)?;
        ensure!(shown == expected, "{what} shows {shown} {name} and the events say {expected}");
    }
    Ok(names.len())
}
