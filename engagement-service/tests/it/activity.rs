//! Activity profiles follow from events, in whatever order and however often these come.

use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use shared_schemas::{CaseId, Service, UserId, post::Category, user::UserEvent};
use test_kit::eventually;
use uuid::Uuid;

use crate::{
    history::{Fact, History, Random, What},
    recount::recount,
    support::{SOON, World, answer},
};

/// 8 people, 24 posts, 48 comments, 48 reactions, 48 views; some of it undone, repeated, moderated.
fn a_busy_day() -> (History, Vec<UserId>) {
    let mut random = Random(7);
    let mut history = History::default();
    let people: Vec<UserId> =
        (0..8).map(|number| history.register(&[Category::ALL[number]])).collect();
    let posts: Vec<_> = (0..24)
        .map(|number| history.publish(people[number % 8], Category::ALL[number % 5]))
        .collect();
    for number in 0..48 {
        let (person, post) = (people[random.below(8)], posts[number % 24]);
        let comment = history.comment(person, post, None);
        if number % 12 == 0 {
            history.delete_comment(comment, person, post);
        }
        // A person can react to a post once: 48 different pairs.
        let person = people[(number + number / 24 * 3) % 8];
        history.react(person, post);
        if number % 6 == 0 {
            history.change_reaction(person, post);
        }
        if number % 8 == 0 {
            history.take_back(person, post);
        }
        history.view(people[random.below(8)], post, i64::try_from(number).unwrap());
    }
    for one in 0..8 {
        for other in 0..one {
            if (one + other) % 2 == 0 {
                history.connect(people[one], people[other]);
            }
        }
    }
    history.disconnect(people[0], people[2]);
    history.connect(people[2], people[0]);
    history.disconnect(people[1], people[3]);
    for post in posts.iter().take(3) {
        history.archive(*post);
        history.publish_again(*post);
    }
    history.hide_post(posts[4], CaseId(Uuid::from_u128(1)));
    (history, people)
}

/// What each person sees of oneself.
async fn profiles(world: &World, people: &[UserId]) -> Vec<Value> {
    let mut profiles = Vec::new();
    for person in people {
        let (code, profile) = world.get(*person, "/me/activity-profile").await;
        assert_eq!(code, 200, "{profile}");
        profiles.push(profile);
    }
    profiles
}

