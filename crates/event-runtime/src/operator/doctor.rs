//! Is everything as it should be? One line per question, each with what to do when it is not.

use chrono::{DateTime, Utc};
use fred::{clients::Client, error::Error};
use sea_orm::{DbErr, FromQueryResult, raw_sql};
use serde::Serialize;

use super::{CommandError, Site, groups, relay, reply::command, streams, subscriptions};

/// Lag from which a group deserves a look, in events.
const LAG: i64 = 10_000;

/// Age of the outbox from which the relay deserves a look, in seconds.
const OUTBOX_SECONDS: i64 = 10;

/// Clocks further apart than this make times in reports lie, in milliseconds.
const SKEW_MS: i64 = 1_000;

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and will not for long.
    Warn,
    /// It does not work.
    Fail,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What it is about: `redis` or the service.
    pub subject: String,
    /// The question, in a word or two.
    pub question: &'static str,
    /// How it was answered.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty when nothing is to be done.
    pub hint: String,
}

impl Answer {
    /// All is well.
    pub fn ok(subject: impl Into<String>, question: &'static str, seen: impl Into<String>) -> Self {
        Self::new(subject, question, Verdict::Ok, seen, "")
    }

    /// It works, and will not for long.
    pub fn warn(
        subject: impl Into<String>,
        question: &'static str,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(subject, question, Verdict::Warn, seen, hint)
    }

    /// It does not work.
    pub fn fail(
        subject: impl Into<String>,
        question: &'static str,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(subject, question, Verdict::Fail, seen, hint)
    }

    fn new(
        subject: impl Into<String>,
        question: &'static str,
        verdict: Verdict,
        seen: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { subject: subject.into(), question, verdict, seen: seen.into(), hint: hint.into() }
    }
}

/// Asks about Redis: its version, whether it may drop data by itself, whether it keeps what it is told, and how full it is.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn redis(redis: &Client) -> Result<Vec<Answer>, Error> {
    let info: String = command(redis, "", "INFO", &[]).await?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    let mut answers = Vec::new();
    let version = field("redis_version");
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    answers.push(if major >= 7 {
        Answer::ok("redis", "version", version)
    } else {
        Answer::fail("redis", "version", version, "run Redis 7 or later")
    });

    let policy = setting(redis, "maxmemory-policy").await?;
    answers.push(match policy.as_str() {
        "noeviction" => Answer::ok("redis", "eviction", policy),
        other if other.starts_with("allkeys") => Answer::fail(
            "redis",
            "eviction",
            other,
            "`maxmemory-policy noeviction`: this one drops streams that nobody has read",
        ),
        other => Answer::warn("redis", "eviction", other, "`maxmemory-policy noeviction`"),
    });
    let append_only = setting(redis, "appendonly").await?;
    answers.push(if append_only == "yes" {
        Answer::ok("redis", "append-only file", append_only)
    } else {
        let hint = "`appendonly yes`: otherwise every restart fills the streams from the stores";
        Answer::warn("redis", "append-only file", append_only, hint)
    });

    let (used, limit): (u64, u64) =
        (field("used_memory").parse().unwrap_or(0), field("maxmemory").parse().unwrap_or(0));
    let seen = format!("{used} of {limit} bytes");
    answers.push(if limit == 0 {
        let hint = "set `maxmemory`, so that relays wait before the system ends Redis";
        Answer::warn("redis", "memory", format!("{used} bytes, no limit"), hint)
    } else if used.saturating_mul(10) > limit.saturating_mul(8) {
        let hint = "relays pause above 80 %: look at `lag` for a group that holds up `trim`";
        Answer::warn("redis", "memory", seen, hint)
    } else {
        Answer::ok("redis", "memory", seen)
    });
    Ok(answers)
}

async fn setting(redis: &Client, name: &str) -> Result<String, Error> {
    let pair: Vec<String> = command(redis, "", "CONFIG", &["GET", name]).await?;
    Ok(pair.into_iter().nth(1).unwrap_or_default())
}

#[derive(FromQueryResult)]
struct Tables {
    found: i64,
}

#[derive(FromQueryResult)]
struct DatabaseTime {
    now: DateTime<Utc>,
    version: i32,
}

/// Asks about one service: tables, clock, relay, groups, parked events. `now` is this machine's time.
///
/// # Errors
///
/// [`CommandError`] if the database or Redis fails in the middle.
pub async fn service(site: &Site, now: DateTime<Utc>) -> Result<Vec<Answer>, CommandError> {
    let subject = site.service.as_str();
    let mut answers = Vec::new();
    let time = DatabaseTime::find_by_statement(raw_sql!(
        Postgres,
        "SELECT clock_timestamp() AS now, current_setting('server_version_num')::integer / 10000 AS version"
    ))
    .one(&site.db)
    .await?
    .ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))?;
    answers.push(if time.version >= 14 {
        Answer::ok(subject, "postgres", format!("version {}", time.version))
    } else {
        let hint = "run PostgreSQL 14 or later";
        Answer::fail(subject, "postgres", format!("version {}", time.version), hint)
    });
    let skew = (time.now - now).num_milliseconds();
    answers.push(if skew.abs() <= SKEW_MS {
        Answer::ok(subject, "clock", format!("{skew} ms apart"))
    } else {
        let hint =
            "leases use the database's clock alone; ages in reports are wrong: set the clocks";
        Answer::warn(subject, "clock", format!("{skew} ms apart"), hint)
    });

    let tables = Tables::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS found FROM pg_tables WHERE schemaname = current_schema()
           AND tablename IN ('event', 'publication_head', 'watermark', 'parked_event', 'subscription', 'operator_action')"
    ))
    .one(&site.db)
    .await?;
    if tables.is_none_or(|tables| tables.found < 6) {
        let hint = format!("run `{subject}-service migrate`, or start the service");
        answers.push(Answer::fail(subject, "schema", "tables are missing", hint));
        return Ok(answers);
    }
    answers.push(Answer::ok(subject, "schema", "all tables are there"));
    answers.push(publishing(site).await?);
    answers.extend(reading(site).await?);
    answers.push(registered(site).await?);
    Ok(answers)
}

