//! A history of judgements in private stores, and the operator's tool that makes all of them again.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use content_screening::{
    Analyser as _, Behaviour, RuleAnalyser, publication::Publication, record::Completed,
};
use event_runtime::MIGRATIONS;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{
    CommentId, Event, PostId, UserId,
    comment::CommentEvent,
    moderation::Subject,
    post::{Category, PostEvent},
};
use tokio::{process::Command, time::Instant};

use crate::bed::{Ground, pool};

/// Texts that are judged and stored at a time.
const BATCH: u64 = 2_000;

/// Sentences of which texts are put together, plain and in disguise.
const PARTS: [&str; 16] = [
    "The train was late again, but the sunrise over the lake made up for it.",
    "Does anybody know a good recipe for lentil soup?",
    "Happy birthday to my sister, who taught me how to ride a bike! 🎉",
    "@anna thank you, see https://example.com/a/b?c=1 for the photos #garden",
    "Our team lost 3:2, what a game though!!!",
    "you are a st*pid idi0t and nobody likes you",
    "Rain all day, so we stayed in and played cards.",
    "I h-a-t-e waiting in line, sooooo boring",
    "click here to claim your free prize http://win-prize.example",
    "Das Wetter war heute wirklich schön, wir waren am See.",
    "My new kitchn is almost finshed, only the lamps are missing.",
    "Мы были вчера в парке, и было очень хорошо.",
    "The new library opens on Monday at nine.",
    "I don't know what to do any more, everything is too much",
    "what the h3ll is this sh1t, f u c k i n g slow again",
    "Congratulations on the new job, you have earned it.",
];

/// Fills stores with judgements and makes them again
#[derive(clap::Args)]
pub(crate) struct Judgements {
    /// How many
    #[arg(long, default_value_t = 100_000)]
    texts: u64,
    /// The operator's tool
    #[arg(long, value_name = "FILE")]
    plctl: PathBuf,
    /// Arguments for `plctl moderation replay`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What one text becomes: an event of its service, and one of moderation.
struct Judged {
    text: Value,
    judgement: Value,
}

impl Judgements {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let ground = Ground::start().await?;
        ground.postgres.create_database("judgements", None).await?;
        let url = ground.postgres.admin_url("judgements");
        let db = pool(&url, 4).await?;
        for schema in ["post", "interaction", "moderation"] {
            db.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await?;
            let service = pool(&format!("{url}?options=-c%20search_path%3D{schema}"), 1).await?;
            for (_, migration) in MIGRATIONS {
                service.execute_unprepared(migration).await?;
            }
            service.close().await?;
        }
        let started = Instant::now();
        let bytes = fill(&db, self.texts).await?;
        db.execute_unprepared("CHECKPOINT").await?;
        db.execute_unprepared("VACUUM ANALYZE").await?;
        writeln!(
            io::stderr(),
            "{} texts of {} bytes on average are judged and stored after {:.0} s",
            self.texts,
            bytes / self.texts.max(1),
            started.elapsed().as_secs_f64()
        )?;
        let report = self.replay(&url, &ground.redis.url()).await?;
        let field = |name: &str| report.get(name).cloned().unwrap_or_default();
        let memory = field("peak_memory").as_u64().unwrap_or(0) / 1024 / 1024;
        let rate = field("texts_per_second").as_f64().unwrap_or(0.0);
        writeln!(
            io::stdout(),
            "{} differences of {}; {rate:.0} texts a second on {} threads, {:.1} s; at most {memory} MiB of memory",
            field("differences"),
            field("judged"),
            field("threads"),
            field("seconds").as_f64().unwrap_or(0.0),
        )?;
        Ok(ExitCode::SUCCESS)
    }

