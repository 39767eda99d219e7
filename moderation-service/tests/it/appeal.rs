//! Authors learn why, appeal once, and are answered by somebody else.

use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    PostId,
    moderation::Subject,
    post::PostEvent,
    user::{AccountStatus, Role, UserEvent},
};
use test_kit::eventually;

use crate::support::{AUTHOR, INSULT, Person, SOON, THREAT, World};

struct Removed {
    world: World,
    author: Person,
    decider: Person,
    other: Person,
    post: PostId,
    case: Value,
}

/// A post that a moderator has removed.
async fn removed() -> Removed {
    let world = World::start().await;
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    let (decider, other) = (world.moderator(), world.person(101, &[Role::Moderator]));
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    world.decide(&decider, &case, "DELETE").await;
    world.post_hidden(post, 2, &case).await;
    let case = world.case_in(&case, "DELETE_CONFIRMED").await;
    Removed { world, author, decider, other, post, case }
}

impl Removed {
    async fn appeal(&self, person: &Person) -> (u16, Value) {
        let path = format!("/moderation/decisions/{}/appeal", self.case["id"].as_str().unwrap());
        self.world.send(Method::POST, person, &path, json!({ "text": "I quoted a song." })).await
    }

    async fn answer(&self, person: &Person, outcome: &str) -> (u16, Value) {
        let path = format!("/moderation/cases/{}/appeal", self.case["id"].as_str().unwrap());
        let body = json!({ "outcome": outcome, "text": "We looked again." });
        self.world.send(Method::POST, person, &path, body).await
    }

    async fn statement(&self) -> Value {
        let (status, page) = self.world.get(&self.author, "/moderation/decisions/mine").await;
        assert_eq!(status, 200, "{page}");
        page["items"][0].clone()
    }

    async fn strikes(&self) -> usize {
        let (_, mine) = self.world.get(&self.author, "/moderation/standing/mine").await;
        mine["strikes"].as_array().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_is_told_what_why_and_where_and_neither_weights_nor_names() {
    let given = removed().await;

    let statement = given.statement().await;

    assert_eq!(statement["reasons"], given.case["reasons"]);
    assert_eq!(statement["automated"], false);
    assert!(statement["how_to_appeal"].as_str().unwrap().contains("/appeal"), "{statement}");
    let finding = &statement["findings"][0];
    let text = format!("A title\n{INSULT}");
    let place = |end: &str| usize::try_from(finding["span"][end].as_u64().unwrap()).unwrap();
    assert!(text.get(place("start")..place("end")).unwrap().contains("idiot"), "{finding}");
    let told = statement.to_string();
    for secret in ["weight", "score", "rule\":", &given.decider.id.to_string()] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    let (_, others) = given.world.get(&given.other, "/moderation/decisions/mine").await;
    assert_eq!(others["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_removes_says_that_no_person_decided() {
    let world = World::start().await;
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    let post = world.post(10, THREAT).await;
    world.case(Subject::Post(post)).await;

    let (_, page) = world.get(&author, "/moderation/decisions/mine").await;

    assert_eq!(page["items"][0]["automated"], true);
    assert!(page["items"][0]["rules"].as_str().unwrap().contains("policy:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appeal_that_is_accepted_brings_the_content_back_and_takes_the_strike_away() {
    let given = removed().await;
    eventually(SOON, || async { given.strikes().await == 1 }).await;

    let (status, appealed) = given.appeal(&given.author).await;
    assert_eq!((status, &appealed["appeal"]["state"]), (200, &json!("PENDING")), "{appealed}");
    let (_, queue) = given.world.get(&given.other, "/moderation/queue?appealed=true").await;
    assert_eq!(queue["items"][0]["id"], given.case["id"]);
    let (status, answered) = given.answer(&given.other, "OVERTURNED").await;

    assert_eq!((status, &answered["state"]), (200, &json!("RESTORE_REQUESTED")), "{answered}");
    let statement = given.statement().await;
    assert_eq!(statement["appeal"]["state"], "OVERTURNED");
    assert_eq!(statement["appeal"]["answer"], "We looked again.");
    assert_eq!(statement.get("how_to_appeal"), None);
    given.world.post_restored(given.post, 3, &given.case).await;
    given.world.case_in(&given.case, "RESTORE_CONFIRMED").await;
    eventually(SOON, || async { given.strikes().await == 0 }).await;
    given.world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appeal_is_made_once_by_the_author_and_not_answered_by_the_decider() {
    let given = removed().await;

    assert_eq!(given.answer(&given.other, "UPHELD").await.0, 409, "nobody has appealed");
    assert_eq!(given.appeal(&given.other).await.0, 404);
    assert_eq!(given.appeal(&given.author).await.0, 200);
    let (status, problem) = given.appeal(&given.author).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/appealed-already")));
    let (status, problem) = given.answer(&given.decider, "UPHELD").await;
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/own-decision")));
    assert_eq!(given.answer(&given.author, "OVERTURNED").await.0, 403);

    let (status, upheld) = given.answer(&given.other, "UPHELD").await;
    assert_eq!((status, &upheld["state"]), (200, &json!("DELETE_CONFIRMED")));
    assert_eq!(given.appeal(&given.author).await.0, 409);
    assert_eq!(given.answer(&given.other, "OVERTURNED").await.0, 409);
    eventually(SOON, || async { given.strikes().await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_appeal_about_deleted_content_takes_the_strike_away_all_the_same() {
    let given = removed().await;
    eventually(SOON, || async { given.strikes().await == 1 }).await;
    given.appeal(&given.author).await;
    given.world.publisher.publish(given.post, 3, &PostEvent::Deleted {}).await.unwrap();
    let gone = "SELECT visibility FROM content_visibility WHERE visibility = 'GONE'";
    eventually(SOON, || async { given.world.column(gone).await.len() == 1 }).await;

    let (status, answered) = given.answer(&given.other, "OVERTURNED").await;

    assert_eq!((status, &answered["state"]), (200, &json!("DELETE_CONFIRMED")), "{answered}");
    assert_eq!(given.statement().await["appeal"]["state"], "OVERTURNED");
    eventually(SOON, || async { given.strikes().await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_suspended_reads_why_and_appeals_and_does_nothing_else() {
    let given = removed().await;
    let suspended = UserEvent::StatusChanged { status: AccountStatus::Suspended, until: None };
    given.world.publisher.publish(AUTHOR, 2, &suspended).await.unwrap();
    let labels = format!("/moderation/labels?ids={}", given.post);
    let refused = eventually(SOON, || async {
        let (status, problem) = given.world.get(&given.author, &labels).await;
        if status == 403 { Ok(problem) } else { Err(problem) }
    })
    .await;

    assert_eq!(refused["type"], "/problems/account-suspended");
    assert_eq!(given.statement().await["state"], "DELETE_CONFIRMED");
    eventually(SOON, || async { given.strikes().await == 1 }).await;
    let report = json!({ "subject_kind": "POST", "subject_id": given.post, "category": "SPAM" });
    let world = &given.world;
    let reported = world.send(Method::POST, &given.author, "/moderation/reports", report).await;
    assert_eq!(reported.0, 403);
    assert_eq!(given.appeal(&given.author).await.0, 200);
    assert_eq!(given.answer(&given.other, "OVERTURNED").await.0, 200);
    eventually(SOON, || async { given.strikes().await == 0 }).await;
}
