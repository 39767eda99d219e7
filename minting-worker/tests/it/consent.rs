//! Nothing is minted without a wish, a wallet, a clean verdict and some time.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{
    CaseId, PostId, UserId,
    moderation::{CaseEvent, Decider, Decision, ModerationReason, Subject},
    post::{Category, PostEvent},
    user::Role,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{SOON, World, key, person, post, published};

const READY: &str = "READY_FOR_MINTING";
const WITHDRAWN: &str = "WITHDRAWN";

fn wished(author_id: UserId, mint: Option<bool>) -> PostEvent {
    PostEvent::Published {
        author_id,
        title: "A title".to_owned(),
        body: "A body.".to_owned(),
        category: Category::Books,
        mint,
    }
}

fn opened(post_id: PostId) -> CaseEvent {
    CaseEvent::Opened {
        subject: Subject::Post(post_id),
        subject_version: 1,
        author_id: person(1),
        reasons: vec![ModerationReason::Spam],
        analyser: "rules".to_owned(),
        analysis: Value::Null,
        cluster_id: None,
        batch_id: None,
    }
}

fn decided(post_id: PostId, decision: Decision) -> CaseEvent {
    CaseEvent::Decided {
        subject: Subject::Post(post_id),
        author_id: person(1),
        decision,
        reasons: vec![ModerationReason::Spam],
        decided_by: Decider::Moderator { user_id: person(9) },
    }
}

fn case(number: u128) -> CaseId {
    CaseId(Uuid::from_u128(0x300 + number))
}

async fn at_once() -> World {
    World::with(Clock::System, &[("MINT_DELAY", "0")]).await
}