async fn wait_for_recount(world: &World, people: &[UserId], facts: &[Fact]) -> Vec<Value> {
    let counted = recount(facts);
    let expected: Vec<Value> = people
        .iter()
        .map(|person| counted.get(person).copied().unwrap_or_default().to_json())
        .collect();
    eventually(SOON * 2, || async {
        let profiles = profiles(world, people).await;
        let totals: Vec<Value> = profiles.iter().map(|profile| profile["totals"].clone()).collect();
        if totals == expected { Ok(profiles) } else { Err(totals) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_equal_a_recount_after_a_loss_of_redis_and_after_a_rebuild() {
    let (mut history, people) = a_busy_day();
    let world = World::start(&mut history).await;
    let facts = history.facts.as_slice();
    // Tokens are believed from the first fact on.
    let shuffled = [&facts[..1], &history.shuffled(1)[..]].concat();
    let (first, second) = shuffled.split_at(shuffled.len() / 2);

    world.publish(first).await;
    world.ready().await;
    wait_for_recount(&world, &people, first).await;
    world.redis.flushall().await.unwrap();
    // What relays do after a loss: all of history again under the same numbers, and then what is new.
    world.publish(first).await;
    world.publish(second).await;
    let seen = wait_for_recount(&world, &people, facts).await;

    world.audited().await;
    let db = world.running.store.db();
    db.execute_unprepared("UPDATE activity SET posts = posts + 7; DELETE FROM interest")
        .await
        .unwrap();
    assert!(world.running.runtime.audit("engagement.activity").await.unwrap().drift_rows() > 0);
    world.running.runtime.rebuild("engagement.activity").await.unwrap();
    assert_eq!(profiles(&world, &people).await, seen);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_the_same_whichever_producer_is_heard_first() {
    let (history, people) = a_busy_day();
    let stranger = UserId(Uuid::from_u128(5));
    let mut seen = Vec::new();
    for order in [
        [Service::Interaction, Service::Post, Service::Auth],
        [Service::Auth, Service::Post, Service::Interaction],
    ] {
        let mut key = History::default();
        let world = World::start(&mut key).await;
        world.publish(&key.facts).await;
        world.ready().await;
        let mut heard: Vec<Fact> = Vec::new();
        for producer in order {
            let its = history.shuffled(2).into_iter().filter(|fact| fact.service() == producer);
            let its: Vec<Fact> = its.collect();
            world.publish(&its).await;
            heard.extend(its);
            wait_for_recount(&world, &people, &heard).await;
        }
        // A registration is in no total, and may be heard last.
        for person in &people {
            let path = format!("/users/{person}/activity-profile");
            eventually(SOON, || async {
                let (code, shown) = world.get(stranger, &path).await;
                if code == 200 { Ok(()) } else { Err(shown) }
            })
            .await;
        }
        seen.push(profiles(&world, &people).await);
    }

    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_shows_totals_score_level_and_interests() {
    let mut history = History::default();
    let anna = history.register(&[Category::Books]);
    let bert = history.register(&[]);
    let post = history.publish(anna, Category::Travel);
    for hour in 0..3 {
        history.view(bert, post, hour);
    }
    history.react(bert, post);
    history.comment(bert, post, None);
    history.comment(anna, post, None);
    let world = World::start(&mut history).await;

    world.publish(&history.facts).await;
    world.ready().await;
    let facts = &history.facts;
    let profiles = wait_for_recount(&world, &[anna, bert], facts).await;

    let (anna_sees, shown) =
        (&profiles[0], world.get(bert, &format!("/users/{anna}/activity-profile")).await.1);
    assert_eq!(*anna_sees, shown);
    assert_eq!(shown["user_id"], json!(anna));
    // ln 2 · (5 + 4 + 2 + 3) + ln 4 · 1 = 11.09 points.
    assert_eq!(shown["engagement_score"], 24);
    assert_eq!(shown["level"], "LESS_ACTIVE");
    assert_eq!(shown["updated_at"], json!(facts.last().unwrap().at.to_rfc3339()));
    // A post and a comment weigh 9, a declaration 5.
    let interests = json!([
        { "category": "TRAVEL", "weight": 9.0 / 14.0 },
        { "category": "BOOKS", "weight": 5.0 / 14.0 },
    ]);
    assert_eq!(shown["interests"], interests);
    assert_eq!(profiles[1]["interests"], json!([{ "category": "TRAVEL", "weight": 1.0 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn interests_are_replaced_and_a_reaction_taken_back_interests_nobody() {
    let mut history = History::default();
    let anna = history.register(&[Category::Books, Category::News]);
    let post = history.publish(UserId(Uuid::from_u128(1)), Category::Food);
    history.react(anna, post);
    history.take_back(anna, post);
    let interests = vec![Category::Scientific];
    history.happen(anna, What::User(UserEvent::InterestsChanged { interests }));
    let world = World::start(&mut history).await;

    world.publish(&history.facts).await;
    world.ready().await;

    eventually(SOON, || async {
        let profile = world.get(anna, "/me/activity-profile").await.1;
        let expected = json!([{ "category": "SCIENTIFIC", "weight": 1.0 }]);
        if profile["interests"] == expected && profile["first_active_at"].is_string() {
            Ok(())
        } else {
            Err(profile)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_has_a_profile_of_zeros_and_nobody_else_is_made_up() {
    let mut history = History::default();
    let (anna, gone) = (history.register(&[]), history.register(&[]));
    history.happen(gone, What::User(UserEvent::Deleted {}));
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    let newcomer = UserId(Uuid::from_u128(5));

    let (code, zeros) = world.get(newcomer, "/me/activity-profile").await;
    assert_eq!(code, 200);
    assert_eq!(zeros["totals"], crate::recount::Counted::default().to_json());
    assert_eq!((&zeros["engagement_score"], &zeros["level"]), (&json!(0), &json!("ISOLATED")));
    assert!(zeros.get("updated_at").is_none(), "{zeros}");
    eventually(SOON, || async {
        let closed = world.get(anna, &format!("/users/{gone}/activity-profile")).await;
        let open = world.get(gone, &format!("/users/{anna}/activity-profile")).await;
        // A closed account's tokens are refused, wherever its profile is.
        if (closed.0, open.0) == (404, 401) { Ok(()) } else { Err((closed, open)) }
    })
    .await;
    assert_eq!(world.get(anna, &format!("/users/{newcomer}/activity-profile")).await.0, 404);
    assert_eq!(world.get(anna, "/users/nobody/activity-profile").await.0, 400);
    let unsigned = world.anonymous(Method::GET, "/me/activity-profile").send().await.unwrap();
    assert_eq!(answer(unsigned).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_registers_this_very_moment_is_waited_for() {
    let mut history = History::default();
    let anna = history.register(&[]);
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    // From here on the consumer is at work; how long it takes to get there is not what this is about.
    let known = format!("/users/{anna}/activity-profile");
    eventually(SOON, || async { world.get(anna, &known).await.0 == 200 }).await;

    for _ in 0..5 {
        let newcomer = UserId::new(event_runtime::Clock::System.now());
        let mut registration = History::default();
        registration.happen(newcomer, What::User(UserEvent::Registered { interests: Vec::new() }));
        let path = format!("/users/{newcomer}/activity-profile");

        let (shown, ()) = tokio::join!(world.get(anna, &path), world.publish(&registration.facts));

        assert_eq!(shown.0, 200, "{}", shown.1);
    }
}
