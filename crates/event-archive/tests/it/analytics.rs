//! The questions of `docs/analytics`, asked of an export whose answers are known.

use std::path::{Path, PathBuf};

use event_archive::{Format, Options};
use serde_json::{Value, json};
use shared_schemas::{
    CaseId, CommentId, PostId, ReactionId, Service, UserId,
    comment::CommentEvent,
    moderation::{CaseEvent, Decider, Decision, Subject},
    post::{Category, PostEvent},
    reaction::{ReactionEvent, ReactionKind},
};
use tokio::process::Command;

use crate::{
    export::run,
    world::{Producer, World, id, person},
};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The interpreter of a virtual environment that has what `requirements.txt` names. Fails where there is no Python: these
/// questions are documentation, and documentation that nobody tried is wrong.
async fn python() -> PathBuf {
    let tools = repository().join("target/tools");
    std::fs::create_dir_all(&tools).unwrap();
    let lock = std::fs::File::create(tools.join("duckdb.lock")).unwrap();
    let _lock = tokio::task::spawn_blocking(move || {
        lock.lock().unwrap();
        lock
    })
    .await
    .unwrap();
    let requirements = repository().join("docs/analytics/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).unwrap();
    let home = tools.join("duckdb");
    let (python, installed) = (home.join("bin/python"), home.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) && python.exists() {
        return python;
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home).output().await;
    let made = made.expect("python3 is needed for DuckDB: install python3 and python3-venv");
    assert!(
        made.status.success(),
        "python3 -m venv failed: install python3-venv. {}{}",
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
    let pip = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements)
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&pip.stderr);
    assert!(pip.status.success(), "pip cannot install {}: {error}", wanted.trim());
    std::fs::write(installed, wanted).unwrap();
    python
}

/// The rows of an answer.
async fn ask(python: &Path, archive: &Path, question: &str) -> Value {
    let output = Command::new(python)
        .arg(repository().join("docs/analytics/ask.py"))
        .arg(archive)
        .args([question, "--json"])
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{question}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn post(number: u128) -> PostId {
    PostId(id(number))
}

/// What people did in three days.
struct Story<'a> {
    world: &'a World,
    posts: Producer,
    interactions: Producer,
    moderation: Producer,
}

impl Story<'_> {
    async fn publish(&self, number: u128, author: u128) {
        let published = PostEvent::Published {
            author_id: person(author),
            title: "A title".to_owned(),
            body: "with \"quotes\", a comma and\na second line".to_owned(),
            category: Category::Other,
            mint: None,
        };
        self.posts.record(post(number), person(author), vec![published]).await;
    }

    async fn comment(&self, number: u128, on: u128) {
        let added = CommentEvent::Added {
            post_id: post(on),
            post_author_id: person(1),
            category: Category::Other,
            author_id: person(9),
            parent_id: None,
            parent_author_id: None,
            body: "Well said".to_owned(),
            mint: None,
        };
        self.interactions.record(CommentId(id(0xc000 + number)), person(9), vec![added]).await;
    }

    async fn react(&self, user_id: UserId, on: u128, author: u128, then: Then) {
        let (post_id, post_author_id, category) = (post(on), person(author), Category::Other);
        let kind = ReactionKind::Like;
        let mut events =
            vec![ReactionEvent::Added { post_id, post_author_id, category, user_id, kind }];
        match then {
            Then::Keep => (),
            Then::Change => events.push(ReactionEvent::Changed {
                post_id,
                user_id,
                from: kind,
                to: ReactionKind::Love,
            }),
            Then::TakeBack => events.push(ReactionEvent::Removed {
                post_id,
                post_author_id,
                category,
                user_id,
                kind,
            }),
        }
        self.interactions.record(ReactionId::of(user_id, post_id), user_id, events).await;
    }

    async fn decide(&self, number: u128, subject: Subject) {
        let decided = CaseEvent::Decided {
            subject,
            author_id: person(1),
            decision: Decision::Restore,
            reasons: Vec::new(),
            decided_by: Decider::Policy { version: "1".to_owned(), batch_id: None },
        };
        self.moderation.record(CaseId(id(0xd000 + number)), person(8), vec![decided]).await;
    }

    async fn happen(&self) {
        let world = self.world;
        world.move_to(1, 23, 50);
        self.publish(1, 1).await;
        self.publish(2, 2).await;
        world.move_to(1, 23, 55);
        self.comment(1, 1).await;
        world.move_to(2, 0, 10);
        self.comment(2, 1).await;
        self.comment(3, 2).await;
        self.decide(1, Subject::Post(post(1))).await;
        self.decide(2, Subject::Comment(CommentId(id(0xc001)))).await;
        for reader in 20..23 {
            self.react(person(reader), 1, 1, Then::Keep).await;
        }
        self.react(person(23), 1, 1, Then::Change).await;
        self.react(person(24), 1, 1, Then::TakeBack).await;
        self.react(person(20), 2, 2, Then::Keep).await;
        self.react(person(20), 3, 3, Then::TakeBack).await;
        world.move_to(3, 8, 0);
        // Taken back and published again: not another post.
        self.posts.record(post(2), person(2), vec![PostEvent::Archived {}]).await;
        self.publish(2, 2).await;
        self.publish(3, 3).await;
        self.publish(4, 3).await;
        world.move_to(3, 9, 0);
        self.comment(4, 3).await;
        self.decide(3, Subject::Post(post(3))).await;
        for producer in [&self.posts, &self.interactions, &self.moderation] {
            producer.settled().await;
        }
    }
}

