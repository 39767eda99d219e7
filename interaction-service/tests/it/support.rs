//! A running service, the people who use it, and the services it listens to.

use std::time::Duration;

use event_runtime::{Clock, RecordedEvent};
use reqwest::{Client, Method, RequestBuilder, Response};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use service_kit::{Env, Running};
use shared_schemas::{
    CaseId, CommentId, PostId, UserId,
    moderation::{CaseEvent, Decider, Decision, ModerationReason, Subject},
    post::{Category, PostEvent},
    user::Role,
};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) publisher: Publisher,
    pub(crate) clock: Clock,
    issuer: TestIssuer,
    client: Client,
    _redis: TestRedis,
    _database: TestDatabase,
}

pub(crate) struct Person {
    pub(crate) id: UserId,
    token: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_at(Clock::System).await
    }

    pub(crate) async fn start_at(clock: Clock) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::publish(&redis.url(), 2).await.unwrap();
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("interaction").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ]);
        let definition = interaction_service::definition();
        let running = service_kit::service::start(&definition, env, clock.clone()).await.unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        let world =
            Self { running, publisher, clock, issuer, client, _redis: redis, _database: database };
        eventually(SOON, || async { world.at_root("/readyz").await.status().is_success() }).await;
        world
    }

    pub(crate) async fn at_root(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.running.addr)).send().await.unwrap()
    }

    /// Every projection says what its events say.
    pub(crate) async fn audited(&self) {
        for name in self.running.runtime.projections() {
            let report = self.running.runtime.audit(name).await.unwrap();
            assert_eq!(report.drift, [], "{name}");
        }
    }

    pub(crate) fn person(&self, number: u128) -> Person {
        self.person_with(number, &[Role::User])
    }

    pub(crate) fn moderator(&self, number: u128) -> Person {
        self.person_with(number, &[Role::User, Role::Moderator])
    }

    /// A person whose token is good for a day by the clock of the service.
    fn person_with(&self, number: u128, roles: &[Role]) -> Person {
        let id = UserId(Uuid::from_u128(number));
        let now = self.clock.now().timestamp();
        let token = self.issuer.token_with(id, roles, |claims| {
            for (claim, time) in [("iat", now), ("nbf", now), ("exp", now + 86_400)] {
                claims.insert(claim.to_owned(), json!(time));
            }
        });
        Person { id, token }
    }

    pub(crate) fn request(&self, method: Method, person: &Person, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&person.token)
    }

    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}/api/v1{path}", self.running.addr))
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, person, path)).await
    }

    pub(crate) async fn delete(&self, person: &Person, path: &str) -> u16 {
        answer(self.request(Method::DELETE, person, path)).await.0
    }

    pub(crate) async fn post(&self, person: &Person, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::POST, person, path).json(body)).await
    }

    pub(crate) async fn put(&self, person: &Person, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::PUT, person, path).json(body)).await
    }

    /// The `items` of a list.
    pub(crate) async fn items(&self, person: &Person, path: &str) -> Vec<Value> {
        let (status, page) = self.get(person, path).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// Adds a comment and returns its id.
    pub(crate) async fn comment(&self, person: &Person, post: PostId, body: &Value) -> CommentId {
        let (status, comment) = self.post(person, &format!("/{post}/comments"), body).await;
        assert_eq!(status, 201, "{comment}");
        comment["id"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until a request is answered with a status.
    pub(crate) async fn wait_for(&self, person: &Person, path: &str, expected: u16) -> Value {
        eventually(SOON, || async {
            match self.get(person, path).await {
                (status, body) if status == expected => Ok(body),
                other => Err(other),
            }
        })
        .await
    }

    /// A post in FOOD that is published at this moment; the service may not know of it yet.
    pub(crate) async fn published(&self, author: &Person) -> PostId {
        let post = PostId::new(self.clock.now());
        self.tell(post, 1, &published(author.id, Category::Food)).await;
        post
    }

    /// Lets post-service say something.
    pub(crate) async fn tell(&self, post: PostId, version: i64, event: &PostEvent) {
        self.publisher.publish(post, version, event).await.unwrap();
    }

    /// Lets moderation-service decide.
    pub(crate) async fn decide(
        &self,
        case: CaseId,
        version: i64,
        comment: CommentId,
        decision: Decision,
    ) {
        let event = CaseEvent::Decided {
            subject: Subject::Comment(comment),
            author_id: UserId(Uuid::from_u128(1)),
            decision,
            reasons: vec![ModerationReason::Spam],
            decided_by: Decider::Policy { version: "test".to_owned(), batch_id: None },
        };
        self.publisher.publish(case, version, &event).await.unwrap();
    }

    pub(crate) fn db(&self) -> &DatabaseConnection {
        self.running.store.db()
    }

    /// The events of one aggregate.
    pub(crate) async fn history(&self, category: &str, id: impl Into<Uuid>) -> Vec<RecordedEvent> {
        self.running.store.history(self.db(), category, id.into()).await.unwrap()
    }

    /// The result of a query that gives one JSON value.
    pub(crate) async fn query(&self, query: Statement) -> Value {
        self.db().query_one_raw(query).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }
}

pub(crate) fn published(author_id: UserId, category: Category) -> PostEvent {
    PostEvent::Published {
        author_id,
        title: "A title".to_owned(),
        body: "A body.".to_owned(),
        category,
        mint: None,
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Status and entity tag.
pub(crate) async fn tagged(request: RequestBuilder) -> (u16, Option<String>) {
    let response = request.send().await.unwrap();
    let tag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
    (response.status().as_u16(), tag)
}
