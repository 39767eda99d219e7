//! Strikes and sanctions, and that these end by themselves.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    UserId,
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
            | StandingEvent::SanctionEnded { .. } => None,
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
