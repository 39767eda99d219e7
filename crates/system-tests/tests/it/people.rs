//! What people do about each other, through all services: report, decide, appeal, restrict.

use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, TimeDelta};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{
    client::{items, text, until},
    person::{MODERATOR, Person},
};

use crate::world::World;

/// How long something may take to arrive where it will be seen.
const SOON: Duration = Duration::from_secs(30);

/// The address that gets the administrator's role in a local stack.
const ADMIN: &str = "admin@demo.peerlink.invalid";

async fn sign_up(world: &World, email: &str) -> Person {
    Person::sign_up(&world.client, email, "Some", "Body", &["BOOKS"]).await.unwrap()
}

/// The status of a post as somebody sees it.
async fn status(person: &Person, post: &str) -> u16 {
    let answer = person.call(&Method::GET, &format!("/posts/{post}"), None).await.unwrap();
    answer.status.as_u16()
}

/// The one statement of reasons of an author, once the removal or its reversal is carried out.
async fn statement(author: &Person, state: &str) -> Value {
    until(SOON, || async {
        let page = author.get("/moderation/decisions/mine").await?;
        let statement = items(&page)?.first().cloned().unwrap_or_default();
        ensure!(text(&statement, "state")? == state, "{statement}");
        Ok(statement)
    })
    .await
    .unwrap()
}

