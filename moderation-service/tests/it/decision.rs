//! Moderators decide, services carry out, and nobody else may.

use reqwest::{Method, StatusCode};
use serde_json::json;
use shared_schemas::{
    Service, UserId,
    moderation::Subject,
    post::PostEvent,
    user::{AccountStatus, Role, UserEvent},
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{INSULT, SOON, THREAT, World, answer, edited};

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_deletes_and_restores_and_the_service_confirms_each() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let (status, deleted) = world.decide(&moderator, &case, "DELETE").await;
    assert_eq!((status, &deleted["state"]), (200, &json!("DELETE_REQUESTED")), "{deleted}");
    assert_eq!(deleted["decided_by"], json!({ "kind": "MODERATOR", "user_id": moderator.id }));
    assert_eq!(deleted["reasons"], case["reasons"]);
    world.post_hidden(post, 2, &case).await;
    world.case_in(&case, "DELETE_CONFIRMED").await;

    let (_, restored) = world.decide(&moderator, &case, "RESTORE").await;
    assert_eq!(restored["state"], "RESTORE_REQUESTED");
    world.post_restored(post, 3, &case).await;
    world.case_in(&case, "RESTORE_CONFIRMED").await;

    let (_, anew) = world.decide(&moderator, &case, "DELETE").await;
    assert_eq!(anew["state"], "DELETE_REQUESTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_says_why_and_is_not_repeated() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let path = format!("/moderation/cases/{}/decision", case["id"].as_str().unwrap());
    let body = json!({ "decision": "DISMISS", "reasons": ["RULES_VIOLATION"] });

    let first = world.request(Method::POST, &moderator, &path).json(&body).send().await.unwrap();
    let version = first.headers()["etag"].clone();
    let (_, first) = answer(first).await;
    let again = world.request(Method::POST, &moderator, &path).json(&body).send().await.unwrap();

    assert_eq!(first["state"], "DISMISSED");
    assert_eq!(first["reasons"], json!(["RULES_VIOLATION"]));
    assert_eq!(again.headers()["etag"], version);
    assert_eq!(world.decide(&moderator, &case, "RESTORE").await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_an_outdated_view_is_refused() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let path = format!("/moderation/cases/{}", case["id"].as_str().unwrap());
    let seen = world.request(Method::GET, &moderator, &path).send().await.unwrap();
    let seen = seen.headers()["etag"].clone();
    let decide = |decision: &str| {
        world
            .request(Method::POST, &moderator, &format!("{path}/decision"))
            .header("If-Match", &seen)
            .json(&json!({ "decision": decision }))
            .send()
    };

    assert_eq!(decide("DISMISS").await.unwrap().status(), StatusCode::OK);
    assert_eq!(decide("DELETE").await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    world.case_in(&case, "DISMISSED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_moderators_and_administrators_see_or_decide_cases() {
    let world = World::start().await;
    let (user, admin) = (world.person(7, &[Role::User]), world.person(8, &[Role::Admin]));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let path = format!("/moderation/cases/{}", case["id"].as_str().unwrap());

    assert_eq!(world.get(&user, "/moderation/cases").await.0, 403);
    assert_eq!(world.get(&user, &path).await.0, 403);
    let (status, problem) = world.decide(&user, &case, "DELETE").await;
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/role-required")));
    assert_eq!(world.decide(&admin, &case, "DISMISS").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_moderator_reads_and_does_not_decide() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;

    let muted = UserEvent::StatusChanged { status: AccountStatus::Muted, until: None };
    world.publisher.publish(moderator.id, 1, &muted).await.unwrap();

    eventually(SOON, || async { world.decide(&moderator, &case, "DISMISS").await.0 == 403 }).await;
    assert_eq!(world.get(&moderator, "/moderation/cases").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_case_or_no_decision_is_refused() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let nothing = json!({ "id": Uuid::from_u128(77) });
    let path = format!("/moderation/cases/{}/decision", case["id"].as_str().unwrap());
    let send =
        |body: serde_json::Value| world.request(Method::POST, &moderator, &path).json(&body).send();

    assert_eq!(world.decide(&moderator, &nothing, "DELETE").await.0, 404);
    assert_eq!(world.decide(&moderator, &case, "BURN").await.0, 400);
    for body in [
        json!({}),
        json!({ "decision": "DELETE", "reasons": [] }),
        json!({ "decision": "DELETE", "reasons": ["SPAM", "SPAM"] }),
        json!({ "decision": "DELETE", "who": "me" }),
    ] {
        assert_eq!(send(body.clone()).await.unwrap().status(), 400, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cases_about_one_post_cannot_ask_for_opposites_at_once() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    world.publisher.publish(post, 2, &edited(INSULT)).await.unwrap();
    world.screenings(post, 2).await;
    let cases = world.cases(Subject::Post(post)).await;
    let [first, second] = cases.as_slice() else { panic!("{cases:?}") };
    world.decide(&moderator, first, "DELETE").await;
    world.post_hidden(post, 3, first).await;
    world.case_in(first, "DELETE_CONFIRMED").await;
    world.decide(&moderator, first, "RESTORE").await;

    // Were it confirmed because the post is hidden now, the restoration on its way would show what a decision has hidden.
    let (status, refused) = world.decide(&moderator, second, "DELETE").await;
    assert_eq!((status, &refused["type"]), (409, &json!("/problems/case-state")), "{refused}");
    // Nor may a rule do that; a person decides.
    world.publisher.publish(post, 4, &edited(THREAT)).await.unwrap();
    world.screenings(post, 3).await;
    let cases = world.cases(Subject::Post(post)).await;
    assert_eq!(cases.last().unwrap()["state"], "OPENED", "{cases:?}");

    world.post_restored(post, 5, first).await;
    world.case_in(first, "RESTORE_CONFIRMED").await;
    assert_eq!(world.decide(&moderator, second, "DELETE").await.0, 200);
    world.decide(&moderator, cases.last().unwrap(), "DELETE").await;
    world.post_hidden(post, 6, second).await;
    world.case_in(second, "DELETE_CONFIRMED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cases_about_one_post_are_both_confirmed_though_it_is_hidden_once() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    world.publisher.publish(post, 2, &edited(INSULT)).await.unwrap();
    world.publisher.publish(post, 3, &edited(INSULT)).await.unwrap();
    world.screenings(post, 3).await;
    let cases = world.cases(Subject::Post(post)).await;
    let [first, second, late] = cases.as_slice() else { panic!("{cases:?}") };
    for case in [first, second] {
        assert_eq!(world.decide(&moderator, case, "DELETE").await.0, 200);
    }

    world.post_hidden(post, 4, first).await;

    world.case_in(first, "DELETE_CONFIRMED").await;
    world.case_in(second, "DELETE_CONFIRMED").await;
    assert_eq!(world.decide(&moderator, late, "DELETE").await.1["state"], "DELETE_CONFIRMED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_author_deleted_counts_as_hidden_and_does_not_come_back() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    world.decide(&moderator, &case, "DELETE").await;

    world.publisher.publish(post, 2, &PostEvent::Deleted {}).await.unwrap();

    world.case_in(&case, "DELETE_CONFIRMED").await;
    let (status, problem) = world.decide(&moderator, &case, "RESTORE").await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/content-gone")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_names_its_decider_and_what_led_to_it() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    world.decide(&moderator, &case, "DELETE").await;
    let id: Uuid = case["id"].as_str().unwrap().parse().unwrap();

    let history = world.running.store.history(world.db(), "case", id).await.unwrap();

    let [opened, decided] = history.as_slice() else { panic!("{history:?}") };
    assert_eq!(opened.service, Service::Moderation);
    assert!(opened.metadata.causation_id.is_some(), "the publication is the cause");
    assert_eq!(decided.metadata.actor, Some(UserId(moderator.id.0)));
    assert!(decided.raw.data.get("note").is_none());
}
