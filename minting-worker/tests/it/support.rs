//! A running worker, what happens elsewhere, and the people who look.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use event_runtime::Clock;
use reqwest::{Client, Response};
use serde_json::Value;
use service_kit::{Env, Running};
use shared_schemas::{
    CaseId, CommentId, Event, PostId, UserId,
    comment::CommentEvent,
    post::{Category, PostEvent},
    signing_key::SigningKeyEvent,
    user::Role,
};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(15);

pub(crate) const CASE: CaseId = CaseId(Uuid::from_u128(9));

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) redis: TestRedis,
    publisher: Publisher,
    versions: Mutex<HashMap<Uuid, i64>>,
    issuer: TestIssuer,
    client: Client,
    _database: TestDatabase,
}

impl World {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::unpublished().unwrap();
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("minting").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ]);
        let definition = minting_worker::definition();
        let running = service_kit::service::start(&definition, env, Clock::System).await.unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        let versions = Mutex::default();
        let world =
            Self { running, redis, publisher, versions, issuer, client, _database: database };
        world.publish_key().await;
        let url = format!("http://{}/readyz", world.running.addr);
        eventually(SOON, || async {
            let ready = world.client.get(&url).send().await?;
            ready.error_for_status()
        })
        .await;
        world
    }

    /// Every projection says what its events say.
    pub(crate) async fn audited(&self) {
        for name in self.running.runtime.projections() {
            let report = self.running.runtime.audit(name).await.unwrap();
            assert_eq!(report.drift, [], "{name}");
        }
    }

    async fn publish_key(&self) {
        let public_key = self.issuer.public_key().to_owned();
        self.happen(self.issuer.key_id(), &SigningKeyEvent::Activated { public_key }).await;
    }

    /// Publishes the next event of an aggregate.
    pub(crate) async fn happen<E: Event>(&self, id: impl Into<Uuid>, event: &E) {
        let id = id.into();
        let version = {
            let mut versions = self.versions.lock().unwrap();
            let version = versions.entry(id).or_default();
            *version += 1;
            *version
        };
        self.publisher.publish(id, version, event).await.unwrap();
    }

    /// Redis loses everything, and the producers publish their history anew.
    pub(crate) async fn lose_redis(&self) {
        self.redis.flushall().await.unwrap();
        self.versions.lock().unwrap().clear();
        self.publish_key().await;
    }

    /// An answer to somebody with a role, or to nobody at all.
    pub(crate) async fn get(&self, caller: Option<(UserId, Role)>, path: &str) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        let mut request = self.client.get(url);
        if let Some((person, role)) = caller {
            request = request.bearer_auth(self.issuer.token(person, &[role]));
        }
        answer(request.send().await.unwrap()).await
    }

    /// Waits until the mints that somebody sees stand like this, newest first.
    pub(crate) async fn wait_for(&self, person: UserId, states: &[&str]) -> Vec<Value> {
        eventually(SOON, || async {
            let page = self.get(Some((person, Role::User)), "/mints?limit=100").await.1;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let found: Vec<&str> = items.iter().filter_map(|mint| mint["state"].as_str()).collect();
            if found == states { Ok(items) } else { Err(page) }
        })
        .await
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn person(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(crate) fn post(number: u128) -> PostId {
    PostId(Uuid::from_u128(0x100 + number))
}

pub(crate) fn comment(number: u128) -> CommentId {
    CommentId(Uuid::from_u128(0x200 + number))
}

pub(crate) fn published(author_id: UserId) -> PostEvent {
    PostEvent::Published {
        author_id,
        title: "A title".to_owned(),
        body: "A body.".to_owned(),
        category: Category::Books,
    }
}

pub(crate) fn added(author_id: UserId) -> CommentEvent {
    CommentEvent::Added {
        post_id: post(1),
        post_author_id: person(1),
        category: Category::Books,
        author_id,
        parent_id: None,
        parent_author_id: None,
        body: "A comment.".to_owned(),
    }
}
