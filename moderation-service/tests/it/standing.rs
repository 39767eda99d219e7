//! Strikes and sanctions, and that these end by themselves.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    PostId, UserId,
    moderation::Subject,
    standing::StandingEvent,
    user::{Role, UserEvent},
};
use test_kit::eventually;

use crate::support::{AUTHOR, INSULT, Person, SOON, World};

fn sanctions() -> String {
    format!("/moderation/users/{AUTHOR}/sanctions")
}

fn mute(seconds: i64) -> Value {
    #[expect(clippy::disallowed_methods, reason = "the service goes by the machine's clock, too")]
    let until = Utc::now() + TimeDelta::seconds(seconds);
    json!({ "kind": "MUTE", "until": until, "reasons": ["HARASSMENT"], "statement": "You insulted three people." })
}

/// The author has an account.
async fn registered(world: &World) {
    let event = UserEvent::Registered { interests: vec![] };
    world.publisher.publish(AUTHOR, 1, &event).await.unwrap();
    eventually(SOON, || async {
        world.column("SELECT user_id::text FROM known_user").await == [AUTHOR.to_string()]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sanctions_an_account_that_does_not_exist() {
    let world = World::start().await;

    let (status, _) = world.send(Method::POST, &world.moderator(), &sanctions(), mute(60)).await;
    assert_eq!(status, 404);
    assert_eq!(restrictions(&world, AUTHOR).await, [] as [String; 0]);

    registered(&world).await;
    let (status, _) = world.send(Method::POST, &world.moderator(), &sanctions(), mute(60)).await;
    assert_eq!(status, 201);
}

/// What auth-service is told, in order.
async fn restrictions(world: &World, user: UserId) -> Vec<String> {
    let history = world.running.store.history(world.db(), "standing", user.0).await.unwrap();
    let restricted = history.iter().filter_map(|event| {
        match event.open::<StandingEvent>().unwrap().unwrap().event {
            StandingEvent::Restricted { status, .. } => Some(status.to_string()),
            StandingEvent::StrikeAdded { .. }
            | StandingEvent::StrikeWithdrawn { .. }
            | StandingEvent::Sanctioned { .. }
            | StandingEvent::SanctionEnded { .. }
            | StandingEvent::ReviewRequested { .. }
            | StandingEvent::ReviewClosed { .. } => None,
        }
    });
    restricted.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_ends_by_itself() {
    let world = World::start().await;
    registered(&world).await;
    let moderator = world.moderator();
    let author = Person::of(&world, AUTHOR, &[Role::User]);

    let (status, sanction) = world.send(Method::POST, &moderator, &sanctions(), mute(2)).await;

    assert_eq!((status, &sanction["kind"]), (201, &json!("MUTE")), "{sanction}");
    assert_eq!(restrictions(&world, AUTHOR).await, ["MUTED"]);
    eventually(SOON, || async { restrictions(&world, AUTHOR).await == ["MUTED", "ACTIVE"] }).await;
    let (_, mine) = world.get(&author, "/moderation/standing/mine").await;
    let mine = &mine["sanctions"][0];
    assert_eq!((&mine["ended"], &mine["statement"]), (&json!("EXPIRED"), &sanction["statement"]));
    assert_eq!(mine.get("moderator_id"), None);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sanction_is_lifted_and_the_same_one_is_imposed_once() {
    let world = World::start().await;
    registered(&world).await;
    let moderator = world.moderator();
    let body = mute(3_600);
    let (_, first) = world.send(Method::POST, &moderator, &sanctions(), body.clone()).await;
    let (_, again) = world.send(Method::POST, &moderator, &sanctions(), body).await;
    assert_eq!(first, again);

    let path = format!("{}/{}", sanctions(), first["id"].as_str().unwrap());
    let (status, lifted) = world.send(Method::DELETE, &moderator, &path, json!({})).await;

    assert_eq!((status, &lifted["ended"]), (200, &json!("LIFTED")), "{lifted}");
    assert_eq!(restrictions(&world, AUTHOR).await, ["MUTED", "ACTIVE"]);
    assert_eq!(world.send(Method::DELETE, &moderator, &path, json!({})).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_are_for_administrators_and_sanctions_for_moderators() {
    let world = World::start().await;
    registered(&world).await;
    let (moderator, admin) = (world.moderator(), world.person(8, &[Role::Admin]));
    let user = world.person(7, &[Role::User]);
    let ban =
        json!({ "kind": "BAN", "reasons": ["SPAM"], "statement": "Nothing but advertisements." });

    let (status, problem) = world.send(Method::POST, &moderator, &sanctions(), ban.clone()).await;
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/administrators-ban")));
    assert_eq!(world.send(Method::POST, &user, &sanctions(), mute(60)).await.0, 403);
    let own = format!("/moderation/users/{}/sanctions", moderator.id);
    assert_eq!(world.send(Method::POST, &moderator, &own, mute(60)).await.0, 409);
    assert_eq!(world.send(Method::POST, &moderator, &sanctions(), mute(-1)).await.0, 422);
    assert_eq!(world.send(Method::POST, &admin, &sanctions(), ban).await.0, 201);
    assert_eq!(restrictions(&world, AUTHOR).await, ["BANNED"]);
    let path = format!("/moderation/users/{AUTHOR}/standing");
    assert_eq!(world.get(&user, &path).await.0, 403);
    assert_eq!(world.get(&moderator, &path).await.1["sanctions"][0]["kind"], "BAN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_a_strike_once_it_is_carried_out() {
    let world = World::start().await;
    let moderator = world.moderator();
    let post = world.post(10, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    let strikes = || async {
        let path = format!("/moderation/users/{AUTHOR}/standing");
        world.get(&moderator, &path).await.1["strikes"].as_array().unwrap().len()
    };

    world.decide(&moderator, &case, "DELETE").await;
    assert_eq!(strikes().await, 0);
    world.post_hidden(post, 2, &case).await;
    eventually(SOON, || async { strikes().await == 1 }).await;

    world.decide(&moderator, &case, "RESTORE").await;
    eventually(SOON, || async { strikes().await == 0 }).await;
}

/// Has a moderator remove a post of the author, and waits for the strike.
async fn remove(world: &World, number: u128, strikes: usize) -> (PostId, Value) {
    let post = world.post(number, INSULT).await;
    let case = world.case(Subject::Post(post)).await;
    world.decide(&world.moderator(), &case, "DELETE").await;
    world.post_hidden(post, 2, &case).await;
    struck(world, strikes).await;
    (post, case)
}

/// Waits until so many strikes count against the author, and says what is held against them.
async fn struck(world: &World, strikes: usize) -> Value {
    let path = format!("/moderation/users/{AUTHOR}/standing");
    eventually(SOON, || async {
        let (_, standing) = world.get(&world.moderator(), &path).await;
        let count = standing["strikes"].as_array().unwrap().len();
        if count == strikes { Ok(standing) } else { Err(standing) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn strikes_lead_up_the_ladder_once_and_an_accepted_appeal_leads_down() {
    let ladder = [("STRIKE_LADDER", "2 mute 24h, 3 suspend 7d")];
    let world = World::start_with(&ladder).await;
    let author = Person::of(&world, AUTHOR, &[Role::User]);
    remove(&world, 10, 1).await;
    assert_eq!(restrictions(&world, AUTHOR).await, [] as [String; 0]);
    let (post, case) = remove(&world, 12, 2).await;
    assert_eq!(restrictions(&world, AUTHOR).await, ["MUTED"]);

    // What was confirmed once leads to nothing when it is confirmed again.
    world.post_hidden(post, 3, &case).await;
    let (_, case) = remove(&world, 14, 3).await;
    assert_eq!(restrictions(&world, AUTHOR).await, ["MUTED", "SUSPENDED"]);
    let (_, mine) = world.get(&author, "/moderation/standing/mine").await;
    let sanctions = mine["sanctions"].as_array().unwrap();
    assert_eq!(sanctions.len(), 2, "{mine}");
    let (suspension, statement) = (&sanctions[0], sanctions[0]["statement"].as_str().unwrap());
    assert_eq!((&suspension["strikes"], &suspension["case_id"]), (&json!(3), &case["id"]));
    assert_eq!(suspension["reasons"], case["reasons"]);
    assert!(statement.contains("suspended until") && statement.contains("appeal"), "{statement}");

    let id = case["id"].as_str().unwrap();
    let (appeal, text) =
        (format!("/moderation/decisions/{id}/appeal"), json!({ "text": "A song." }));
    assert_eq!(world.send(Method::POST, &author, &appeal, text).await.0, 200);
    let other = world.person(101, &[Role::Moderator]);
    let (answer, body) = (
        format!("/moderation/cases/{id}/appeal"),
        json!({ "outcome": "OVERTURNED", "text": "So it is." }),
    );
    assert_eq!(world.send(Method::POST, &other, &answer, body).await.0, 200);

    let standing = struck(&world, 2).await;
    assert_eq!(restrictions(&world, AUTHOR).await, ["MUTED", "SUSPENDED", "MUTED"]);
    assert_eq!(standing["sanctions"][0]["ended"], "LIFTED");
    assert_eq!(standing["sanctions"][1].get("ended"), None);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_rung_asks_a_person_and_bans_nobody() {
    let world = World::start_with(&[("STRIKE_LADDER", "2 review")]).await;
    registered(&world).await;
    let (moderator, admin) = (world.moderator(), world.person(8, &[Role::Admin]));
    let reviews = "/moderation/standing-reviews";
    let asked = || async { world.get(&moderator, reviews).await.1["items"].clone() };
    remove(&world, 10, 1).await;
    assert_eq!(asked().await, json!([]));
    let (_, case) = remove(&world, 12, 2).await;

    let review = asked().await[0].clone();
    assert_eq!((&review["user_id"], &review["strikes"]), (&json!(AUTHOR), &json!(2)));
    assert_eq!(review["case_id"], case["id"]);
    assert_eq!(restrictions(&world, AUTHOR).await, [] as [String; 0]);
    world.audited().await;

    let close = format!("{reviews}/{AUTHOR}");
    assert_eq!(world.send(Method::DELETE, &moderator, &close, json!({})).await.0, 403);
    for _ in 0..2 {
        assert_eq!(world.send(Method::DELETE, &admin, &close, json!({})).await.0, 204);
    }
    assert_eq!(asked().await, json!([]));
    let user = world.person(7, &[Role::User]);
    assert_eq!(world.get(&user, reviews).await.0, 403);

    // It is asked anew when it is so many again, and a ban answers it.
    world.decide(&moderator, &case, "RESTORE").await;
    struck(&world, 1).await;
    remove(&world, 14, 2).await;
    assert_eq!(asked().await.as_array().unwrap().len(), 1);
    let ban = json!({ "kind": "BAN", "reasons": ["SPAM"], "statement": "Nothing but insults." });
    assert_eq!(world.send(Method::POST, &admin, &sanctions(), ban).await.0, 201);
    assert_eq!(asked().await, json!([]));
    assert_eq!(restrictions(&world, AUTHOR).await, ["BANNED"]);
    world.audited().await;
}
