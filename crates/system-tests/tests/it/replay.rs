//! Judgements that were made by the running services are made again by the operator's tool.

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

use crate::{
    operator::{operator, operator_as},
    world::World,
};

/// How long something may take to arrive where it will be seen.
const SOON: Duration = Duration::from_secs(30);

const ORDINARY: &str = "The sun is finally out and the whole street smells of bread.";
const INSULT: &str = "Well then, you are an idiot and that is that.";
const THREAT: &str = "I know where you live and I'm going to kill you";

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

/// The built-in policy with other thresholds.
fn policy(dir: &TempDir, thresholds: &[(&str, &str)]) -> String {
    let mut text = content_screening::RuleFiles::EMBEDDED.policy.to_owned();
    for (category, threshold) in thresholds {
        let (before, after) = text.split_once(&format!("[thresholds.{category}]\n")).unwrap();
        let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
        text = format!("{before}[thresholds.{category}]\n{threshold}\n\n{rest}");
    }
    let file = dir.path().join("policy.toml");
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
    let lenient = policy(&dir, &[("HARASSMENT", "hold = 100")]);
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

/// Everything that anybody can see of what was decided, without the log.
async fn seen(people: &People, posts: &[&str]) -> Value {
    let People { author, reader, moderator, .. } = people;
    let mut statuses = Vec::new();
    for post in posts {
        let answer = reader.call(&Method::GET, &format!("/posts/{post}"), None).await.unwrap();
        statuses.push(json!([answer.status.as_u16(), answer.body]));
    }
    let standing = author.get("/moderation/standing/mine").await.unwrap();
    let strikes = standing.get("strikes").and_then(Value::as_array).unwrap();
    json!({
        "queue": moderator.get("/moderation/queue?limit=100").await.unwrap(),
        "cases": moderator.get("/moderation/cases?limit=100").await.unwrap(),
        "statements": author.get("/moderation/decisions/mine").await.unwrap(),
        "strikes": strikes.iter().map(|strike| strike.get("expires_at")).collect::<Vec<_>>(),
        "posts": statuses,
    })
}

struct People {
    author: Person,
    reader: Person,
    moderator: Person,
    admin: Person,
}

/// The log, oldest first.
async fn log(people: &People) -> Vec<Value> {
    let page = people.reader.get("/moderation/log?limit=100").await.unwrap();
    items(&page).unwrap().iter().rev().cloned().collect()
}

/// Five posts: harmless, held, held and dismissed by a person, removed, and one with a link.
async fn publish(world: &World, people: &People) -> Vec<String> {
    let author = &people.author;
    let bread = author.post("Bread", ORDINARY, "FOOD").await.unwrap();
    let rude = author.post("An answer", INSULT, "BOOKS").await.unwrap();
    let kept = author
        .post("Well", "You stupid fool of a referee, that was no goal", "BOOKS")
        .await
        .unwrap();
    let threat = author.post("Another answer", THREAT, "BOOKS").await.unwrap();
    let link = author
        .post("Garden", "My diary is at https://blog.example.org/garden", "FOOD")
        .await
        .unwrap();
    replayed(world, 5).await;
    let case = until(SOON, || case_about(&people.moderator, &kept)).await.unwrap();
    let decide = format!("/moderation/cases/{}/decision", text(&case, "id").unwrap());
    let dismiss = json!({ "decision": "DISMISS" });
    people
        .moderator
        .call(&Method::POST, &decide, Some(&dismiss))
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    until(SOON, || async {
        let standing = author.get("/moderation/standing/mine").await?;
        let strikes = standing.get("strikes").and_then(Value::as_array).map(Vec::len);
        ensure!(strikes == Some(1), "{standing}");
        Ok(())
    })
    .await
    .unwrap();
    vec![bread, rude, kept, threat, link]
}

/// What a policy changes under which insults pass, threats are held instead of removed, and any link is held.
async fn flipped(world: &World) -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let other = policy(
        &dir,
        &[("HARASSMENT", "hold = 100"), ("THREAT", "hold = 50"), ("SPAM", "hold = 10")],
    );
    let out = dir.path().join("out");
    let arguments = ["moderation", "replay", "--json", "--policy", &other, "--out"];
    let said = operator(world, &[&arguments[..], &[out.to_str().unwrap()]].concat()).await;
    let mut kinds: Vec<String> = flips(&dir)
        .iter()
        .filter(|flip| flip["change"] == "VERDICT")
        .map(|flip| format!("{} {}", flip["from"].as_str().unwrap(), flip["to"].as_str().unwrap()))
        .collect();
    // Texts of several streams are judged in any order.
    kinds.sort_unstable();
    assert_eq!(kinds, ["ALLOW HOLD", "HOLD ALLOW", "HOLD ALLOW", "REMOVE HOLD"], "{said:?}");
    let file = out.join("flips.jsonl").to_str().unwrap().to_owned();
    (dir, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_carried_out_once_though_its_service_is_killed_and_undone_exactly() {
    let world = World::start().await;
    let people = People {
        author: sign_up(&world, "anna@demo.peerlink.invalid").await,
        reader: sign_up(&world, "bert@demo.peerlink.invalid").await,
        moderator: sign_up(&world, MODERATOR).await,
        admin: sign_up(&world, "admin@demo.peerlink.invalid").await,
    };
    let posts = publish(&world, &people).await;
    let posts: Vec<&str> = posts.iter().map(String::as_str).collect();
    let [_, _, kept, _, link] = *posts else { panic!("five posts") };
    let (before, log_before) = (seen(&people, &posts).await, log(&people).await);
    assert_eq!(before["posts"][3][0], 404, "{before:#}");

    let (_dir, file) = flipped(&world).await;
    let token = people.admin.token().await.unwrap();
    let apply = ["moderation", "apply", "--json", "--reason", "a try", "--flips", &file];
    let rehearsal =
        operator(&world, &[&apply[..], &["--dry-run", "--only", "HOLD->ALLOW"]].concat()).await;
    assert_eq!(rehearsal.json()["items"], 2, "{rehearsal:?}");
    let moderators = people.moderator.token().await.unwrap();
    assert_eq!(operator_as(&world, &moderators, &apply).await.code, 1);
    let (_, killed) = tokio::join!(operator_as(&world, &token, &apply), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.stack.kill_service("moderation").await
    });
    killed.unwrap();
    world.stack.restart_service("moderation").await.unwrap();
    let applied = until(SOON, || async {
        let said = operator_as(&world, &token, &apply).await;
        ensure!(said.code == 3, "{said:?}");
        Ok(said.json())
    })
    .await
    .unwrap();
    assert_eq!((&applied["changed"], &applied["refused"]), (&json!(3), &json!(1)), "{applied:#}");
    assert_eq!(applied["refusals"][0]["refusal"], "decided-by-person", "{applied:#}");
    assert_eq!(applied["refusals"][0]["subject_id"], kept);
    until(SOON, || async {
        let after = seen(&people, &posts).await;
        ensure!(after["posts"][3][0] == 200, "{after:#}");
        ensure!(after["strikes"] == json!([]), "{after:#}");
        Ok(())
    })
    .await
    .unwrap();
    let after = seen(&people, &posts).await;
    let waiting = items(&after["queue"]).unwrap();
    assert_eq!(waiting.len(), 1, "{after:#}");
    assert_eq!(waiting[0]["subject"]["id"], link);
    let oracle = Oracle::connect(&world.stack.endpoints().postgres).await.unwrap();
    let events = oracle.recount().await.unwrap().events;
    let again = operator_as(&world, &token, &apply).await;
    assert_eq!(again.json(), applied);
    assert_eq!(seen(&people, &posts).await, after);
    assert_eq!(oracle.recount().await.unwrap().events, events);

    let id = text(&applied, "id").unwrap();
    let revert = ["moderation", "revert", &id, "--json", "--reason", "it was only a try"];
    let undone = operator_as(&world, &token, &revert).await;
    assert_eq!((undone.code, &undone.json()["undone"]), (0, &json!(3)), "{undone:?}");
    until(SOON, || async {
        let now = seen(&people, &posts).await;
        ensure!(now == before, "{now:#}\nis not\n{before:#}");
        Ok(())
    })
    .await
    .unwrap();
    // What was said stays said: the log has the same entries and then those of the batch, each naming it.
    let log = log(&people).await;
    let (old, new) = log.split_at(log_before.len());
    for (old, before) in old.iter().zip(&log_before) {
        assert_eq!((&old["id"], &old["decision"]), (&before["id"], &before["decision"]));
    }
    assert!(!new.is_empty() && new.iter().all(|entry| entry["batch_id"] == id), "{new:#?}");
    assert_eq!(replayed(&world, 5).await.1["differences"], 0);
    world.stack.stop().await.unwrap();
}