async fn publishing(site: &Site) -> Result<Answer, CommandError> {
    let subject = site.service.as_str();
    let relay = relay::status(site).await?;
    if let Some(pause) = relay.pause {
        let seen = format!("paused since {}: {}", pause.paused_at.to_rfc3339(), pause.reason);
        return Ok(Answer::warn(subject, "relay", seen, "`relay resume` when the reason is gone"));
    }
    if let Some(ahead) = relay.partitions.iter().find(|partition| partition.behind < 0) {
        let seen =
            format!("partition {}: stream {}, store {}", ahead.partition, ahead.last, ahead.head);
        let hint = "the store was restored to the past: bring it forward, or `epoch bump`";
        return Ok(Answer::fail(subject, "relay", seen, hint));
    }
    let behind: i64 = relay.partitions.iter().map(|partition| partition.behind).sum();
    let seen = format!("{} in the outbox, {behind} to be published", relay.outbox);
    Ok(if relay.outbox_seconds > OUTBOX_SECONDS {
        let hint = "is a process of the service running? Its log says why the relay cannot publish";
        Answer::fail(subject, "relay", seen, hint)
    } else {
        Answer::ok(subject, "relay", seen)
    })
}

async fn reading(site: &Site) -> Result<Vec<Answer>, CommandError> {
    let subject = site.service.as_str();
    let (mut answers, rows) = (Vec::new(), groups::list(site).await?);
    let mut names: Vec<&str> = rows.iter().map(|row| row.consumer_group.as_str()).collect();
    names.dedup();
    for name in names {
        let (mut lag, mut missing, mut parked, mut idle) = (0, 0, 0, 0);
        let mut is_paused = false;
        for row in rows.iter().filter(|row| row.consumer_group == name) {
            is_paused |= row.is_paused;
            parked += row.parked;
            idle += i64::from(row.owner.is_none());
            let Some(key) = row.stream() else { continue };
            let last = crate::relay::last_sequence(&site.redis, key).await?;
            lag += i64::try_from(last).unwrap_or(i64::MAX).saturating_sub(row.sequence).max(0);
            let known = streams::groups(site, &key.to_string()).await?;
            missing += i64::from(last > 0 && !known.iter().any(|found| found.group == name));
        }
        let seen = format!("{name}: lag {lag}, parked {parked}");
        answers.push(if is_paused {
            let hint = format!("`groups resume {name}`; while it is paused it holds up `trim`");
            Answer::warn(subject, "group", format!("{seen}, paused"), hint)
        } else if idle > 0 {
            let hint = "no process works on it: start the service, then look at `lease ls`";
            Answer::fail(subject, "group", format!("{seen}, {idle} partitions without owner"), hint)
        } else if missing > 0 {
            let hint =
                format!("the owner makes it again; if it does not, `groups recreate {name}`");
            Answer::warn(subject, "group", format!("{seen}, missing in Redis"), hint)
        } else if parked > 0 {
            let hint = format!("`parked ls --group {name}`, mend the cause, `parked redrive`");
            Answer::warn(subject, "group", seen, hint)
        } else if lag > LAG {
            Answer::warn(subject, "group", seen, "`lag` again: it should shrink; else add replicas")
        } else {
            Answer::ok(subject, "group", seen)
        });
    }
    Ok(answers)
}

async fn registered(site: &Site) -> Result<Answer, CommandError> {
    let subject = site.service.as_str();
    let registered = subscriptions::list(site).await?;
    let streams = streams::list(site).await?;
    let mut missing: Vec<&str> = registered
        .iter()
        .filter(|row| row.state != "retired")
        .filter(|row| {
            let stream = streams.iter().find(|stream| stream.partition == row.partition);
            stream.is_some_and(|stream| {
                stream.exists
                    && !stream.groups.iter().any(|group| group.group == row.consumer_group)
            })
        })
        .map(|row| row.consumer_group.as_str())
        .collect();
    missing.dedup();
    Ok(if missing.is_empty() {
        Answer::ok(subject, "registry", format!("{} registrations", registered.len()))
    } else {
        let hint = "its service makes it again; if there is none any more, `groups retire`";
        let seen = format!("trimming waits for {}, which Redis does not have", missing.join(", "));
        Answer::warn(subject, "registry", seen, hint)
    })
}
