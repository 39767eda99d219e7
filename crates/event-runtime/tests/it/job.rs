//! Jobs: once per key, again after a failure, never in the way of others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use event_runtime::{EventStore, Job, JobOutcome, JobWorker, RuntimeBuilder};
use sea_orm::{ConnectionTrait, TransactionTrait as _};
use test_kit::eventually;

use crate::world::{LIMIT, Node, World};

/// Remembers how often each key was tried, and does what the key says.
#[derive(Clone, Default)]
struct Errands(Arc<Mutex<HashMap<String, i32>>>);

impl Errands {
    fn attempts(&self, key: &str) -> i32 {
        self.0.lock().unwrap().get(key).copied().unwrap_or(0)
    }
}

#[async_trait]
impl JobWorker for Errands {
    fn kind(&self) -> &'static str {
        "errand"
    }

    fn max_attempts(&self) -> i32 {
        2
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        let attempt = {
            let mut attempts = self.0.lock().unwrap();
            let attempt = attempts.entry(job.key.clone()).or_default();
            *attempt += 1;
            *attempt
        };
        assert_eq!(job.payload, serde_json::json!({ "of": job.key }));
        match job.key.as_str() {
            "fails-once" | "fails-always" if attempt == 1 => JobOutcome::Retry("not yet".into()),
            "fails-always" => JobOutcome::Retry("never".into()),
            "is-hopeless" => JobOutcome::Fail("hopeless".into()),
            "quotes-nul" => JobOutcome::Fail("they said \0".into()),
            "panics-once" => {
                assert!(attempt > 1, "a bug");
                JobOutcome::Done
            }
            _ => JobOutcome::Done,
        }
    }
}

async fn ask(store: &EventStore, keys: &[&str]) {
    let work = store.begin().await.unwrap();
    for key in keys {
        work.enqueue("errand", key, &serde_json::json!({ "of": key })).await.unwrap();
    }
    work.commit().await.unwrap();
}

async fn state(world: &World, key: &str) -> (String, i32, String) {
    let row = world
        .db
        .query_one_raw(sea_orm::raw_sql!(
            Postgres,
            "SELECT state, attempts, coalesce(last_error, '') AS error FROM job WHERE key = {key}"
        ))
        .await
        .unwrap()
        .unwrap();
    let state = row.try_get("", "state").unwrap();
    (state, row.try_get("", "attempts").unwrap(), row.try_get("", "error").unwrap())
}

#[tokio::test]
async fn a_job_is_done_once_per_key_and_tried_again_after_a_failure() {
    let world = World::new(1).await;
    let store = world.engagement(&world.engagement_url).await;
    let errands = Errands::default();
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).worker(errands.clone());
    let node = Node::start(builder.build());

    let keys = ["works", "panics-once", "fails-once", "fails-always", "is-hopeless", "works-too"];
    ask(&store, &keys).await;
    ask(&store, &keys).await;
    let open = "SELECT count(*) FROM engagement.job WHERE state = 'ready'";
    eventually(LIMIT, || async { world.number(open).await.unwrap() == 0 }).await;
    ask(&store, &keys).await;
    ask(&store, &["last"]).await;
    eventually(LIMIT, || async { errands.attempts("last") == 1 }).await;

    let attempts = keys.map(|key| errands.attempts(key));
    assert_eq!(attempts, [1, 2, 2, 2, 1, 1]);
    for recovered in ["fails-once", "panics-once"] {
        assert_eq!(state(&world, recovered).await, ("done".to_owned(), 2, String::new()));
    }
    assert_eq!(state(&world, "fails-always").await, ("failed".to_owned(), 2, "never".to_owned()));
    assert_eq!(state(&world, "is-hopeless").await, ("failed".to_owned(), 1, "hopeless".to_owned()));
    // What a finished job was about is forgotten.
    let kept = "SELECT count(*) FROM engagement.job WHERE state = 'done' AND payload <> '{}'";
    assert_eq!(world.number(kept).await.unwrap(), 0);
    node.stop().await;
}

#[tokio::test]
async fn a_job_of_a_rolled_back_decision_is_never_done() {
    let world = World::new(1).await;
    let store = world.engagement(&world.engagement_url).await;
    let errands = Errands::default();
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).worker(errands.clone());
    let node = Node::start(builder.build());
    let work = store.begin().await.unwrap();
    work.enqueue("errand", "undone", &serde_json::json!({})).await.unwrap();
    work.rollback().await.unwrap();

    ask(&store, &["done"]).await;
    eventually(LIMIT, || async { errands.attempts("done") == 1 }).await;
    assert_eq!(errands.attempts("undone"), 0);
    node.stop().await;
}