async fn strikes(author: &Person, expected: usize) {
    until(SOON, || async {
        let standing = author.get("/moderation/standing/mine").await?;
        let strikes = standing.get("strikes").and_then(Value::as_array).map(Vec::len);
        ensure!(strikes == Some(expected), "{standing}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_leads_to_a_removal_that_an_appeal_takes_back_exactly() {
    let world = World::start().await;
    let (author, reader) = (
        sign_up(&world, "anna@demo.peerlink.invalid").await,
        sign_up(&world, "bert@demo.peerlink.invalid").await,
    );
    let (moderator, admin) = (sign_up(&world, MODERATOR).await, sign_up(&world, ADMIN).await);
    let post = author.post("Bread", "Flour, water, salt.", "FOOD").await.unwrap();
    let before = reader.get(&format!("/posts/{post}")).await.unwrap();

    let report = json!({ "subject_kind": "POST", "subject_id": post, "category": "HARASSMENT" });
    until(SOON, || async {
        let path = "/moderation/reports";
        let answer = reader.call(&Method::POST, path, Some(&report)).await?;
        ensure!([200, 201].contains(&answer.status.as_u16()), "{}", answer.body);
        Ok(())
    })
    .await
    .unwrap();
    let queue = moderator.get("/moderation/queue").await.unwrap();
    let case = text(items(&queue).unwrap().first().unwrap(), "id").unwrap();
    let claim = format!("/moderation/cases/{case}/claim");
    moderator.call(&Method::PUT, &claim, None).await.unwrap().expect(200).unwrap();
    let decision = json!({ "decision": "DELETE", "note": "as reported" });
    let decide = format!("/moderation/cases/{case}/decision");
    moderator.call(&Method::POST, &decide, Some(&decision)).await.unwrap().expect(200).unwrap();

    statement(&author, "DELETE_CONFIRMED").await;
    assert_eq!(status(&reader, &post).await, 404);
    strikes(&author, 1).await;
    let appeal = json!({ "text": "It is about bread." });
    let path = format!("/moderation/decisions/{case}/appeal");
    author.call(&Method::POST, &path, Some(&appeal)).await.unwrap().expect(200).unwrap();
    let answer = json!({ "outcome": "OVERTURNED", "text": "So it is." });
    let path = format!("/moderation/cases/{case}/appeal");
    moderator.call(&Method::POST, &path, Some(&answer)).await.unwrap().expect(403).unwrap();
    admin.call(&Method::POST, &path, Some(&answer)).await.unwrap().expect(200).unwrap();

    let restored = statement(&author, "RESTORE_CONFIRMED").await;
    assert_eq!(restored["appeal"]["state"], "OVERTURNED");
    assert_eq!(reader.get(&format!("/posts/{post}")).await.unwrap(), before);
    strikes(&author, 0).await;
    let told = author.get("/me/notifications").await.unwrap().to_string();
    assert!(told.contains("because of harassment; that was decided by a moderator"), "{told}");
    world.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sanctions_are_in_force_everywhere_until_they_end() {
    let world = World::start().await;
    let author = sign_up(&world, "anna@demo.peerlink.invalid").await;
    let moderator = sign_up(&world, MODERATOR).await;
    let path = format!("/moderation/users/{}/sanctions", author.id);
    let me = author.get("/users/me").await.unwrap();
    let now = DateTime::parse_from_rfc3339(&text(&me, "created_at").unwrap()).unwrap();
    let impose = |kind: &'static str| {
        let body = json!({
            "kind": kind, "until": now + TimeDelta::hours(1), "reasons": ["SPAM"], "statement": "Too much of it.",
        });
        let (moderator, path) = (&moderator, &path);
        async move {
            let answer = moderator.call(&Method::POST, path, Some(&body)).await.unwrap();
            text(&answer.expect(201).unwrap(), "id").unwrap()
        }
    };
    let lift = |id: String| {
        let (moderator, path) = (&moderator, &path);
        async move {
            let path = format!("{path}/{id}");
            moderator.call(&Method::DELETE, &path, None).await.unwrap().expect(200).unwrap();
        }
    };
    let post = json!({ "title": "Bread", "body": "Salt.", "category": "FOOD", "status": "POSTED" });
    let writes = |expected: u16| {
        let (author, post) = (&author, &post);
        async move {
            until(SOON, || async {
                let answer = author.call(&Method::POST, "/posts", Some(post)).await?;
                ensure!(answer.status.as_u16() == expected, "{} {}", answer.status, answer.body);
                Ok(answer.body)
            })
            .await
            .unwrap()
        }
    };

    writes(201).await;
    let mute = impose("MUTE").await;
    let refused = writes(403).await;
    assert!(refused.to_string().contains("account-muted"), "{refused}");
    author.get("/users/me").await.unwrap();
    lift(mute).await;
    writes(201).await;

    let suspension = impose("SUSPEND").await;
    writes(401).await;
    let suspended = Person::sign_in(&world.client, &author.email).await.unwrap();
    let answer = suspended.call(&Method::POST, "/posts", Some(&post)).await.unwrap();
    let refused = answer.expect(403).unwrap().to_string();
    let end = (now + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert!(refused.contains("account-suspended") && refused.contains(&end), "{refused}");
    let standing = suspended.get("/moderation/standing/mine").await.unwrap();
    assert!(standing.to_string().contains("Too much of it."), "{standing}");
    lift(suspension).await;
    until(SOON, || async {
        let again = Person::sign_in(&world.client, &author.email).await?;
        again.call(&Method::POST, "/posts", Some(&post)).await?.expect(201)
    })
    .await
    .unwrap();
    world.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_for_strikes_appeals_and_writes_again_once_they_are_taken_back() {
    let world = World::start().await;
    let author = sign_up(&world, "anna@demo.peerlink.invalid").await;
    let (moderator, admin) = (sign_up(&world, MODERATOR).await, sign_up(&world, ADMIN).await);
    let mut cases = Vec::new();
    for number in 1..=5 {
        let title = format!("Recipe number {number}");
        let post = author.post(&title, &format!("{number} cups of flour."), "FOOD").await.unwrap();
        let report =
            json!({ "subject_kind": "POST", "subject_id": post, "category": "RULES_VIOLATION" });
        until(SOON, || async {
            let path = "/moderation/reports";
            let answer = admin.call(&Method::POST, path, Some(&report)).await?;
            ensure!([200, 201].contains(&answer.status.as_u16()), "{}", answer.body);
            Ok(())
        })
        .await
        .unwrap();
        let queue = moderator.get("/moderation/queue").await.unwrap();
        let about = |case: &&Value| case.to_string().contains(&post);
        cases.push(text(items(&queue).unwrap().iter().find(about).unwrap(), "id").unwrap());
    }
    for (case, count) in cases.iter().zip(1..) {
        let path = format!("/moderation/cases/{case}/decision");
        let decision = json!({ "decision": "DELETE" });
        moderator.call(&Method::POST, &path, Some(&decision)).await.unwrap().expect(200).unwrap();
        until(SOON, || async {
            let path = format!("/moderation/users/{}/standing", author.id);
            let standing = moderator.get(&path).await?;
            let strikes = standing.get("strikes").and_then(Value::as_array).map(Vec::len);
            ensure!(strikes == Some(count), "{standing}");
            Ok(())
        })
        .await
        .unwrap();
    }

    let post = json!({ "title": "Bread", "body": "Salt.", "category": "FOOD", "status": "POSTED" });
    let writes = |expected: u16| {
        let (world, author, post) = (&world, &author, &post);
        async move {
            until(SOON, || async {
                let author = Person::sign_in(&world.client, &author.email).await?;
                let answer = author.call(&Method::POST, "/posts", Some(post)).await?;
                ensure!(answer.status.as_u16() == expected, "{} {}", answer.status, answer.body);
                Ok((author, answer.body))
            })
            .await
            .unwrap()
        }
    };
    let (suspended, refused) = writes(403).await;
    assert!(refused.to_string().contains("account-"), "{refused}");
    strikes(&suspended, 5).await;
    // Two strikes are below every rung.
    for case in &cases[..3] {
        let path = format!("/moderation/decisions/{case}/appeal");
        let appeal = json!({ "text": "It is a recipe." });
        suspended.call(&Method::POST, &path, Some(&appeal)).await.unwrap().expect(200).unwrap();
        let path = format!("/moderation/cases/{case}/appeal");
        let answer = json!({ "outcome": "OVERTURNED", "text": "So it is." });
        admin.call(&Method::POST, &path, Some(&answer)).await.unwrap().expect(200).unwrap();
    }

    let (author, _) = writes(201).await;
    strikes(&author, 2).await;
    let standing = author.get("/moderation/standing/mine").await.unwrap();
    let sanctions = standing["sanctions"].as_array().unwrap();
    let ended: Vec<&Value> = sanctions.iter().map(|sanction| &sanction["ended"]).collect();
    assert_eq!(ended, ["LIFTED", "LIFTED"], "{standing}");
    world.stack.stop().await.unwrap();
}
