//! A running service, and the people who use it.

use std::time::Duration;

use event_runtime::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use service_kit::{Env, Running};
use shared_schemas::{UserId, user::Role};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) publisher: Publisher,
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
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::publish(&redis.url(), 2).await.unwrap();
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("post").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ]);
        let running = service_kit::service::start(&post_service::definition(), env, Clock::System)
            .await
            .unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        let world = Self { running, publisher, issuer, client, _redis: redis, _database: database };
        eventually(SOON, || async { world.get_root("/readyz").await.status().is_success() }).await;
        world
    }

    async fn get_root(&self, path: &str) -> Response {
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

    pub(crate) fn person_with(&self, number: u128, roles: &[Role]) -> Person {
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

    pub(crate) async fn send(
        &self,
        method: Method,
        person: &Person,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        answer(self.request(method, person, path).json(body).send().await.unwrap()).await
    }

    /// Writes a post and returns its id.
    pub(crate) async fn write(&self, person: &Person, status: &str) -> Uuid {
        let (code, post) =
            self.send(Method::POST, person, "/posts", &a_post("A title", status)).await;
        assert_eq!(code, 201, "{post}");
        post["id"].as_str().unwrap().parse().unwrap()
    }
}

pub(crate) fn a_post(title: &str, status: &str) -> Value {
    json!({ "title": title, "body": "A body.", "category": "BOOKS", "status": status })
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