/// A worker that was killed after it took a job: the claim ends, and another worker does the job.
#[tokio::test]
async fn a_job_whose_worker_died_is_done_by_another_when_its_claim_ends() {
    let world = World::new(1).await;
    let store = world.engagement(&world.engagement_url).await;
    let errands = Errands::default();
    ask(&store, &["claimed", "free"]).await;
    let claim =
        "UPDATE job SET attempts = 1, run_at = now() + interval '60 s' WHERE key = 'claimed'";
    world.db.execute_unprepared(claim).await.unwrap();
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).worker(errands.clone());
    let node = Node::start(builder.build());
    eventually(LIMIT, || async { errands.attempts("free") == 1 }).await;
    assert_eq!(errands.attempts("claimed"), 0);

    let later = "UPDATE job SET run_at = now() - interval '1 s' WHERE key = 'claimed'";
    world.db.execute_unprepared(later).await.unwrap();
    eventually(Duration::from_secs(5), || async { errands.attempts("claimed") == 1 }).await;
    assert_eq!(state(&world, "claimed").await.1, 2);
    node.stop().await;
}

/// Such as one that takes all memory: it ended whoever did it, and would end the others.
#[tokio::test]
async fn a_job_whose_attempts_all_ended_with_their_process_fails_without_another() {
    let world = World::new(1).await;
    let store = world.engagement(&world.engagement_url).await;
    let errands = Errands::default();
    ask(&store, &["deadly", "quotes-nul"]).await;
    let killed = "UPDATE job SET attempts = 2 WHERE key = 'deadly'";
    world.db.execute_unprepared(killed).await.unwrap();
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).worker(errands.clone());
    let node = Node::start(builder.build());

    let open = "SELECT count(*) FROM engagement.job WHERE state = 'ready'";
    eventually(LIMIT, || async { world.number(open).await.unwrap() == 0 }).await;
    let (state_of_deadly, _, why) = state(&world, "deadly").await;
    assert_eq!((errands.attempts("deadly"), state_of_deadly.as_str()), (0, "failed"));
    assert!(why.contains("ended with its process"), "{why}");
    // What the database cannot keep as it is does not keep a job from ending either.
    let quoted = ("failed".to_owned(), 1, "they said \u{fffd}".to_owned());
    assert_eq!(state(&world, "quotes-nul").await, quoted);
    node.stop().await;
}

/// Works until the test lets go, and says with which attempt it did.
#[derive(Clone)]
struct Slow {
    started: Arc<Mutex<Vec<i32>>>,
    ended: Arc<Mutex<Vec<i32>>>,
    gate: Arc<tokio::sync::Semaphore>,
    claim: Duration,
}

#[async_trait]
impl JobWorker for Slow {
    fn kind(&self) -> &'static str {
        "errand"
    }

    fn claim(&self) -> Duration {
        self.claim
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        self.started.lock().unwrap().push(job.attempts);
        if job.attempts > 1 {
            return JobOutcome::Done;
        }
        self.gate.acquire().await.unwrap().forget();
        self.ended.lock().unwrap().push(job.attempts);
        JobOutcome::Fail("too late".into())
    }
}

async fn slow(world: &World, claim: Duration) -> (Slow, [Node; 2], EventStore) {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let slow = Slow { started: Arc::default(), ended: Arc::default(), gate, claim };
    let store = world.engagement(&world.engagement_url).await;
    let node = || async {
        let store = world.engagement(&world.engagement_url).await;
        Node::start(RuntimeBuilder::new(store, world.redis.url()).worker(slow.clone()).build())
    };
    let nodes = [node().await, node().await];
    ask(&store, &["long"]).await;
    eventually(LIMIT, || async { slow.started.lock().unwrap().len() == 1 }).await;
    (slow, nodes, store)
}

#[tokio::test]
async fn a_job_that_takes_longer_than_its_claim_is_not_taken_by_another_worker() {
    let world = World::new(1).await;
    let (slow, nodes, _) = slow(&world, Duration::from_secs(3)).await;
    let started = std::time::Instant::now();
    eventually(LIMIT, || async { started.elapsed() > Duration::from_secs(8) }).await;
    assert_eq!(*slow.started.lock().unwrap(), [1]);
    slow.gate.add_permits(1);
    eventually(LIMIT, || async { state(&world, "long").await.0 == "failed" }).await;
    for node in nodes {
        node.stop().await;
    }
}

