//! Private servers, a chain with the contract, people who want tokens, and a worker as a process of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ethers_signers::{LocalWallet, Signer as _};
use evm_chain::{ContentToken, Nodes};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use local_stack::{
    binaries::PostgresBinaries,
    chain::{CHAIN_ID, Chain},
    contract::{self, LANE_KEY},
    ports::free_port,
    postgres::{Postgres, PostgresOptions},
    process::{Launch, Process, Signal},
    redis::RedisServer,
};
use reqwest::Method;
use sea_orm::{Database, DatabaseConnection};
use serde_json::{Value, json};
use shared_schemas::{
    ClearanceId, PostId, UserId,
    clearance::ClearanceEvent,
    moderation::Subject,
    post::{Category, PostEvent},
    signing_key::SigningKeyEvent,
    user::Role,
};
use tempfile::TempDir;
use test_kit::{Publisher, TestIssuer};
use uuid::Uuid;

use crate::view;

/// The password of a server that only this program reaches.
const PASSWORD: &str = "bench-only";

/// Authors of what is minted.
const AUTHORS: u128 = 20;

/// Events on their way to Redis at once.
const PUBLISHED_AT_ONCE: usize = 32;

/// Everything that a run stands on.
pub(crate) struct Ground {
    pub(crate) chain: Chain,
    pub(crate) nodes: Nodes,
    pub(crate) contract: ContentToken,
    pub(crate) db: DatabaseConnection,
    pub(crate) worker: Process,
    launch: Launch,
    publisher: Publisher,
    issuer: TestIssuer,
    http: reqwest::Client,
    base_url: String,
    posts: AtomicU64,
    _postgres: Postgres,
    _redis: RedisServer,
    _directory: TempDir,
}

