//! A running service with everything it needs, and people who use it.

use std::time::Duration;

use auth_service::definition;
use event_runtime::Clock;
use local_stack::mail_sink::MailSink;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, Statement, TransactionTrait, raw_sql,
};
use serde_json::{Value, json};
use service_kit::{Env, Running, service};
use test_kit::{TestDatabase, TestRedis, eventually};

/// How long anything may take that is not immediate.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A good password.
pub(crate) const PASSWORD: &str = "copper lantern drifts north";

/// Another good password.
pub(crate) const OTHER_PASSWORD: &str = "seven herons guard the ferry";

/// A key of 32 bytes.
pub(crate) const KEY: &str = "bG9jYWwtb25seS1rZXktZG8tbm90LXVzZS1vbmxpbmU=";

/// A service and its surroundings. What is dropped first is declared first.
pub(crate) struct Stage {
    pub(crate) service: Running,
    pub(crate) mail: MailSink,
    pub(crate) client: Client,
    pub(crate) redis: TestRedis,
    pub(crate) database: TestDatabase,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_at(Clock::System).await
    }

    pub(crate) async fn set_at(clock: Clock) -> Self {
        Self::set_with(clock, &[]).await
    }

    pub(crate) async fn set_with(clock: Clock, settings: &[(&str, &str)]) -> Self {
        let (database, redis) =
            (TestDatabase::create().await.unwrap(), TestRedis::start().await.unwrap());
        let mail = MailSink::start(0, 0).await.unwrap();
        let service = start(&database, &redis.url(), &mail.smtp_url(), clock, settings).await;
        let client = Client::builder().timeout(SOON).build().unwrap();
        let stage = Self { service, mail, client, redis, database };
        stage.is_ready().await;
        stage
    }

    /// Every projection says what its events say.
    pub(crate) async fn audited(&self) {
        for name in self.service.runtime.projections() {
            let report = self.service.runtime.audit(name).await.unwrap();
            assert_eq!(report.drift, [], "{name}");
        }
    }

    async fn is_ready(&self) {
        eventually(SOON, || async {
            let answer = self.client.get(self.root("/readyz")).send().await.unwrap();
            answer.status() == StatusCode::OK
        })
        .await;
    }

    pub(crate) fn root(&self, path: &str) -> String {
        format!("http://{}{path}", self.service.addr)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.root(&format!("/api/v1{path}")))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }

    pub(crate) async fn get_as(&self, person: &Person, path: &str) -> Response {
        self.request(Method::GET, path).bearer_auth(&person.access).send().await.unwrap()
    }

    pub(crate) async fn post_as(&self, person: &Person, path: &str, body: Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(&person.access);
        request.json(&body).send().await.unwrap()
    }

    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> Response {
        self.post(
            "/auth/signup",
            json!({
                "email": email, "password": password, "first_name": "Ada", "last_name": "Lovelace",
                "interests": ["BOOKS", "FOOD"],
            }),
        )
        .await
    }

    /// The code of the newest mail to an address, once there are `mails` of them.
    pub(crate) async fn code(&self, email: &str, mails: usize) -> String {
        let text = self.mail_text(email, mails).await;
        let (_, rest) = text.split_once("code: ").unwrap();
        rest.chars().take(8).collect()
    }

    /// The newest mail to an address, once there are `mails` of them.
    pub(crate) async fn mail_text(&self, email: &str, mails: usize) -> String {
        eventually(SOON, || async {
            let messages = self.mail.messages(Some(email));
            messages.first().filter(|_| messages.len() >= mails).map(|mail| mail.text.clone())
        })
        .await
    }

    pub(crate) async fn verify(&self, email: &str, code: &str) -> Response {
        self.post("/auth/verify-email", json!({ "email": email, "code": code })).await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Response {
        self.post("/auth/signin", json!({ "email": email, "password": password })).await
    }

    /// Somebody with a verified account.
    pub(crate) async fn join(&self, email: &str) -> Person {
        assert_eq!(self.sign_up(email, PASSWORD).await.status(), StatusCode::ACCEPTED);
        let code = self.code(email, 1).await;
        assert_eq!(self.verify(email, &code).await.status(), StatusCode::OK);
        self.enter(email, PASSWORD).await
    }

    /// Somebody in a new session.
    pub(crate) async fn enter(&self, email: &str, password: &str) -> Person {
        let answer = self.sign_in(email, password).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let tokens: Value = answer.json().await.unwrap();
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let claims = self.request(Method::GET, "/auth/verify-token").bearer_auth(&access);
        let claims: Value = claims.send().await.unwrap().json().await.unwrap();
        let id = text(&claims, "user_id");
        Person { id, access, refresh }
    }

    pub(crate) async fn refresh(&self, token: &str) -> Response {
        self.post("/auth/refresh", json!({ "refresh_token": token })).await
    }

    /// The payloads of recorded events of a type, oldest first.
    pub(crate) async fn events(&self, event_type: &str) -> Vec<Value> {
        let statement = raw_sql!(
            Postgres,
            "SELECT data FROM event WHERE type = {event_type} ORDER BY position"
        );
        let rows = self.service.store.db().query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get("", "data").unwrap()).collect()
    }

    /// Every row of a table as text, in an order of its own.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let query = format!("SELECT t::text AS row FROM {table} t ORDER BY 1");
        #[expect(clippy::disallowed_methods, reason = "the name of a table cannot be bound")]
        let statement = Statement::from_string(DbBackend::Postgres, query);
        let rows = self.service.store.db().query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get("", "row").unwrap()).collect()
    }

    /// Waits until so many statements wait for a lock.
    pub(crate) async fn are_waiting(&self, statements: i64) {
        eventually(SOON, || async {
            let statement = raw_sql!(
                Postgres,
                "SELECT count(*) AS waiting FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'"
            );
            let row = self.service.store.db().query_one_raw(statement).await.unwrap().unwrap();
            row.try_get::<i64>("", "waiting").unwrap() == statements
        })
        .await;
    }

    /// Holds up all commands to the aggregates of a kind until the transaction ends; they go on in the order they came.
    pub(crate) async fn hold_up(&self, aggregate_type: &str) -> DatabaseTransaction {
        let held = self.service.store.db().begin().await.unwrap();
        let statement = raw_sql!(
            Postgres,
            "SELECT FROM aggregate_head WHERE aggregate_type = {aggregate_type} FOR UPDATE"
        );
        held.execute_raw(statement).await.unwrap();
        held
    }

    /// Waits until the service no longer believes an access token.
    pub(crate) async fn is_shut_out(&self, person: &Person) {
        eventually(Duration::from_secs(5), || async {
            self.get_as(person, "/auth/verify-token").await.status() == StatusCode::UNAUTHORIZED
        })
        .await;
    }
}

pub(crate) async fn start(
    database: &TestDatabase,
    redis_url: &str,
    smtp_url: &str,
    clock: Clock,
    settings: &[(&str, &str)],
) -> Running {
    let database_url = database.schema("auth").await.unwrap();
    let mut pairs = vec![
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("DATABASE_URL", &database_url),
        ("REDIS_URL", redis_url),
        ("SMTP_URL", smtp_url),
        ("KEY_ENCRYPTION_KEY", KEY),
        ("LOG_FILTER", "warn"),
    ];
    pairs.extend_from_slice(settings);
    service::start(&definition(), Env::from_pairs(pairs), clock).await.unwrap()
}

/// A field of a document.
pub(crate) fn text(document: &Value, field: &str) -> String {
    document.get(field).and_then(Value::as_str).unwrap().to_owned()
}

/// The kind of a problem document.
pub(crate) async fn problem(answer: Response) -> String {
    let problem: Value = answer.json().await.unwrap();
    text(&problem, "type").strip_prefix("/problems/").unwrap().to_owned()
}
