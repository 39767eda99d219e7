//! Moderators share a queue.

use event_runtime::{Expected, Streams};
use moderation_service::case::{
    aggregate::{Case, CaseError, Opening, case_id},
    projection::CaseReadModel,
};
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    PostId, UserId, ViewId,
    envelope::Metadata,
    moderation::{ModerationReason, Subject},
    post::Category,
    user::Role,
    view::ViewEvent,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{AUTHOR, INSULT, ORDINARY, Person, SOON, World, edited};

/// Speaks of hurting oneself.
const DESPAIR: &str = "I want to kill myself tonight, I can't go on anymore.";

fn path(case: &Value, rest: &str) -> String {
    format!("/moderation/cases/{}/{rest}", case["id"].as_str().unwrap())
}

async fn seen(world: &World, post: PostId, times: u128) {
    for number in 0..times {
        let viewer_id = UserId(Uuid::from_u128(10_000 + number));
        let view = ViewEvent::Counted {
            post_id: post,
            post_author_id: AUTHOR,
            category: Category::Books,
            viewer_id,
            hour: crate::support::noon(0),
        };
        let id = ViewId::of(viewer_id, post, 1);
        world.publisher.publish(id, 1, &view).await.unwrap();
    }
}

async fn queue(world: &World, person: &Person, query: &str) -> Vec<Value> {
    let (status, page) = world.get(person, &format!("/moderation/queue?{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().iter().map(|case| case["id"].clone()).collect()
}

/// A second moderator.
fn second(world: &World) -> Person {
    world.person(101, &[Role::User, Role::Moderator])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_begins_with_those_who_need_help_and_goes_on_by_reach() {
    let world = World::start().await;
    let moderator = world.moderator();
    let quiet = world.post(10, INSULT).await;
    let loud = world.post(12, INSULT).await;
    let despair = world.post(14, DESPAIR).await;
    let mut cases = Vec::new();
    for post in [despair, loud, quiet] {
        cases.push(world.case(Subject::Post(post)).await["id"].clone());
    }

    seen(&world, loud, 20).await;

    eventually(SOON, || async {
        let queue = queue(&world, &moderator, "limit=100").await;
        if queue == cases { Ok(()) } else { Err(queue) }
    })
    .await;
    // The same order page by page.
    let mut paged = Vec::new();
    let mut next = "/moderation/queue?limit=1".to_owned();
    loop {
        let (_, page) = world.get(&moderator, &next).await;
        paged.extend(page["items"].as_array().unwrap().iter().map(|case| case["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("/moderation/queue?limit=1&cursor={cursor}");
    }
    assert_eq!(paged, cases);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_case_is_decided_by_nobody_else_until_it_is_released() {
    let world = World::start().await;
    let (anna, bert) = (world.moderator(), second(&world));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let (status, claimed) = world.send(Method::PUT, &anna, &path(&case, "claim"), json!({})).await;
    assert_eq!((status, &claimed["review"]["claimed_by"]), (200, &json!(anna.id)), "{claimed}");
    let (status, problem) = world.decide(&bert, &case, "DISMISS").await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/case-claimed")));
    assert_eq!(world.send(Method::PUT, &bert, &path(&case, "claim"), json!({})).await.0, 409);
    assert_eq!(queue(&world, &bert, "claimed_by=NOBODY").await, Vec::<Value>::new());
    assert_eq!(queue(&world, &bert, "claimed_by=OTHERS").await, [case["id"].clone()]);
    assert_eq!(queue(&world, &anna, "claimed_by=ME").await, [case["id"].clone()]);

    let renewed = world.send(Method::PUT, &anna, &path(&case, "claim"), json!({})).await.1;
    assert!(
        renewed["review"]["claimed_until"].as_str() > claimed["review"]["claimed_until"].as_str()
    );
    world.send(Method::DELETE, &anna, &path(&case, "claim"), json!({})).await;
    assert_eq!(world.decide(&bert, &case, "DISMISS").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escalated_case_is_decided_by_an_administrator() {
    let world = World::start().await;
    let (moderator, admin) = (world.moderator(), world.person(8, &[Role::Admin]));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let body = json!({ "note": "a public figure" });
    world.send(Method::PUT, &moderator, &path(&case, "escalation"), body).await;

    let (status, problem) = world.decide(&moderator, &case, "DELETE").await;
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/case-escalated")));
    assert_eq!(queue(&world, &admin, "escalated=true").await, [case["id"].clone()]);
    assert_eq!(world.decide(&admin, &case, "DELETE").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_for_colleagues_and_are_never_published() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let note = json!({ "note": "  the third of this kind  " });
    world.send(Method::POST, &moderator, &path(&case, "notes"), note).await;
    let decision = json!({ "decision": "DELETE", "note": "enough is enough" });
    let (status, _) =
        world.send(Method::POST, &moderator, &path(&case, "decision"), decision).await;
    assert_eq!(status, 200);
    world.send(Method::PUT, &moderator, &path(&case, "acknowledgement"), json!({})).await;

    let (_, file) = world.get(&moderator, &path(&case, "file")).await;
    assert_eq!(file["notes"][0]["note"], "the third of this kind");
    assert_eq!(file["notes"][1]["note"], "enough is enough");
    let id: Uuid = case["id"].as_str().unwrap().parse().unwrap();
    let published = eventually(SOON, || async {
        let analyst = world.person(9, &[Role::Analyst]);
        let (_, page) = world.get(&analyst, &format!("/events?aggregate={id}")).await;
        let text = page.to_string();
        if text.contains("case.acknowledged") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(!published.contains("third") && !published.contains("enough"), "{published}");
    let refused = json!({ "note": " " });
    assert_eq!(world.send(Method::POST, &moderator, &path(&case, "notes"), refused).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_have_seen_is_removed_by_two_moderators() {
    let world = World::start_with(&[("TWO_REVIEWERS_FROM", "3")]).await;
    let (anna, bert) = (world.moderator(), second(&world));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    seen(&world, post, 3).await;
    eventually(SOON, || async {
        let (_, case) = world.get(&anna, path(&case, "").trim_end_matches('/')).await;
        if case["review"]["reach"] == 3 { Ok(()) } else { Err(case) }
    })
    .await;

    let (_, proposed) = world.decide(&anna, &case, "DELETE").await;
    assert_eq!(
        (&proposed["state"], &proposed["review"]["proposed_by"]),
        (&json!("OPENED"), &json!(anna.id))
    );
    assert_eq!(world.decide(&anna, &case, "DELETE").await.1["state"], "OPENED");
    let (_, decided) = world.decide(&bert, &case, "DELETE").await;
    assert_eq!(decided["state"], "DELETE_REQUESTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_decides_many_cases_and_says_which_refused() {
    let world = World::start().await;
    let (anna, bert) = (world.moderator(), second(&world));
    let mut ids = Vec::new();
    for number in 0..3 {
        let post = world.post(10 + number, INSULT).await;
        ids.push(world.case(Subject::Post(post)).await["id"].clone());
    }
    let claimed = json!({ "id": ids[1] });
    world.send(Method::PUT, &bert, &path(&claimed, "claim"), json!({})).await;

    let body = json!({ "case_ids": ids, "decision": "DELETE", "reasons": ["SPAM"] });
    let (status, decided) = world.send(Method::POST, &anna, "/moderation/decisions", body).await;

    assert_eq!(status, 200, "{decided}");
    let cases = decided["cases"].as_array().unwrap();
    assert_eq!(cases[0]["state"], "DELETE_REQUESTED");
    assert_eq!(cases[1]["problem"], "/problems/case-claimed");
    assert_eq!(cases[2]["state"], "DELETE_REQUESTED");
    for body in [
        json!({ "decision": "DELETE" }),
        json!({ "case_ids": ids, "cluster_id": "x", "decision": "DELETE" }),
    ] {
        let (status, _) = world.send(Method::POST, &anna, "/moderation/decisions", body).await;
        assert_eq!(status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_put_on_and_taken_off() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let labels = json!({ "labels": ["SENSITIVE"] });
    let (status, labelled) =
        world.send(Method::PUT, &moderator, &path(&case, "labels"), labels).await;

    assert_eq!((status, &labelled["review"]["labels"]), (200, &json!(["SENSITIVE"])));
    assert_eq!(queue(&world, &moderator, "label=SENSITIVE").await, [case["id"].clone()]);
    assert_eq!(queue(&world, &moderator, "label=SPOILER").await, Vec::<Value>::new());
    // Everybody who is signed in is told; content without labels is left out.
    let user = world.person(7, &[Role::User]);
    let other = PostId(Uuid::from_u128(77));
    let labels = format!("/moderation/labels?ids={post},{other}");
    let told = json!([{ "subject_id": post, "labels": ["SENSITIVE"] }]);
    assert_eq!(world.get(&user, &labels).await, (200, told));
    assert_eq!(world.get(&user, "/moderation/labels?ids=nonsense").await.0, 400);
    let (_, off) =
        world.send(Method::PUT, &moderator, &path(&case, "labels"), json!({ "labels": [] })).await;
    assert_eq!(off["review"]["labels"], json!([]));
    assert_eq!(world.get(&user, &labels).await, (200, json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_an_older_version_says_nothing_of_a_newer_one() {
    let world = World::start().await;
    let (moderator, user) = (world.moderator(), world.person(7, &[Role::User]));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let label = async |labels: Value| {
        let labels = json!({ "labels": labels });
        world.send(Method::PUT, &moderator, &path(&case, "labels"), labels).await
    };
    let told = || async { world.get(&user, &format!("/moderation/labels?ids={post}")).await.1 };
    assert_eq!(label(json!(["SENSITIVE"])).await.0, 200);
    assert_eq!(told().await[0]["labels"], json!(["SENSITIVE"]));

    world.publisher.publish(post, 2, &edited(ORDINARY)).await.unwrap();
    world.screenings(post, 2).await;

    eventually(SOON, || async { told().await == json!([]) }).await;
    assert_eq!(label(json!(["SPOILER"])).await.0, 200);
    assert_eq!(told().await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_near_copies_of_a_cluster_are_decided_by_one_call() {
    let world = World::start().await;
    let moderator = world.moderator();
    let cases: Streams<Case> = Streams::new(world.running.store.clone(), CaseReadModel);
    let opening = |number: u128, cluster: &str| Opening {
        subject: Subject::Post(PostId(Uuid::from_u128(number))),
        subject_version: 1,
        author_id: AUTHOR,
        reasons: vec![ModerationReason::Spam],
        analyser: "test".to_owned(),
        analysis: Value::Null,
        cluster_id: Some(cluster.to_owned()),
        labels: vec![],
        batch_id: None,
    };
    for (number, cluster) in [(10, "pills"), (12, "pills"), (14, "shoes")] {
        let opening = opening(number, cluster);
        let id = case_id(&opening.subject, 1);
        let nobody = Metadata::default();
        let open = |case: &Case| Ok::<_, CaseError>(case.open(opening.clone(), None));
        cases.execute(id, Expected::Any, &nobody, open).await.unwrap();
    }
    assert_eq!(queue(&world, &moderator, "cluster_id=pills").await.len(), 2);

    let body = json!({ "cluster_id": "pills", "decision": "DELETE", "note": "one campaign" });
    let (status, decided) =
        world.send(Method::POST, &moderator, "/moderation/decisions", body).await;

    assert_eq!(status, 200, "{decided}");
    let stands: Vec<&Value> =
        decided["cases"].as_array().unwrap().iter().map(|case| &case["state"]).collect();
    assert_eq!(stands, ["DELETE_REQUESTED", "DELETE_REQUESTED"]);
    assert_eq!(queue(&world, &moderator, "").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_follow_the_queue_and_nobody_else_does() {
    let world = World::start().await;
    let (moderator, user) = (world.moderator(), world.person(7, &[Role::User]));
    let before = world.post(10, INSULT).await;
    let before = world.case(Subject::Post(before)).await;
    eventually(SOON, || async {
        let (_, page) = world.get(&world.person(9, &[Role::Analyst]), "/events").await;
        page["items"].as_array().unwrap().len() == 1
    })
    .await;
    assert_eq!(world.get(&user, "/moderation/queue/events").await.0, 403);
    let request = world.request(Method::GET, &moderator, "/moderation/queue/events");
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");

    let post = world.post(12, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    world.send(Method::PUT, &moderator, &path(&case, "claim"), json!({})).await;

    let mut told = String::new();
    while !told.contains("case.claimed.v1") {
        let chunk = tokio::time::timeout(SOON, stream.chunk()).await.unwrap().unwrap().unwrap();
        told += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(told.contains("case.opened.v1") && told.contains(case["id"].as_str().unwrap()));
    assert!(!told.contains(before["id"].as_str().unwrap()), "what was before is in the queue");
}
