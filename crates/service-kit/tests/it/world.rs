//! The smallest service there can be, running.

use std::time::Duration;

use event_runtime::Clock;
use poem_openapi::{Object, OpenApi, payload::Json};
use service_kit::{AnyCaller, Caller, Definition, Env, Host, Parts, Problem, Running};
use shared_schemas::{Service, UserId, user::Role};
use test_kit::{Publisher, TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

/// How long a condition may take to come true.
pub(crate) const SOON: Duration = Duration::from_secs(10);

struct NoteApi;

/// Anything at all.
#[derive(Object)]
struct Note {
    /// The text.
    text: String,
}

#[OpenApi]
impl NoteApi {
    /// Who am I?
    ///
    /// Fails with 401 without a token.
    #[oai(path = "/me", method = "get", operation_id = "me")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn me(&self, caller: Caller) -> Json<UserId> {
        Json(caller.user_id())
    }

    /// Who am I, whatever I did?
    ///
    /// Fails with 401 without a token.
    #[oai(path = "/me/still", method = "get", operation_id = "meStill")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn me_still(&self, caller: AnyCaller) -> Json<UserId> {
        Json(caller.user_id())
    }

    /// Take a note
    ///
    /// Fails with 400 for a malformed note, 401 without a token and 403 while muted.
    #[oai(path = "/notes", method = "post", operation_id = "takeNote")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn take_note(&self, caller: Caller, note: Json<Note>) -> Result<Json<Note>, Problem> {
        caller.may_write()?;
        Ok(note)
    }

    /// Panic
    ///
    /// Fails with 500, always.
    #[oai(path = "/panic", method = "get", operation_id = "panic")]
    #[expect(clippy::unused_async, clippy::panic, reason = "a handler with a bug")]
    async fn panic(&self) -> Json<u8> {
        panic!("a handler with a bug")
    }
}

pub(crate) fn definition() -> Definition<()> {
    fn build(host: &Host<()>) -> Parts {
        Parts::new(host).api(NoteApi, "Notes", "A service for tests.")
    }
    Definition { service: Service::Post, port: 0, migrations: &[], build }
}

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) publisher: Publisher,
    pub(crate) issuer: TestIssuer,
    pub(crate) redis: TestRedis,
    pub(crate) database: TestDatabase,
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
        let running = service_kit::service::start(&definition(), env, Clock::System).await.unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let world = Self { running, publisher, issuer, redis, database };
        eventually(SOON, || async {
            let answer = reqwest::get(world.url("/readyz")).await.unwrap();
            if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap()) }
        })
        .await;
        world
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addr)
    }

    pub(crate) fn token(&self, person: u128) -> String {
        self.issuer.token(UserId(Uuid::from_u128(person)), &[Role::User])
    }

    /// The status of `GET /me` with a token.
    pub(crate) async fn me(&self, token: &str) -> u16 {
        self.get("/me", token).await.status().as_u16()
    }

    /// The answer to a request with a token.
    pub(crate) async fn get(&self, path: &str, token: &str) -> reqwest::Response {
        let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
        let url = self.url(&format!("/api/v1{path}"));
        client.get(url).bearer_auth(token).send().await.unwrap()
    }
}
