//! A running service, the people who use it, and the services it listens to.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use content_screening::record::{Completed, ScreeningEvent};
use event_runtime::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use service_kit::{Env, Running};
use shared_schemas::{
    CaseId, CommentId, PostId, UserId,
    comment::CommentEvent,
    envelope::Metadata,
    moderation::Subject,
    post::{Category, PostEvent},
    user::Role,
};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Who writes, unless a test says otherwise.
pub(crate) const AUTHOR: UserId = UserId(Uuid::from_u128(1));

/// Nobody minds.
pub(crate) const ORDINARY: &str = "The sun is finally out and the whole street smells of bread.";
/// A person should look at this.
pub(crate) const INSULT: &str = "Well then, you are an idiot and that is that.";
/// This goes at once.
pub(crate) const THREAT: &str = "I know where you live and I'm going to kill you";

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) publisher: Publisher,
    pub(crate) redis: TestRedis,
    issuer: TestIssuer,
    client: Client,
    env: Vec<(&'static str, String)>,
    _database: TestDatabase,
}

pub(crate) struct Person {
    pub(crate) id: UserId,
    token: String,
}

impl Person {
    /// Somebody with an id that a test has chosen.
    pub(crate) fn of(world: &World, id: UserId, roles: &[Role]) -> Self {
        Self { id, token: world.issuer.token(id, roles) }
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A world whose service has settings of its own.
    pub(crate) async fn start_with(settings: &[(&'static str, &str)]) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::publish(&redis.url(), 2).await.unwrap();
        let mut env = vec![
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("moderation").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ];
        env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let running = start(&env).await;
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        let world = Self { running, publisher, redis, issuer, client, env, _database: database };
        eventually(SOON, || async {
            let url = format!("http://{}/readyz", world.running.addr);
            world.client.get(url).send().await.unwrap().status().is_success()
        })
        .await;
        world
    }

    /// Another instance of the service, on the same database and the same Redis.
    pub(crate) async fn another(&self, settings: &[(&'static str, &str)]) -> Running {
        let mut env = self.env.clone();
        env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        start(&env).await
    }

    pub(crate) fn admin(&self) -> Person {
        self.person(200, &[Role::User, Role::Admin])
    }

    /// Every projection says what its events say.
    pub(crate) async fn audited(&self) {
        for name in self.running.runtime.projections() {
            let report = self.running.runtime.audit(name).await.unwrap();
            assert_eq!(report.drift, [], "{name}");
        }
    }

    pub(crate) fn db(&self) -> &DatabaseConnection {
        self.running.store.db()
    }

    pub(crate) fn moderator(&self) -> Person {
        self.person(100, &[Role::User, Role::Moderator])
    }

    pub(crate) fn person(&self, number: u128, roles: &[Role]) -> Person {
        let id = UserId(Uuid::from_u128(number));
        Person { id, token: self.issuer.token(id, roles) }
    }

    pub(crate) fn request(&self, method: Method, person: &Person, path: &str) -> RequestBuilder {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        self.client.request(method, url).bearer_auth(&person.token)
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, person, path).send().await.unwrap()).await
    }

    /// Decides a case as a person.
    pub(crate) async fn decide(
        &self,
        person: &Person,
        case: &Value,
        decision: &str,
    ) -> (u16, Value) {
        let path = format!("/moderation/cases/{}/decision", case["id"].as_str().unwrap());
        let request = self.request(Method::POST, person, &path);
        answer(request.json(&json!({ "decision": decision })).send().await.unwrap()).await
    }

    /// Publishes a post of the author, now.
    pub(crate) async fn post(&self, number: u128, body: &str) -> PostId {
        let id = PostId(Uuid::from_u128(number));
        self.publisher.publish(id, 1, &published(body)).await.unwrap();
        id
    }

    /// Publishes a post of somebody, now.
    pub(crate) async fn post_of(&self, author_id: UserId, number: u128, body: &str) -> PostId {
        let id = PostId(Uuid::from_u128(number));
        let event = PostEvent::Published {
            author_id,
            title: "A title".to_owned(),
            body: body.to_owned(),
            category: Category::Books,
            mint: None,
        };
        self.publisher.publish(id, 1, &event).await.unwrap();
        id
    }

    /// Sends a body and reads the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        person: &Person,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        answer(self.request(method, person, path).json(&body).send().await.unwrap()).await
    }

    /// Publishes a post of the author at a moment.
    pub(crate) async fn post_at(&self, number: u128, body: &str, at: DateTime<Utc>) -> PostId {
        let id = PostId(Uuid::from_u128(number));
        let (event, nobody) = (published(body), Metadata::default());
        self.publisher.publish_with(id, 1, &event, &nobody, at).await.unwrap();
        id
    }

    /// Publishes a comment of the author, now.
    pub(crate) async fn comment(&self, number: u128, body: &str) -> CommentId {
        let id = CommentId(Uuid::from_u128(number));
        let event = CommentEvent::Added {
            post_id: PostId(Uuid::from_u128(9_000)),
            post_author_id: UserId(Uuid::from_u128(9_001)),
            category: Category::Books,
            author_id: AUTHOR,
            parent_id: None,
            parent_author_id: None,
            body: body.to_owned(),
            mint: None,
        };
        self.publisher.publish(id, 1, &event).await.unwrap();
        id
    }

    /// What screening has recorded about some content, once there are so many judgements.
    pub(crate) async fn screenings(&self, id: impl Into<Uuid>, count: usize) -> Vec<Completed> {
        let id = id.into();
        eventually(SOON, || async {
            let history = self.running.store.history(self.db(), "screening", id).await.unwrap();
            let completed: Vec<Completed> = history
                .iter()
                .map(|event| {
                    let ScreeningEvent::Completed(completed) =
                        event.open::<ScreeningEvent>().unwrap().unwrap().event;
                    completed
                })
                .collect();
            if completed.len() == count { Ok(completed) } else { Err(completed) }
        })
        .await
    }

    /// The cases about some content, oldest first.
    pub(crate) async fn cases(&self, subject: Subject) -> Vec<Value> {
        let (status, page) = self.get(&self.moderator(), "/moderation/cases?limit=100").await;
        assert_eq!(status, 200, "{page}");
        let id = match subject {
            Subject::Post(id) => id.to_string(),
            Subject::Comment(id) => id.to_string(),
        };
        let cases = page["items"].as_array().unwrap().iter().rev();
        cases.filter(|case| case["subject"]["id"] == id.as_str()).cloned().collect()
    }

    /// The only case about some content, once there is one.
    pub(crate) async fn case(&self, subject: Subject) -> Value {
        eventually(SOON, || async {
            let cases = self.cases(subject).await;
            match cases.as_slice() {
                [case] => Ok(case.clone()),
                _ => Err(cases),
            }
        })
        .await
    }

    /// A case, once it is in a state.
    pub(crate) async fn case_in(&self, case: &Value, state: &str) -> Value {
        let path = format!("/moderation/cases/{}", case["id"].as_str().unwrap());
        eventually(SOON, || async {
            let (_, case) = self.get(&self.moderator(), &path).await;
            if case["state"] == state { Ok(case) } else { Err(case) }
        })
        .await
    }

    /// What post-service says when it has carried a decision out.
    pub(crate) async fn post_hidden(&self, post: PostId, version: i64, case: &Value) {
        let event = PostEvent::Hidden { author_id: AUTHOR, case_id: id_of(case) };
        self.publisher.publish(post, version, &event).await.unwrap();
    }

    /// As [`post_hidden`](Self::post_hidden), the other way.
    pub(crate) async fn post_restored(&self, post: PostId, version: i64, case: &Value) {
        let event = PostEvent::Restored { author_id: AUTHOR, case_id: id_of(case) };
        self.publisher.publish(post, version, &event).await.unwrap();
    }

    /// Every value of one column, as text.
    pub(crate) async fn column(&self, query: &str) -> Vec<String> {
        let statement = Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, query, []);
        let rows = self.db().query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }
}

async fn start(env: &[(&'static str, String)]) -> Running {
    let env = Env::from_pairs(env.iter().cloned());
    let definition = moderation_service::definition();
    service_kit::service::start(&definition, env, Clock::System).await.unwrap()
}

pub(crate) fn published(body: &str) -> PostEvent {
    PostEvent::Published {
        author_id: AUTHOR,
        title: "A title".to_owned(),
        body: body.to_owned(),
        category: Category::Books,
        mint: None,
    }
}

pub(crate) fn edited(body: &str) -> PostEvent {
    PostEvent::Edited {
        author_id: AUTHOR,
        title: "A title".to_owned(),
        body: body.to_owned(),
        category: Category::Books,
    }
}

/// Noon of some day, and minutes after it.
pub(crate) fn noon(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_268_800, 0).unwrap() + TimeDelta::minutes(minutes)
}

pub(crate) fn id_of(case: &Value) -> CaseId {
    case["id"].as_str().unwrap().parse().unwrap()
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