    async fn replay(&self, database: &str, redis: &str) -> Result<Value> {
        let mut command = Command::new(&self.plctl);
        command.args(["moderation", "replay", "--json"]).args(&self.arguments);
        command.env("PLCTL_REDIS_URL", redis);
        for service in ["POST", "INTERACTION", "MODERATION"] {
            command.env(format!("PLCTL_{service}_DATABASE_URL"), database);
        }
        let output = command.output().await.context("plctl cannot be started")?;
        ensure!(
            [Some(0), Some(3)].contains(&output.status.code()),
            "plctl failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Judges and stores; how many bytes of text there are.
async fn fill(db: &DatabaseConnection, texts: u64) -> Result<u64> {
    let analyser = RuleAnalyser::embedded()?;
    let begin = DateTime::from_timestamp(1_767_225_600, 0).context("a moment")?;
    let mut bytes = 0;
    let mut from = 0;
    while from < texts {
        let to = (from + BATCH).min(texts);
        let middle = u64::midpoint(from, to);
        let halves = std::thread::scope(|scope| {
            let half = |from: u64, to: u64| {
                let analyser = &analyser;
                scope.spawn(move || {
                    (from..to).map(|n| judged(analyser, n, begin)).collect::<Result<Vec<_>>>()
                })
            };
            let halves = [half(from, middle), half(middle, to)];
            halves.map(|half| half.join().map_err(|_panic| anyhow::anyhow!("a thread ended")))
        });
        let (mut posts, mut comments, mut judgements) = (Vec::new(), Vec::new(), Vec::new());
        for half in halves {
            for Judged { text, judgement } in half?? {
                bytes += text.pointer("/data/body").and_then(Value::as_str).map_or(0, str::len);
                if text.get("kind").and_then(Value::as_str) == Some("post") {
                    posts.push(text);
                } else {
                    comments.push(text);
                }
                judgements.push(judgement);
            }
        }
        for (schema, rows) in
            [("post", posts), ("interaction", comments), ("moderation", judgements)]
        {
            store(db, schema, rows).await?;
        }
        from = to;
    }
    Ok(u64::try_from(bytes)?)
}

async fn store(db: &DatabaseConnection, schema: &str, rows: Vec<Value>) -> Result<()> {
    let rows = Value::Array(rows);
    let statement = match schema {
        "post" => raw_sql!(
            Postgres,
            "INSERT INTO post.event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata,
                                     occurred_at)
               SELECT gen_random_uuid(), r.kind, r.id, 1, r.type, true, r.data, jsonb_build_object(), r.at
                 FROM jsonb_to_recordset({rows}) AS r (id uuid, kind text, type text, data jsonb, at timestamptz)"
        ),
        "interaction" => raw_sql!(
            Postgres,
            "INSERT INTO interaction.event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data,
                                            metadata, occurred_at)
               SELECT gen_random_uuid(), r.kind, r.id, 1, r.type, true, r.data, jsonb_build_object(), r.at
                 FROM jsonb_to_recordset({rows}) AS r (id uuid, kind text, type text, data jsonb, at timestamptz)"
        ),
        _ => raw_sql!(
            Postgres,
            "INSERT INTO moderation.event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data,
                                           metadata, occurred_at)
               SELECT gen_random_uuid(), r.kind, r.id, 1, r.type, false, r.data, jsonb_build_object(), r.at
                 FROM jsonb_to_recordset({rows}) AS r (id uuid, kind text, type text, data jsonb, at timestamptz)"
        ),
    };
    db.execute_raw(statement).await?;
    Ok(())
}

/// The text of a number, always the same: 40 to 300 bytes.
fn words(n: u64) -> String {
    let mut state = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0)
    };
    let parts = 1 + next() % 4;
    let parts: Vec<&str> =
        (0..parts).filter_map(|_| PARTS.get(next() % PARTS.len())).copied().collect();
    parts.join(" ")
}

/// Two of three are posts, the others comments.
fn judged(analyser: &RuleAnalyser, n: u64, begin: DateTime<Utc>) -> Result<Judged> {
    let at = begin + TimeDelta::seconds(i64::try_from(n % 2_592_000)?);
    let author_id = UserId::derive(&[&(n % 10_000).to_be_bytes()]);
    let body = words(n);
    let (subject, kind, event, publication) = if n.is_multiple_of(3) {
        let id = CommentId::derive(&[&n.to_be_bytes()]);
        let event = CommentEvent::Added {
            post_id: PostId::derive(&[&(n + 1).to_be_bytes()]),
            post_author_id: author_id,
            category: Category::Books,
            author_id,
            parent_id: None,
            parent_author_id: None,
            body,
            mint: None,
        };
        let publication = Publication::of_comment(event.clone());
        (Subject::Comment(id), "comment", event.encode()?, publication)
    } else {
        let id = PostId::derive(&[&n.to_be_bytes()]);
        let event = PostEvent::Published {
            author_id,
            title: "A title".to_owned(),
            body,
            category: Category::Food,
            mint: None,
        };
        let publication = Publication::of_post(event.clone());
        (Subject::Post(id), "post", event.encode()?, publication)
    };
    let publication = publication.context("it is public")?;
    let behaviour = Behaviour {
        published_last_hour: u32::try_from(n % 5)?,
        account_age_seconds: Some(n % 1_000_000),
        ..Behaviour::default()
    };
    let analysis = analyser.analyse(&publication.content(), &behaviour);
    let completed = Completed {
        subject,
        subject_version: 1,
        author_id,
        analyser: analyser.version().clone(),
        behaviour,
        analysis,
    };
    let id = uuid::Uuid::from_bytes(*subject.as_bytes());
    Ok(Judged {
        text: json!({ "id": id, "kind": kind, "type": event.event_type, "data": event.data, "at": at }),
        judgement: json!({
            "id": id, "kind": "screening", "type": "screening.completed.v1", "data": completed, "at": at,
        }),
    })
}
