//! Everybody can read what moderation does and check its figures; nobody reads who.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{moderation::Subject, user::Role};

use crate::support::{AUTHOR, INSULT, Person, THREAT, World};

/// Anybody, without a token.
async fn public(world: &World, path: &str) -> Value {
    let url = format!("http://{}/api/v1{path}", world.running.addr);
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn whole_log(world: &World) -> Vec<Value> {
    let mut log = Vec::new();
    let mut path = "/moderation/log?limit=2".to_owned();
    loop {
        let page = public(world, &path).await;
        log.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { return log };
        path = format!("/moderation/log?limit=2&cursor={cursor}");
    }
}

/// Removals and overturned ones by a field of the log.
fn recount(log: &[Value], field: &str, only: impl Fn(&Value) -> bool) -> Value {
    let mut counts = BTreeMap::<String, (i64, i64)>::new();
    for entry in log.iter().filter(|entry| entry["decision"] == "DELETE" && only(entry)) {
        let (removals, overturned) =
            counts.entry(entry[field].as_str().unwrap().to_owned()).or_default();
        *removals += 1;
        *overturned += i64::from(entry["overturned"] == true);
    }
    let count = |(version, (removals, overturned))| json!({ "version": version, "removals": removals, "overturned": overturned });
    counts.into_iter().map(count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statistics_are_what_the_log_adds_up_to() {
    let world = World::start().await;
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    let (anna, bert) = (world.moderator(), world.person(101, &[Role::Moderator]));
    let mut cases = Vec::new();
    for number in 0..3 {
        let post = world.post(10 + number, INSULT).await;
        cases.push(world.case(Subject::Post(post)).await);
    }
    let removed = world.post(30, THREAT).await;
    world.case(Subject::Post(removed)).await;
    world.decide(&anna, &cases[0], "DELETE").await;
    world.decide(&bert, &cases[1], "DELETE").await;
    world.decide(&anna, &cases[2], "DISMISS").await;
    let id = cases[0]["id"].as_str().unwrap();
    let appeal = json!({ "text": "No." });
    world.send(Method::POST, &author, &format!("/moderation/decisions/{id}/appeal"), appeal).await;
    let answer = json!({ "outcome": "OVERTURNED", "text": "Yes." });
    let path = format!("/moderation/cases/{id}/appeal");
    assert_eq!(world.send(Method::POST, &bert, &path, answer).await.0, 200);

    let log = whole_log(&world).await;
    let statistics = public(&world, "/moderation/statistics").await;

    // Three by people, one by the policy, a dismissal and a restoration.
    assert_eq!(log.len(), 5, "{log:?}");
    let by_person = |entry: &Value| entry["automated"] == false;
    assert_eq!(statistics["by_moderator"], recount(&log, "moderator", by_person));
    assert_eq!(statistics["by_analyser"], recount(&log, "analyser_version", |_| true));
    let by_policy = recount(&log, "policy_version", |entry| entry["automated"] == true);
    assert_eq!(statistics["automated_by_policy"], by_policy);
    let overturned: Vec<_> = log.iter().filter(|entry| entry["overturned"] == true).collect();
    assert_eq!(overturned.len(), 1);
    assert_eq!(overturned[0]["on_appeal"], true);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_neither_people_nor_content_and_a_moderator_always_alike() {
    let world = World::start().await;
    let (anna, bert) = (world.moderator(), world.person(101, &[Role::Moderator]));
    let mut posts = Vec::new();
    for (number, moderator) in [(10, &anna), (12, &anna), (14, &bert)] {
        let post = world.post(number, INSULT).await;
        let case = world.case(Subject::Post(post)).await;
        world.decide(moderator, &case, "DISMISS").await;
        posts.push(post.to_string());
    }

    let log = whole_log(&world).await;

    let [of_bert, of_anna, also_of_anna] = log.as_slice() else { panic!("{log:?}") };
    assert_eq!(of_anna["moderator"], also_of_anna["moderator"]);
    assert_ne!(of_anna["moderator"], of_bert["moderator"]);
    let text = Value::from(log.clone()).to_string();
    posts.extend([AUTHOR, anna.id, bert.id].map(|id| id.to_string()));
    for id in posts {
        assert!(!text.contains(&id), "{text}");
    }
}
