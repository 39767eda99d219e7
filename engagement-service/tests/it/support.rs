//! A running service, and the people who use it.

use std::time::Duration;

use event_runtime::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use service_kit::{Env, Running};
use shared_schemas::{UserId, user::Role};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};

use crate::history::{Fact, History, What};

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(15);

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) redis: TestRedis,
    publisher: Publisher,
    issuer: TestIssuer,
    client: Client,
    _database: TestDatabase,
}

impl World {
    /// Starts the service; the history gets its first fact, the key that signs the tokens of this world.
    pub(crate) async fn start(history: &mut History) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::unpublished().unwrap();
        let activated = shared_schemas::signing_key::SigningKeyEvent::Activated {
            public_key: issuer.public_key().to_owned(),
        };
        history.begin(issuer.key_id(), What::Key(activated));
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("engagement").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ]);
        let definition = engagement_service::definition();
        let running = service_kit::service::start(&definition, env, Clock::System).await.unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        Self { running, redis, publisher, issuer, client, _database: database }
    }

    /// Publishes facts in this order.
    pub(crate) async fn publish(&self, facts: &[Fact]) {
        for fact in facts {
            fact.publish(&self.publisher).await;
        }
    }

    /// Waits until requests are served.
    pub(crate) async fn ready(&self) {
        let url = format!("http://{}/readyz", self.running.addr);
        eventually(SOON, || async {
            let ready = self.client.get(&url).send().await?;
            ready.error_for_status()
        })
        .await;
    }

    /// Every projection says what its events say.
    pub(crate) async fn audited(&self) {
        for name in self.running.runtime.projections() {
            let report = self.running.runtime.audit(name).await.unwrap();
            assert_eq!(report.drift, [], "{name}");
        }
    }

    pub(crate) fn request(&self, method: Method, person: UserId, path: &str) -> RequestBuilder {
        let token = self.issuer.token(person, &[Role::User]);
        self.anonymous(method, path).bearer_auth(token)
    }

    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}/api/v1{path}", self.running.addr))
    }

    pub(crate) async fn get(&self, person: UserId, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, person, path).send().await.unwrap()).await
    }
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