impl Ground {
    /// Starts everything, with a worker of these settings.
    pub(crate) async fn start(worker: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let directory = local_stack::scratch_dir()?;
        let dir = directory.path();
        let postgres = Postgres::start(PostgresOptions {
            binaries: PostgresBinaries::locate()?,
            dir: dir.to_owned(),
            port: free_port()?,
            admin_password: PASSWORD.to_owned(),
            durable: true,
        })
        .await?;
        postgres.create_database("minting", None).await?;
        postgres.execute("minting", "CREATE SCHEMA minting;").await?;
        // Whether tables have grown is looked at once a minute otherwise, and until then plans are those of empty tables: a service
        // that starts with nothing and fills a chain in its first minute is not what is measured.
        postgres.execute("minting", "ALTER SYSTEM SET autovacuum_naptime = '1s';").await?;
        postgres.execute("minting", "SELECT pg_reload_conf();").await?;
        let url = format!("{}?options=-c%20search_path%3Dminting", postgres.admin_url("minting"));
        let redis = RedisServer::start_bare(dir).await?;
        let chain = Chain::start_bare(&dir.join("chain"), Duration::from_secs(1), &[]).await?;
        let contract = contract::deployed(&chain.url(), &dir.join("chain")).await?;
        let nodes = Nodes::new(CHAIN_ID, [chain.url().parse()?], Duration::from_secs(10))?;

        let (publisher, issuer) =
            (Publisher::connect(&redis.url(), 2).await?, TestIssuer::unpublished()?);
        let activated = SigningKeyEvent::Activated { public_key: issuer.public_key().to_owned() };
        publisher.publish(issuer.key_id(), 1, &activated).await?;

        let port = free_port()?;
        let mut environment: BTreeMap<String, String> = [
            ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
            ("DATABASE_URL", url.clone()),
            ("REDIS_URL", redis.url()),
            ("BLOCKS_DIR", dir.join("blocks").to_string_lossy().into_owned()),
            ("CHAIN_RPC_URLS", chain.url()),
            ("CHAIN_ID", CHAIN_ID.to_string()),
            ("MINT_CONTRACT", contract.clone()),
            ("MINT_DEV_KEYS", LANE_KEY.to_owned()),
            ("MINT_DELAY", "0".to_owned()),
            ("MINT_CONFIRMATIONS", "2".to_owned()),
            ("MINT_POLL_MS", "100".to_owned()),
            ("LOG_FILTER", "warn".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let launch = Launch {
            name: "minting-worker".to_owned(),
            program: PathBuf::from(worker),
            args: vec!["serve".to_owned()],
            environment,
            log: dir.join("worker.log"),
            user: None,
            farewell: Signal::SIGKILL,
        };
        let mut ground = Self {
            contract: ContentToken { address: contract.parse()? },
            worker: Process::spawn(&launch)?,
            db: Database::connect(url).await?,
            chain,
            nodes,
            launch,
            publisher,
            issuer,
            http: reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?,
            base_url: format!("http://127.0.0.1:{port}"),
            posts: AtomicU64::new(0),
            _postgres: postgres,
            _redis: redis,
            _directory: directory,
        };
        ground.is_ready().await?;
        for number in 1..=AUTHORS {
            ground.join(number).await?;
        }
        Ok(ground)
    }

    async fn is_ready(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            self.worker.ensure_running()?;
            let ready = self.http.get(format!("{}/readyz", self.base_url)).send().await;
            if ready.is_ok_and(|ready| ready.status().is_success()) {
                return Ok(());
            }
            ensure!(began.elapsed() < Duration::from_mins(1), "the worker is not ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the worker as a crash would, and starts it again at once.
    pub(crate) async fn kill_and_start_again(&mut self) -> Result<()> {
        self.worker.kill().await?;
        self.worker = Process::spawn(&self.launch)?;
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        (person, role): (UserId, Role),
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let url = format!("{}/api/v1{path}", self.base_url);
        let token = self.issuer.token(person, &[role]);
        let answer = self.http.request(method, url).bearer_auth(token).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Somebody wants a token of everything, and proves a wallet.
    async fn join(&self, number: u128) -> Result<()> {
        let person = (author(number), Role::User);
        let wish = json!({ "minting": "EVERYTHING", "text": "COMMITMENT" });
        self.call(Method::PUT, person, "/mints/consent", &wish).await?;
        let key: LocalWallet = format!("{number:064x}").parse()?;
        let claim = json!({ "address": format!("{:?}", key.address()) });
        let path = "/mints/wallet/challenge";
        let challenge = self.call(Method::POST, person, path, &claim).await?;
        let message = challenge.get("message").and_then(Value::as_str).context("no message")?;
        let signature = key.sign_message(message).await?;
        let proof = json!({ "signature": format!("0x{signature}") });
        self.call(Method::PUT, person, "/mints/wallet", &proof).await?;
        Ok(())
    }

    /// Lets the lane sign nothing, or sign again.
    pub(crate) async fn set_paused(&self, paused: bool) -> Result<()> {
        let admin = (author(1), Role::Admin);
        let lane = evm_chain::Signer::address(&evm_chain::LocalSigner::from_hex(LANE_KEY)?);
        let what = if paused { "pause" } else { "resume" };
        let path = format!("/minting/lanes/{}/{what}", evm_chain::checksummed(lane));
        self.call(Method::POST, admin, &path, &json!({})).await?;
        Ok(())
    }

    /// Publishes posts that passed their screening.
    pub(crate) async fn publish(&self, count: u64) -> Result<()> {
        let first = self.posts.fetch_add(count, Ordering::Relaxed);
        stream::iter(first..first + count)
            .map(|number| async move {
                let id = PostId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_be_bytes()));
                let author_id = author(u128::from(number) % AUTHORS + 1);
                let published = PostEvent::Published {
                    author_id,
                    title: format!("Post {number}"),
                    body: "All work and no play. ".repeat(10),
                    category: Category::Books,
                    mint: None,
                };
                self.publisher.publish(id, 1, &published).await?;
                let subject = Subject::Post(id);
                let granted = ClearanceEvent::Granted {
                    subject,
                    subject_version: 1,
                    author_id,
                    labels: vec![],
                };
                self.publisher.publish(ClearanceId::of(&subject), 1, &granted).await?;
                anyhow::Ok(())
            })
            .buffer_unordered(PUBLISHED_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    /// Publishes such posts evenly, so many a second.
    pub(crate) async fn publish_at(&self, count: u64, per_second: f64) -> Result<()> {
        let (began, mut published) = (Instant::now(), 0);
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while published < count {
            tick.tick().await;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small count"
            )]
            let due = (began.elapsed().as_secs_f64() * per_second) as u64;
            let due = due.min(count);
            self.publish(due.saturating_sub(published)).await?;
            published = due.max(published);
        }
        Ok(())
    }

    /// Waits until so many mints are at a stage.
    pub(crate) async fn reached(&mut self, stage: &str, mints: u64, limit: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            self.worker.ensure_running()?;
            let there = view::at_stage(&self.db, stage).await?;
            if there >= mints {
                return Ok(());
            }
            ensure!(began.elapsed() < limit, "{there} of {mints} are {stage} after {limit:?}");
            // Counting is work for the database that is measured.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn author(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}