/// The ids of the posts that somebody's mints are about.
fn subjects(mints: &[Value]) -> Vec<Value> {
    mints.iter().map(|mint| mint["subject"]["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_wish_or_a_wallet_nothing_is_minted_and_with_both_what_was_asked_for_is() {
    let world = at_once().await;
    let anna = person(1);
    let nothing = json!({ "minting": "NOTHING", "text": "COMMITMENT" });
    assert_eq!(world.get(Some((anna, Role::User)), "/mints/consent").await, (200, nothing));

    world.happen(post(1), &wished(anna, Some(true))).await;
    world.happen(post(2), &wished(anna, None)).await;
    world.happen(post(3), &wished(anna, Some(false))).await;
    world.agree(anna, "ASK", "COMMITMENT").await;
    assert_eq!(world.send(Method::GET, anna, "/mints/wallet", None).await.0, 404);
    world.prove(anna, &key(1)).await;

    let mints = world.wait_for(anna, &[READY]).await;
    assert_eq!(subjects(&mints), [json!(post(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_what_is_published_from_then_on() {
    let world = at_once().await;
    let anna = person(1);
    world.prove(anna, &key(1)).await;
    world.happen(post(1), &wished(anna, None)).await;
    world.agree(anna, "EVERYTHING", "COMMITMENT").await;
    world.happen(post(3), &wished(anna, Some(false))).await;
    world.happen(post(5), &wished(anna, None)).await;

    let mints = world.wait_for(anna, &[READY]).await;

    assert_eq!(subjects(&mints), [json!(post(5))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_wish_or_the_wallet_back_has_everything_withdrawn_that_is_not_signed() {
    let world = World::start().await;
    let anna = person(1);
    world.happen(post(1), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;

    world.agree(anna, "NOTHING", "COMMITMENT").await;
    world.wait_for(anna, &[WITHDRAWN]).await;
    world.agree(anna, "ASK", "COMMITMENT").await;
    world.happen(post(3), &wished(anna, Some(true))).await;
    world.wait_for(anna, &[READY, WITHDRAWN]).await;
    assert_eq!(world.send(Method::DELETE, anna, "/mints/wallet", None).await.0, 204);
    world.wait_for(anna, &[WITHDRAWN, WITHDRAWN]).await;
}

/// A clock that stands a minute ahead, so that tokens of the machine's time are none of the future.
fn standing_clock() -> Clock {
    Clock::manual(Clock::System.now() + TimeDelta::minutes(1))
}

/// Waits until something is due later than now, and lets it become so.
async fn advance(world: &World, clock: &Clock) {
    let due_at = eventually(SOON, || async {
        let row = sea_orm::ConnectionTrait::query_one_raw(
            world.running.store.db(),
            sea_orm::raw_sql!(Postgres, "SELECT due_at FROM content WHERE due_at IS NOT NULL"),
        );
        row.await.unwrap().ok_or("nothing is due")
    })
    .await;
    let due_at: DateTime<Utc> = due_at.try_get("", "due_at").unwrap();
    assert!(due_at > clock.now());
    clock.advance(due_at - clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_must_have_stood_for_the_delay_and_every_edit_begins_it_anew() {
    let clock = standing_clock();
    let world = World::with(clock.clone(), &[("MINT_DELAY", "120")]).await;
    let anna = person(1);
    world.agree(anna, "ASK", "COMMITMENT").await;
    world.prove(anna, &key(1)).await;
    world.happen(post(1), &wished(anna, Some(true))).await;

    advance(&world, &clock).await;
    world.wait_for(anna, &[READY]).await;
    let edited = PostEvent::Edited {
        author_id: anna,
        title: "A title".to_owned(),
        body: "Another body.".to_owned(),
        category: Category::Books,
    };
    world.happen(post(1), &edited).await;
    world.wait_for(anna, &[WITHDRAWN]).await;
    advance(&world, &clock).await;
    world.wait_for(anna, &[READY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_not_forgotten_by_a_restart() {
    let clock = standing_clock();
    let world = World::with(clock.clone(), &[("MINT_DELAY", "120")]).await;
    let anna = person(1);
    world.agree(anna, "ASK", "COMMITMENT").await;
    world.prove(anna, &key(1)).await;
    world.happen(post(1), &wished(anna, Some(true))).await;
    eventually(SOON, || async {
        let row = sea_orm::ConnectionTrait::query_one_raw(
            world.running.store.db(),
            sea_orm::raw_sql!(Postgres, "SELECT 1 AS due FROM content WHERE due_at IS NOT NULL"),
        );
        row.await.unwrap().ok_or("not yet known")
    })
    .await;

    let world = world.restarted().await;
    // As long as the clock stands, nothing comes of it.
    let none = world.get(Some((anna, Role::User)), "/mints").await.1;
    assert_eq!(none["items"], json!([]));
    advance(&world, &clock).await;

    world.wait_for(anna, &[READY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_open_or_decided_against_content_keeps_it_from_being_minted() {
    let world = World::start().await;
    let anna = person(1);
    // Heard of before the post itself.
    world.happen(case(1), &opened(post(1))).await;
    world.happen(post(3), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;
    eventually(SOON, || async {
        let row = sea_orm::ConnectionTrait::query_one_raw(
            world.running.store.db(),
            sea_orm::raw_sql!(Postgres, "SELECT 1 AS heard FROM verdict"),
        );
        row.await.unwrap().ok_or("no case yet")
    })
    .await;
    world.happen(post(1), &published(anna)).await;
    world.happen(post(5), &published(anna)).await;
    let mints = world.wait_for(anna, &[READY, READY]).await;
    assert_eq!(subjects(&mints), [json!(post(5)), json!(post(3))]);

    world.happen(case(1), &decided(post(1), Decision::Dismiss)).await;
    world.wait_for(anna, &[READY, READY, READY]).await;
    world.happen(case(2), &opened(post(3))).await;
    world.wait_for(anna, &[READY, READY, WITHDRAWN]).await;
    world.happen(case(2), &decided(post(3), Decision::Delete)).await;
    world.happen(case(2), &decided(post(3), Decision::Restore)).await;
    world.wait_for(anna, &[READY, READY, READY]).await;
}

/// Waits until the worker knows a post of which it has something to wait for, and nothing is due.
async fn is_known_and_not_due(world: &World, post_id: PostId) {
    eventually(SOON, || async {
        let row = sea_orm::ConnectionTrait::query_one_raw(
            world.running.store.db(),
            sea_orm::raw_sql!(
                Postgres,
                "SELECT 1 AS known FROM content WHERE id = {post_id} AND version IS NOT NULL AND due_at IS NULL"
            ),
        );
        row.await.unwrap().ok_or("not known, or due")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_minted_while_moderation_is_silent_and_its_verdict_mints_it() {
    let clock = standing_clock();
    let world = World::with(clock.clone(), &[("MINT_DELAY", "120")]).await;
    let anna = person(1);
    world.agree(anna, "ASK", "COMMITMENT").await;
    world.prove(anna, &key(1)).await;
    world.silence_moderation();
    world.happen(post(1), &wished(anna, Some(true))).await;

    advance(&world, &clock).await;
    is_known_and_not_due(&world, post(1)).await;
    let none = world.get(Some((anna, Role::User)), "/mints").await.1;
    assert_eq!(none["items"], json!([]), "the delay is over, and nobody has screened it");

    world.pass_screening(Subject::Post(post(1)), 1).await;
    world.wait_for(anna, &[READY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screening_of_an_older_text_says_nothing_of_a_newer_one() {
    let world = World::start().await;
    let anna = person(1);
    world.happen(post(1), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;
    let edited = PostEvent::Edited {
        author_id: anna,
        title: "A title".to_owned(),
        body: "Another body.".to_owned(),
        category: Category::Books,
    };

    world.happen_unscreened(post(1), &edited).await;
    world.wait_for(anna, &[WITHDRAWN]).await;

    world.pass_screening(Subject::Post(post(1)), 2).await;
    world.wait_for(anna, &[READY]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_held_is_minted_when_a_person_leaves_it() {
    let world = World::start().await;
    let anna = person(1);
    world.silence_moderation();
    world.happen(post(1), &published(anna)).await;
    world.happen(case(1), &opened(post(1))).await;
    is_known_and_not_due(&world, post(1)).await;

    world.happen(case(1), &decided(post(1), Decision::Dismiss)).await;

    world.wait_for(anna, &[READY]).await;
}
