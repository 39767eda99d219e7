//! Judgements that were made by the running services are made again by the operator's tool.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    client::{items, text, until},
    oracle::Oracle,
    person::{MODERATOR, Person},
};
use tempfile::TempDir;

use crate::world::World;

/// How long something may take to arrive where it will be seen.
const SOON: Duration = Duration::from_secs(30);

const ORDINARY: &str = "The sun is finally out and the whole street smells of bread.";
const INSULT: &str = "Well then, you are an idiot and that is that.";
const THREAT: &str = "I know where you live and I'm going to kill you";

/// What the operator's tool said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    #[expect(dead_code, reason = "a failed assertion shows it")]
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

async fn operator(world: &World, arguments: &[&str]) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_operator"));
    command.arg("--stack").arg(world.stack.dir()).args(arguments);
    command.env_clear().env("USER", "ada").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    Said {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The report of a replay once so many judgements are on record.
async fn replayed(world: &World, recorded: u64) -> (i32, Value) {
    until(SOON, || async {
        let said = operator(world, &["moderation", "replay", "--json"]).await;
        ensure!([0, 3].contains(&said.code), "{said:?}");
        let report = said.json();
        ensure!(report.get("recorded") == Some(&json!(recorded)), "{report}");
        Ok((said.code, report))
    })
    .await
    .unwrap()
}

async fn sign_up(world: &World, email: &str) -> Person {
    Person::sign_up(&world.client, email, "Some", "Body", &["BOOKS"]).await.unwrap()
}

/// The built-in policy with another threshold.
fn policy(dir: &TempDir, category: &str, threshold: &str) -> String {
    let built_in = content_screening::RuleFiles::EMBEDDED.policy;
    let (before, after) = built_in.split_once(&format!("[thresholds.{category}]\n")).unwrap();
    let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
    let file = dir.path().join(format!("{category}.toml"));
    let text = format!("{before}[thresholds.{category}]\n{threshold}\n\n{rest}");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn count(report: &Value, from: &str, to: &str) -> u64 {
    let rows = report["verdicts"].as_array().unwrap();
    let row = rows.iter().find(|row| row["from"] == from && row["to"] == to);
    row.map_or(0, |row| row["count"].as_u64().unwrap())
}

fn flips(dir: &TempDir) -> Vec<Value> {
    let lines = std::fs::read_to_string(dir.path().join("out/flips.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The case about a text of the author, once there is one.
async fn case_about(moderator: &Person, id: &str) -> Result<Value> {
    let page = moderator.get("/moderation/cases?limit=100").await?;
    let case =
        items(&page)?.iter().find(|case| case.pointer("/subject/id") == Some(&json!(id))).cloned();
    case.ok_or_else(|| anyhow::anyhow!("no case about {id}: {page}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_judgement_is_made_again_and_another_policy_differs_as_it_says() {
    let world = World::start().await;
    let author = sign_up(&world, "anna@demo.peerlink.invalid").await;
    let moderator = sign_up(&world, MODERATOR).await;
    let bread = author.post("Bread", ORDINARY, "FOOD").await.unwrap();
    let rude = author.post("An answer", INSULT, "BOOKS").await.unwrap();
    author.post("Another answer", THREAT, "BOOKS").await.unwrap();
    let link = "Click https://win.example.test/now to WIN cash!!!";
    author.post("Prizes", link, "FOOD").await.unwrap();
    until(SOON, || author.comment(&bread, ORDINARY)).await.unwrap();
    let comment = author.comment(&bread, "Lovely weather.").await.unwrap();
    let edit = json!({ "body": INSULT });
    let path = format!("/comments/{comment}");
    author.call(&Method::PUT, &path, Some(&edit)).await.unwrap().expect(200).unwrap();

    let (code, same) = replayed(&world, 7).await;
    assert_eq!((code, same["differences"].as_u64()), (0, Some(0)), "{same:#}");
    let said = operator(&world, &["moderation", "replay", "--threads", "1"]).await;
    assert!(said.stdout.starts_with("0 differences of 7\n"), "{said:?}");

    // Insults pass under the other policy: two are held now, one of which a moderator removed.
    let case = until(SOON, || case_about(&moderator, &rude)).await.unwrap();
    let decide = format!("/moderation/cases/{}/decision", text(&case, "id").unwrap());
    let delete = json!({ "decision": "DELETE" });
    moderator.call(&Method::POST, &decide, Some(&delete)).await.unwrap().expect(200).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let lenient = policy(&dir, "HARASSMENT", "hold = 100");
    let out = dir.path().join("out");
    let said = operator(
        &world,
        &["moderation", "replay", "--json", "--policy", &lenient, "--out", out.to_str().unwrap()],
    )
    .await;
    assert_eq!(said.code, 3, "{said:?}");
    let report = said.json();
    let flips = flips(&dir);
    assert_eq!(count(&report, "HOLD", "ALLOW"), 2, "{report:#}");
    assert_eq!(flips.iter().filter(|flip| flip["change"] == "VERDICT").count(), 2, "{flips:#?}");
    assert!(flips.iter().any(|flip| flip["case_id"] == case["id"]), "{flips:#?}");
    assert_eq!(report["people"]["decided"], 1);
    assert_eq!(report["people"]["after"]["would_pass"], 1);
    assert_eq!(report["people"]["before"]["would_pass"], 0);
    assert!(!said.stdout.contains("idiot"), "texts are shown to nobody who did not ask");
    let said =
        operator(&world, &["moderation", "what-if", "--policy", &lenient, "--days", "1"]).await;
    assert!(said.code == 3 && said.stdout.contains("let through"), "{said:?}");

    // Somebody alters a record, and a text goes.
    let oracle = Oracle::connect(&world.stack.endpoints().postgres).await.unwrap();
    oracle
        .execute(&format!(
            "UPDATE moderation.event SET data = jsonb_set(data, '{{analysis,scores,SPAM}}', '99')
               WHERE type = 'screening.completed.v1' AND aggregate_id = '{bread}'"
        ))
        .await
        .unwrap();
    oracle
        .execute(&format!(
            "UPDATE interaction.event SET aggregate_version = 100
               WHERE aggregate_id = '{comment}' AND aggregate_version = 2"
        ))
        .await
        .unwrap();
    let (code, altered) = replayed(&world, 7).await;
    assert_eq!((code, &altered["altered"], &altered["erased"]), (3, &json!(1), &json!(1)));
    assert_eq!(altered["named"][0]["subject_id"], bread.as_str(), "{altered:#}");
    world.stack.stop().await.unwrap();
}
