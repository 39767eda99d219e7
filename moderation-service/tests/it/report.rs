//! People report content; moderators see what, nobody sees who.

use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{PostId, UserId, moderation::Subject, post::PostEvent, user::Role};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{AUTHOR, INSULT, ORDINARY, Person, SOON, World, answer, edited};

async fn report(world: &World, person: &Person, post: PostId, category: &str) -> (u16, Value) {
    let body = json!({ "subject_kind": "POST", "subject_id": post, "category": category, "note": "see for yourself" });
    let request = world.request(Method::POST, person, "/moderation/reports").json(&body);
    answer(request.send().await.unwrap()).await
}

/// A report, once the content is known to this service.
async fn reported(world: &World, person: &Person, post: PostId, category: &str) -> Value {
    eventually(SOON, || async {
        match report(world, person, post, category).await {
            (200 | 201, report) => Ok(report),
            other => Err(other),
        }
    })
    .await
}

async fn file(world: &World, case: &Value) -> Value {
    let path = format!("/moderation/cases/{}/file", case["id"].as_str().unwrap());
    let (status, file) = world.get(&world.moderator(), &path).await;
    assert_eq!(status, 200, "{file}");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_opens_a_case_and_the_next_one_adds_to_it() {
    let world = World::start().await;
    let (anna, bert) = (world.person(7, &[Role::User]), world.person(8, &[Role::User]));
    let post = world.post(10, ORDINARY).await;
    world.screenings(post, 1).await;

    let first = reported(&world, &anna, post, "HARASSMENT").await;
    let case = world.case(Subject::Post(post)).await;
    reported(&world, &bert, post, "SPAM").await;

    assert_eq!((&first["state"], &first["subject_version"]), (&json!("OPEN"), &json!(1)));
    assert_eq!(case["reasons"], json!(["HARASSMENT"]));
    assert_ne!(case["analysis"]["analyser"], "reports", "the judgement of this version is known");
    let case = world.case(Subject::Post(post)).await;
    assert_eq!(case["review"]["reports"], 2);
    assert_eq!(case["review"]["reported_for"], json!(["HARASSMENT", "SPAM"]));
    let reports = file(&world, &case).await["reports"].clone();
    assert_eq!(reports[0]["note"], "see for yourself");
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reports_the_same_version_again_gets_the_first_report_back() {
    let world = World::start().await;
    let anna = world.person(7, &[Role::User]);
    let post = world.post(10, ORDINARY).await;
    let first = reported(&world, &anna, post, "SPAM").await;

    let (status, again) = report(&world, &anna, post, "THREAT").await;

    assert_eq!((status, &again), (200, &first));
    assert_eq!(world.case(Subject::Post(post)).await["review"]["reports"], 1);
    // A new version can be reported anew, and has a case of its own.
    world.publisher.publish(post, 2, &edited("Another text altogether.")).await.unwrap();
    eventually(SOON, || async { report(&world, &anna, post, "SPAM").await.0 == 201 }).await;
    assert_eq!(world.cases(Subject::Post(post)).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_outlives_edits_and_deletion() {
    let world = World::start().await;
    let anna = world.person(7, &[Role::User]);
    let post = world.post(10, ORDINARY).await;
    reported(&world, &anna, post, "SPAM").await;
    let case = world.case(Subject::Post(post)).await;

    world.publisher.publish(post, 2, &edited("Nothing to see here.")).await.unwrap();
    world.publisher.publish(post, 3, &PostEvent::Deleted {}).await.unwrap();
    eventually(SOON, || async { report(&world, &anna, post, "SPAM").await.0 == 404 }).await;

    let file = file(&world, &case).await;
    assert_eq!(file["evidence"], format!("A title\n{ORDINARY}"));
    assert_eq!(file["evidence_sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_who_reported() {
    let world = World::start().await;
    let anna = world.person(7, &[Role::User]);
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    let analyst = world.person(9, &[Role::Analyst]);
    let post = world.post(10, INSULT).await;
    reported(&world, &anna, post, "HARASSMENT").await;
    let case = world.case(Subject::Post(post)).await;
    world.decide(&world.moderator(), &case, "DELETE").await;

    let seen_by_moderators = [case.to_string(), file(&world, &case).await.to_string()];
    let (_, statements) = world.get(&author, "/moderation/decisions/mine").await;
    let (_, log) = world.get(&author, "/moderation/log").await;
    let published = eventually(SOON, || async {
        let (_, page) = world.get(&analyst, "/events?limit=100").await;
        let text = page.to_string();
        if text.contains("case.reported.v1") && text.contains("case.decided.v1") {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .await;

    let all = [statements.to_string(), log.to_string(), published].into_iter();
    for text in all.chain(seen_by_moderators) {
        assert!(!text.contains(&anna.id.to_string()), "{text}");
        assert!(!text.contains("report.filed"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reporters_see_what_became_of_their_own_reports_and_of_no_others() {
    let world = World::start().await;
    let (anna, bert) = (world.person(7, &[Role::User]), world.person(8, &[Role::User]));
    let post = world.post(10, ORDINARY).await;
    reported(&world, &anna, post, "SPAM").await;
    let case = world.case(Subject::Post(post)).await;

    world.decide(&world.moderator(), &case, "DELETE").await;

    let (_, mine) = world.get(&anna, "/moderation/reports/mine").await;
    assert_eq!(mine["items"][0]["state"], "ACTED_ON");
    let (_, others) = world.get(&bert, "/moderation/reports/mine").await;
    assert_eq!(others["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn own_missing_and_hidden_content_cannot_be_reported() {
    let world = World::start().await;
    let anna = world.person(7, &[Role::User]);
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    eventually(SOON, || async { report(&world, &author, post, "SPAM").await.0 == 409 }).await;
    let nothing = PostId(Uuid::from_u128(77));
    assert_eq!(report(&world, &anna, nothing, "SPAM").await.0, 404);
    world.post_hidden(post, 2, &case).await;
    let bert = world.person(8, &[Role::User]);
    eventually(SOON, || async { report(&world, &bert, post, "SPAM").await.0 == 404 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reports_within_an_hour_are_the_most() {
    let world = World::start().await;
    let anna = world.person(7, &[Role::User]);
    for number in 0..21 {
        world.post_of(UserId(Uuid::from_u128(500 + number)), 1_000 + number, ORDINARY).await;
    }
    let post = |number: u128| PostId(Uuid::from_u128(1_000 + number));
    for number in 0..20 {
        reported(&world, &anna, post(number), "SPAM").await;
    }

    eventually(SOON, || async { report(&world, &anna, post(20), "SPAM").await.0 == 429 }).await;

    assert_eq!(report(&world, &anna, post(0), "SPAM").await.0, 200, "a repeat is no report");
    let body = json!({ "subject_kind": "POST", "subject_id": post(20), "category": "SPAM" });
    let request = world.request(Method::POST, &anna, "/moderation/reports").json(&body);
    let refused = request.send().await.unwrap();
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(answer(refused).await.1["type"], "/problems/too-many-reports");
    let bert = world.person(8, &[Role::User]);
    reported(&world, &bert, post(20), "SPAM").await;
}
