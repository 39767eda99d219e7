//! A running worker, what happens elsewhere, and the people who look.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ethers_signers::{LocalWallet, Signer};
use event_runtime::Clock;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use service_kit::{Env, Running};
use shared_schemas::{
    CaseId, ClearanceId, CommentId, Event, MintId, PostId, UserId,
    clearance::ClearanceEvent,
    comment::CommentEvent,
    moderation::Subject,
    post::{Category, PostEvent},
    signing_key::SigningKeyEvent,
    user::Role,
};
use tempfile::TempDir;
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
    is_moderated: AtomicBool,
    issuer: TestIssuer,
    client: Client,
    pub(crate) database_url: String,
    _database: TestDatabase,
    blocks: TempDir,
    pairs: Vec<(&'static str, String)>,
    clock: Clock,
}

impl World {
    /// A worker that mints whatever three people publish, at once.
    pub(crate) async fn start() -> Self {
        let world = Self::with(Clock::System, &[("MINT_DELAY", "0")]).await;
        for number in 1..=3 {
            world.agree(person(number), "EVERYTHING", "COMMITMENT").await;
            world.prove(person(number), &key(number)).await;
        }
        world
    }

    /// A worker with more settings, whom nobody has told anything.
    pub(crate) async fn start_with(settings: &[(&'static str, String)]) -> Self {
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::with(Clock::System, &settings).await
    }

    /// Why a worker with these settings does not start.
    pub(crate) async fn refused(settings: &[(&'static str, String)]) -> String {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let blocks = tempfile::tempdir().unwrap();
        let mut pairs = vec![
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("minting").await.unwrap()),
            ("REDIS_URL", redis.url()),
            ("BLOCKS_DIR", blocks.path().display().to_string()),
        ];
        pairs.extend(settings.iter().cloned());
        let definition = minting_worker::definition();
        let started =
            service_kit::service::start(&definition, Env::from_pairs(pairs), Clock::System).await;
        let error = started.err().expect("it starts");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    }

    /// As [`Self::start_with`], at another time.
    pub(crate) async fn with(clock: Clock, settings: &[(&'static str, &str)]) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::unpublished().unwrap();
        let blocks = tempfile::tempdir().unwrap();
        let mut pairs = vec![
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("minting").await.unwrap()),
            ("REDIS_URL", redis.url()),
            ("BLOCKS_DIR", blocks.path().display().to_string()),
        ];
        let database_url = pairs[1].1.clone();
        pairs.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (kept, told) = (pairs.clone(), clock.clone());
        let env = Env::from_pairs(pairs);
        let definition = minting_worker::definition();
        let running = service_kit::service::start(&definition, env, clock).await.unwrap();
        let publisher = Publisher::connect(&redis.url(), 2).await.unwrap();
        let client = Client::builder().timeout(SOON).build().unwrap();
        let versions = Mutex::default();
        let world = Self {
            running,
            redis,
            publisher,
            versions,
            is_moderated: AtomicBool::new(true),
            issuer,
            client,
            database_url,
            _database: database,
            blocks,
            pairs: kept,
            clock: told,
        };
        world.publish_key().await;
        world.is_ready().await;
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

    /// Moderation says nothing any more.
    pub(crate) fn silence_moderation(&self) {
        self.is_moderated.store(false, Ordering::Relaxed);
    }

    /// Publishes the next event of an aggregate; moderation finds nothing against the text that it carries, if it does.
    pub(crate) async fn happen<E: Event>(&self, id: impl Into<Uuid>, event: &E) {
        let id = id.into();
        let version = self.happen_unscreened(id, event).await;
        let subject = match serde_json::to_value(event).unwrap()["type"].as_str().unwrap() {
            "post.published.v1" | "post.edited.v1" => Subject::Post(PostId(id)),
            "comment.added.v1" | "comment.edited.v1" => Subject::Comment(CommentId(id)),
            _ => return,
        };
        if self.is_moderated.load(Ordering::Relaxed) {
            self.pass_screening(subject, version).await;
        }
    }

    /// Moderation finds nothing against a version.
    pub(crate) async fn pass_screening(&self, subject: Subject, version: i64) {
        let (author_id, subject_version) = (person(1), u64::try_from(version).unwrap());
        let granted =
            ClearanceEvent::Granted { subject, subject_version, author_id, labels: vec![] };
        self.happen_unscreened(ClearanceId::of(&subject), &granted).await;
    }

    /// Publishes the next event of an aggregate, of which moderation says nothing; its version.
    pub(crate) async fn happen_unscreened<E: Event>(&self, id: impl Into<Uuid>, event: &E) -> i64 {
        let id = id.into();
        let version = {
            let mut versions = self.versions.lock().unwrap();
            let version = versions.entry(id).or_default();
            *version += 1;
            *version
        };
        self.publisher.publish(id, version, event).await.unwrap();
        version
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

    /// An answer to somebody with a role who changes something.
    pub(crate) async fn post(
        &self,
        (person, role): (UserId, Role),
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        let request =
            self.client.post(url).bearer_auth(self.issuer.token(person, &[role])).json(body);
        answer(request.send().await.unwrap()).await
    }

    /// An answer to somebody with a role who replaces something.
    pub(crate) async fn put(
        &self,
        (person, role): (UserId, Role),
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        let request =
            self.client.put(url).bearer_auth(self.issuer.token(person, &[role])).json(body);
        answer(request.send().await.unwrap()).await
    }

    /// Waits until the mints that somebody sees stand like this, newest first.
    pub(crate) async fn wait_for(&self, person: UserId, states: &[&str]) -> Vec<Value> {
        eventually(SOON, || async {
            let page = self.get(Some((person, Role::User)), "/mints?limit=100").await.1;
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let found: Vec<&str> = items.iter().filter_map(|mint| mint["state"].as_str()).collect();
            if found != states {
                return Err(page);
            }
            // What is ready moves once more by itself: when its metadata is kept.
            for mint in items.iter().filter(|mint| mint["state"] == "READY_FOR_MINTING") {
                let metadata = self.metadata_now(person, mint["id"].as_str().unwrap()).await;
                if metadata["kept_at"].as_array().is_none_or(Vec::is_empty) {
                    return Err(metadata);
                }
            }
            let again = self.get(Some((person, Role::User)), "/mints?limit=100").await.1;
            Ok(again["items"].as_array().unwrap().clone())
        })
        .await
    }

    async fn metadata_now(&self, person: UserId, mint: &str) -> Value {
        self.get(Some((person, Role::User)), &format!("/mints/{mint}/metadata")).await.1
    }

    /// What the token of a post says, when it is kept.
    pub(crate) async fn metadata(&self, person: UserId, post_id: PostId) -> Value {
        let id = MintId::of(Subject::Post(post_id)).to_string();
        eventually(SOON, || async {
            let metadata = self.metadata_now(person, &id).await;
            let is_kept = metadata["kept_at"].as_array().is_some_and(|at| !at.is_empty());
            if is_kept { Ok(metadata) } else { Err(metadata) }
        })
        .await
    }

    /// A request with a body, and its answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        person: UserId,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        let token = self.issuer.token(person, &[Role::User]);
        let request = self.client.request(method, url).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        answer(request.send().await.unwrap()).await
    }

    /// An answer outside the API, to nobody in particular.
    pub(crate) async fn outside(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.get(format!("http://{}{path}", self.running.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// An answer that is no text.
    pub(crate) async fn bytes(&self, person: UserId, path: &str) -> Vec<u8> {
        let url = format!("http://{}/api/v1{path}", self.running.addr);
        let token = self.issuer.token(person, &[Role::User]);
        let response = self.client.get(url).bearer_auth(token).send().await.unwrap();
        response.bytes().await.unwrap().to_vec()
    }

    /// Where the blocks lie.
    pub(crate) fn blocks(&self) -> &Path {
        self.blocks.path()
    }

    /// The same worker, stopped and started again.
    pub(crate) async fn restarted(mut self) -> Self {
        let definition = minting_worker::definition();
        let env = Env::from_pairs(self.pairs.clone());
        self.running.stop().await;
        self.running =
            service_kit::service::start(&definition, env, self.clock.clone()).await.unwrap();
        self.is_ready().await;
        self
    }

    async fn is_ready(&self) {
        let url = format!("http://{}/readyz", self.running.addr);
        eventually(SOON, || async {
            let ready = self.client.get(&url).send().await?;
            ready.error_for_status()
        })
        .await;
    }

    /// Somebody says what may be minted.
    pub(crate) async fn agree(&self, person: UserId, minting: &str, text: &str) {
        let wish = json!({ "minting": minting, "text": text });
        let answered = self.send(Method::PUT, person, "/mints/consent", Some(wish.clone())).await;
        assert_eq!(answered, (200, wish));
    }

    /// Somebody proves that a wallet is theirs.
    pub(crate) async fn prove(&self, person: UserId, key: &LocalWallet) -> Value {
        let claimed = json!({ "address": format!("{:?}", key.address()) });
        let (code, challenge) =
            self.send(Method::POST, person, "/mints/wallet/challenge", Some(claimed)).await;
        assert_eq!(code, 200, "{challenge}");
        let signature = key.sign_message(challenge["message"].as_str().unwrap()).await.unwrap();
        let signed = json!({ "signature": format!("0x{signature}") });
        let (code, wallet) = self.send(Method::PUT, person, "/mints/wallet", Some(signed)).await;
        assert_eq!(code, 200, "{wallet}");
        wallet
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The key of somebody's wallet.
pub(crate) fn key(number: u128) -> LocalWallet {
    format!("{number:064x}").parse().unwrap()
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
        mint: None,
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
        mint: None,
    }
}