/// A renewal may have to wait, for a connection or for a row, and the work may hold what it waits for.
#[tokio::test]
async fn a_job_goes_on_while_its_claim_is_being_renewed() {
    let world = World::new(1).await;
    let (slow, nodes, _) = slow(&world, Duration::from_secs(3)).await;
    let held = world.db.begin().await.unwrap();
    held.execute_unprepared("SELECT FROM job FOR UPDATE").await.unwrap();
    eventually(LIMIT, || async { world.waiting_for_rows().await.unwrap() == 1 }).await;

    slow.gate.add_permits(1);
    eventually(LIMIT, || async { *slow.ended.lock().unwrap() == [1] }).await;
    assert_eq!(world.waiting_for_rows().await.unwrap(), 1);
    held.rollback().await.unwrap();
    eventually(LIMIT, || async { state(&world, "long").await.0 == "failed" }).await;
    for node in nodes {
        node.stop().await;
    }
}

/// It was asleep, say; what it comes to must not undo what the other one did.
#[tokio::test]
async fn a_worker_that_lost_its_job_does_not_decide_about_it_any_more() {
    let world = World::new(1).await;
    let (slow, nodes, _) = slow(&world, Duration::from_mins(1)).await;
    let ended = "UPDATE job SET run_at = now() - interval '1 s' WHERE key = 'long'";
    world.db.execute_unprepared(ended).await.unwrap();
    eventually(LIMIT, || async { state(&world, "long").await.0 == "done" }).await;
    slow.gate.add_permits(1);
    for node in nodes {
        node.stop().await;
    }
    assert_eq!(state(&world, "long").await, ("done".to_owned(), 2, String::new()));
}

/// Does errands together, unless one of them has to be done alone.
#[derive(Clone, Default)]
struct Tour {
    together: Arc<Mutex<Vec<usize>>>,
    alone: Errands,
}

#[async_trait]
impl JobWorker for Tour {
    fn kind(&self) -> &'static str {
        "errand"
    }

    async fn run(&self, job: &Job) -> JobOutcome {
        self.alone.run(job).await
    }

    fn at_once(&self) -> u16 {
        5
    }

    async fn run_together(&self, jobs: &[Job]) -> bool {
        assert!(jobs.iter().all(|job| job.key != "panics-once"), "a bug");
        let is_plain = jobs.iter().all(|job| job.key.starts_with("works"));
        if is_plain {
            self.together.lock().unwrap().push(jobs.len());
        }
        is_plain
    }
}

#[tokio::test]
async fn jobs_are_done_together_and_one_by_one_where_that_does_not_go() {
    let world = World::new(1).await;
    let store = world.engagement(&world.engagement_url).await;
    let tour = Tour::default();
    let keys: Vec<String> = (0..12).map(|number| format!("works-{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    ask(&store, &keys).await;
    let builder = RuntimeBuilder::new(store.clone(), world.redis.url()).worker(tour.clone());
    let node = Node::start(builder.build());
    let open = "SELECT count(*) FROM engagement.job WHERE state = 'ready'";
    eventually(LIMIT, || async { world.number(open).await.unwrap() == 0 }).await;

    let together: Vec<usize> = tour.together.lock().unwrap().clone();
    // The last two of twelve are two together as well.
    assert_eq!(together, [5, 5, 2]);
    assert!(keys.iter().all(|key| tour.alone.attempts(key) == 0));

    ask(&store, &["works-as-ever", "is-hopeless", "panics-once", "works-too"]).await;
    eventually(LIMIT, || async { world.number(open).await.unwrap() == 0 }).await;
    assert_eq!(state(&world, "is-hopeless").await, ("failed".to_owned(), 1, "hopeless".to_owned()));
    assert_eq!(state(&world, "panics-once").await, ("done".to_owned(), 2, String::new()));
    assert_eq!(tour.alone.attempts("works-as-ever"), 1);
    assert_eq!(tour.alone.attempts("works-too"), 1);
    let kept = "SELECT count(*) FROM engagement.job WHERE state = 'done' AND payload <> '{}'";
    assert_eq!(world.number(kept).await.unwrap(), 0);
    node.stop().await;
}