#[derive(Clone, Copy)]
enum Then {
    Keep,
    Change,
    TakeBack,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_questions_of_the_documentation_get_their_true_answers() {
    let python = python().await;
    let world = World::new().await;
    let story = Story {
        world: &world,
        posts: world.service(Service::Post).await,
        interactions: world.service(Service::Interaction).await,
        moderation: world.service(Service::Moderation).await,
    };
    story.happen().await;
    let archive = tempfile::tempdir().unwrap();
    let producers = [&story.posts, &story.interactions, &story.moderation];
    let options = Options { stretch_events: 3, ..Options::all(Format::Parquet) };
    run(&world, &producers, archive.path(), &options).await.unwrap();

    let per_day = ask(&python, archive.path(), "posts-and-comments-per-day.sql").await;
    let authors = ask(&python, archive.path(), "most-reacted-authors.sql").await;
    let waits = ask(&python, archive.path(), "time-to-first-answer.sql").await;

    assert_eq!(
        per_day,
        json!([
            { "day": "2026-03-01", "posts": 2, "comments": 1 },
            { "day": "2026-03-02", "posts": 0, "comments": 2 },
            { "day": "2026-03-03", "posts": 2, "comments": 1 },
        ])
    );
    let reactions: Vec<(String, String)> = authors
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["author_id"].as_str().unwrap().to_owned(), row["reactions"].to_string()))
        .collect();
    let expected =
        [(person(1).to_string(), "4".to_owned()), (person(2).to_string(), "1".to_owned())];
    assert_eq!(reactions, expected);
    // Comments after 5, 20 and 60 minutes; decisions after 20 and 60.
    assert_eq!(
        waits,
        json!([
            { "answer": "comment", "posts": 3, "median_seconds": 1_200.0 },
            { "answer": "decision", "posts": 2, "median_seconds": 2_400.0 },
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_every_column_with_its_type() {
    let python = python().await;
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(3, 10).await;
    let archive = tempfile::tempdir().unwrap();
    run(&world, &[&posts], archive.path(), &Options::all(Format::Parquet)).await.unwrap();
    let program = "import sys, json, duckdb
rows = duckdb.sql(f\"DESCRIBE SELECT * FROM '{sys.argv[1]}/date=*/*.parquet'\").fetchall()
print(json.dumps({row[0]: row[1] for row in rows}))";

    let output =
        Command::new(python).args(["-c", program]).arg(archive.path()).output().await.unwrap();

    let columns: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    for (column, kind) in [
        ("id", "VARCHAR"),
        ("type_version", "INTEGER"),
        ("partition", "INTEGER"),
        ("sequence", "BIGINT"),
        ("aggregate_version", "BIGINT"),
        ("time", "TIMESTAMP WITH TIME ZONE"),
        ("actor", "VARCHAR"),
        ("data", "VARCHAR"),
    ] {
        assert_eq!(columns[column], kind, "{column}: {columns}");
    }
}
