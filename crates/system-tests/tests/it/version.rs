//! Versions of the analyser, as an administrator handles them, on a running moderation-service.

use std::{process::Output, time::Duration};

use event_runtime::Clock;
use serde_json::Value;
use service_kit::{Env, service::Running};
use shared_schemas::{UserId, user::Role};
use test_kit::{TestDatabase, TestIssuer, TestRedis, eventually};
use tokio::process::Command;
use uuid::Uuid;

/// How long something may take to come true.
const LIMIT: Duration = Duration::from_secs(30);

struct Site {
    url: String,
    token: String,
    _running: Running,
    _redis: TestRedis,
    _database: TestDatabase,
}

impl Site {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let redis = TestRedis::start().await.unwrap();
        let issuer = TestIssuer::publish(&redis.url(), 2).await.unwrap();
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("moderation").await.unwrap()),
            ("REDIS_URL", redis.url()),
        ]);
        let definition = moderation_service::definition();
        let running = service_kit::service::start(&definition, env, Clock::System).await.unwrap();
        let url = format!("http://{}", running.addr);
        let token = issuer.token(UserId(Uuid::from_u128(1)), &[Role::User, Role::Admin]);
        let site = Self { url, token, _running: running, _redis: redis, _database: database };
        eventually(LIMIT, || async {
            let output = site.run(&["list"]).await;
            if output.status.success() { Ok(()) } else { Err(output) }
        })
        .await;
        site
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_operator"))
            .args(["moderation", "version", "--json", "--url", &self.url, "--token", &self.token])
            .args(arguments)
            .output()
            .await
            .unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_goes_from_a_file_to_the_end() {
    let site = Site::start().await;
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.toml");
    std::fs::write(&policy, "[thresholds.SPAM]\nhold = 0\n").unwrap();
    let propose = ["propose", "--policy", policy.to_str().unwrap(), "--note", "A try."];
    let mistakes = site.refused(&propose).await;
    assert!(mistakes.contains("SPAM: hold is 1 to 100, not 0"), "{mistakes}");

    let embedded = built_in_policy(&site).await;
    std::fs::write(&policy, format!("# Mine.\n{embedded}")).unwrap();
    let version = site.json(&propose).await;
    let id: String = version["id"].as_str().unwrap().chars().take(10).collect();
    assert_eq!(version["note"], "A try.");

    assert_eq!(site.json(&["shadow", &id]).await["state"], "SHADOW");
    assert_eq!(site.json(&["compare", &id]).await["shadow"]["of"], 0);
    let refused = site.refused(&["promote", &id]).await;
    assert!(refused.contains("judged 0 texts in shadow"), "{refused}");
    let reason = ["--reason", "It must be."];
    let dry = [&["promote", &id, "--force", "--dry-run"], &reason[..]].concat();
    assert_eq!(site.json(&dry).await["state"], "SHADOW");
    let promote =
        [&["promote", &id, "--force", "--low", "0", "--high", "0.1"], &reason[..]].concat();
    let promoted = site.json(&promote).await;
    assert_eq!((&promoted["state"], &promoted["forced"]), (&"ACTIVE".into(), &reason[1].into()));
    assert_eq!(promoted["band"]["high"], 0.1);
    let fallen = site.json(&["rollback", &id, "--reason", "It must not be."]).await;
    assert_eq!(fallen["state"], "ROLLED_BACK");
    assert_eq!(site.json(&["drift"]).await["evasion_alarm"], false);
    let table = Command::new(env!("CARGO_BIN_EXE_operator"))
        .args(["moderation", "version", "--url", &site.url, "--token", &site.token, "list"])
        .output()
        .await
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(&id) && table.contains("ROLLED_BACK"), "{table}");
}

/// The policy that the service was built with, from its API.
async fn built_in_policy(site: &Site) -> String {
    let list = site.json(&["list"]).await;
    let built_in = list.pointer("/items/0/id").and_then(Value::as_str).unwrap();
    let url = format!("{}/api/v1/moderation/versions/{built_in}/files/policy.toml", site.url);
    let client = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
    client.get(url).bearer_auth(&site.token).send().await.unwrap().text().await.unwrap()
}
