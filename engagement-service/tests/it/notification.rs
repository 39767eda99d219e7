//! People are told what concerns them, once.

use std::collections::HashSet;

use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use shared_schemas::{
    CaseId, MintId, Service, UserId,
    mint::{MintEvent, ParkReason},
    moderation::{AppealOutcome, CaseEvent, Decider, Decision, ModerationReason, Subject},
    post::Category,
    standing::StandingEvent,
    user::{AccountStatus, UserEvent},
};
use test_kit::{eventually, stream_key};
use uuid::Uuid;

use crate::{
    history::{History, What},
    support::{SOON, World, answer},
};

const CASE: CaseId = CaseId(Uuid::from_u128(9));

/// Waits until somebody's list is this long, and returns it.
async fn list(world: &World, person: UserId, length: usize) -> Vec<Value> {
    eventually(SOON, || async {
        let (_, page) = world.get(person, "/me/notifications?limit=100").await;
        match page["items"].as_array() {
            Some(items) if items.len() == length => Ok(items.clone()),
            _ => Err(page),
        }
    })
    .await
}

async fn mark_viewed(world: &World, person: UserId, id: &Value) -> u16 {
    let path = format!("/me/notifications/{}/viewed", id.as_str().unwrap());
    answer(world.request(Method::POST, person, &path).send().await.unwrap()).await.0
}

/// How many events the service has published.
async fn published(world: &World) -> u64 {
    let mut published = 0;
    for partition in 0..2 {
        let key = stream_key(Service::Engagement, partition);
        published += world.redis.command::<u64>(&["XLEN", &key]).await.unwrap();
    }
    published
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_told_of_what_others_did_and_nobody_of_ones_own_acts() {
    let mut history = History::default();
    let [anna, bert, caro] = [(); 3].map(|()| history.register(&[]));
    let post = history.publish(anna, Category::Books);
    history.react(bert, post);
    history.react(anna, post);
    let comment = history.comment(bert, post, None);
    let answered = history.comment(caro, post, Some((comment, bert)));
    history.comment(anna, post, None);
    history.connect(caro, anna);
    history.hide_post(post, CASE);
    let world = World::start(&mut history).await;

    world.publish(&history.facts).await;
    world.ready().await;
    let told = list(&world, anna, 5).await;
    let bert_told = list(&world, bert, 1).await;

    let mut kinds: Vec<&str> =
        told.iter().map(|notification| notification["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "POST_COMMENT_RECEIVED",
            "POST_COMMENT_RECEIVED",
            "POST_REACTION_RECEIVED",
            "SYSTEM_MESSAGE",
            "USER_CONNECTED",
        ]
    );
    let about = |kind: &str| {
        let found = told.iter().find(|notification| notification["kind"] == kind).unwrap();
        found["about"].clone()
    };
    assert_eq!(about("SYSTEM_MESSAGE"), json!({ "post_id": post.id, "case_id": CASE }));
    assert_eq!(about("USER_CONNECTED"), json!({ "user_id": caro }));
    assert_eq!(about("POST_REACTION_RECEIVED"), json!({ "user_id": bert, "post_id": post.id }));
    let answer = json!({ "user_id": caro, "post_id": post.id, "comment_id": answered });
    assert_eq!(bert_told[0]["about"], answer);
    assert_eq!(bert_told[0]["state"], "GENERATED");
    assert_eq!(list(&world, caro, 0).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_told_with_its_reasons_and_an_appeal_and_a_sanction_with_their_outcome() {
    let mut history = History::default();
    let anna = history.register(&[]);
    let post = history.publish(anna, Category::Books);
    history.hide_post(post, CASE);
    let world = World::start(&mut history).await;
    let decided = CaseEvent::Decided {
        subject: Subject::Post(post.id),
        author_id: anna,
        decision: Decision::Delete,
        reasons: vec![ModerationReason::Spam],
        decided_by: Decider::Policy { version: "test".to_owned(), batch_id: None },
    };
    let answered = CaseEvent::AppealResolved {
        subject: Subject::Post(post.id),
        author_id: anna,
        outcome: AppealOutcome::Upheld,
        moderator_id: UserId(Uuid::from_u128(77)),
    };
    let muted = StandingEvent::Restricted { status: AccountStatus::Muted, until: None };

    world.publish(&history.facts).await;
    world.publisher.publish(CASE, 2, &decided).await.unwrap();
    world.publisher.publish(CASE, 4, &answered).await.unwrap();
    world.publisher.publish(anna, 2, &muted).await.unwrap();
    world.ready().await;

    let told = |words: &'static str| {
        let world = &world;
        eventually(SOON, move || async move {
            let (_, page) = world.get(anna, "/me/notifications?limit=100").await;
            if page.to_string().contains(words) { Ok(()) } else { Err(page) }
        })
    };
    told("hidden because of spam; that was decided by a rule").await;
    told("your post stays hidden").await;
    told("read and not write").await;
    assert_eq!(list(&world, anna, 3).await.len(), 3);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_tells_nobody_twice() {
    let mut history = History::default();
    let (anna, bert) = (history.register(&[]), history.register(&[]));
    let post = history.publish(anna, Category::Books);
    for _ in 0..6 {
        history.comment(bert, post, None);
    }
    let world = World::start(&mut history).await;
    let (first, second) = history.facts.split_at(history.facts.len() - 2);

    world.publish(first).await;
    world.ready().await;
    list(&world, anna, 4).await;
    world.redis.flushall().await.unwrap();
    world.publish(first).await;
    world.publish(second).await;
    list(&world, anna, 6).await;

    eventually(SOON, || async {
        let published = published(&world).await;
        if published == 6 { Ok(()) } else { Err(published) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_viewed_by_its_recipient_alone_and_stays_viewed() {
    let mut history = History::default();
    let (anna, bert) = (history.register(&[]), history.register(&[]));
    let post = history.publish(anna, Category::Books);
    history.react(bert, post);
    history.comment(bert, post, None);
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    let told = list(&world, anna, 2).await;
    let id = &told[0]["id"];

    assert_eq!(mark_viewed(&world, bert, id).await, 404);
    assert_eq!(mark_viewed(&world, anna, id).await, 204);
    let viewed = world.get(anna, "/me/notifications?state=VIEWED").await.1;
    assert_eq!(mark_viewed(&world, anna, id).await, 204);

    assert_eq!(viewed["items"].as_array().unwrap().len(), 1);
    assert_eq!(viewed["items"][0]["id"], *id);
    assert!(viewed["items"][0]["viewed_at"].is_string());
    assert_eq!(world.get(anna, "/me/notifications?state=VIEWED").await.1, viewed);
    let unseen = world.get(anna, "/me/notifications?state=GENERATED").await.1;
    assert_eq!(unseen["items"].as_array().unwrap().len(), 1);
    assert_eq!(mark_viewed(&world, anna, &json!(Uuid::from_u128(1))).await, 404);
    assert_eq!(mark_viewed(&world, anna, &json!("that-one")).await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_muted_reads_and_marks_nothing() {
    let mut history = History::default();
    let (anna, bert) = (history.register(&[]), history.register(&[]));
    history.connect(bert, anna);
    let muted = UserEvent::StatusChanged { status: AccountStatus::Muted, until: None };
    history.happen(anna, What::User(muted));
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    let told = list(&world, anna, 1).await;

    eventually(SOON, || async {
        let code = mark_viewed(&world, anna, &told[0]["id"]).await;
        if code == 403 { Ok(()) } else { Err(code) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_each_notification_once_newest_first() {
    let mut history = History::default();
    let (anna, bert) = (history.register(&[]), history.register(&[]));
    let post = history.publish(anna, Category::Books);
    for _ in 0..7 {
        history.comment(bert, post, None);
    }
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    let whole = list(&world, anna, 7).await;

    let (mut paged, mut path) = (Vec::new(), "/me/notifications?limit=3".to_owned());
    loop {
        let page = world.get(anna, &path).await.1;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/me/notifications?limit=3&cursor={cursor}");
    }

    assert_eq!(paged, whole);
    let ids: HashSet<&str> = paged.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7);
    assert!(
        whole.is_sorted_by_key(|one| std::cmp::Reverse(
            one["created_at"].as_str().unwrap().to_owned()
        ))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_list_request_is_refused_and_an_odd_cursor_is_not_an_error() {
    let mut history = History::default();
    let anna = history.register(&[]);
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;

    for query in ["limit=0", "limit=101", "cursor=x", "state=SEEN"] {
        assert_eq!(world.get(anna, &format!("/me/notifications?{query}")).await.0, 400, "{query}");
    }
    // The first and the last moment that a cursor can name; a database knows neither.
    for moment in [i64::MIN, i64::MAX] {
        let cursor = service_kit::Cursor::after(moment, Uuid::nil());
        let cursor = poem_openapi::types::ToJSON::to_json(&cursor).unwrap();
        let path = format!("/me/notifications?cursor={}", cursor.as_str().unwrap());
        assert_eq!(world.get(anna, &path).await.0, 200);
    }
    let unsigned = world.anonymous(Method::GET, "/me/notifications").send().await.unwrap();
    assert_eq!(answer(unsigned).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_be_made_anew_from_events() {
    let mut history = History::default();
    let (anna, bert) = (history.register(&[]), history.register(&[]));
    let post = history.publish(anna, Category::Books);
    history.react(bert, post);
    history.comment(bert, post, None);
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;
    let told = list(&world, anna, 2).await;
    mark_viewed(&world, anna, &told[1]["id"]).await;
    let before = list(&world, anna, 2).await;

    world.audited().await;
    world.running.store.db().execute_unprepared("DELETE FROM notification").await.unwrap();
    world.running.runtime.rebuild("notification").await.unwrap();

    assert_eq!(list(&world, anna, 2).await, before);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_is_told_once_that_a_token_is_there_for_good_or_that_nobody_tries_any_more() {
    let mut history = History::default();
    let [anna, bert] = [(); 2].map(|()| history.register(&[]));
    let post = history.publish(anna, Category::Books);
    let comment = history.comment(bert, post, None);
    let hash = "0x1".to_owned();
    let requested = |subject, author_id| What::Mint(MintEvent::Requested { subject, author_id });
    let mined = MintEvent::Mined { hash: hash.clone(), block: 7, block_hash: hash.clone() };
    let last = MintEvent::Final { block: 7, block_hash: hash.clone() };
    let of_post = MintId::of(Subject::Post(post.id));
    history.happen(of_post, requested(Subject::Post(post.id), anna));
    history.happen(of_post, What::Mint(mined.clone()));
    history.happen(of_post, What::Mint(MintEvent::Reorged { block_hash: hash.clone() }));
    history.happen(of_post, What::Mint(mined));
    history.happen(of_post, What::Mint(last));
    let of_comment = MintId::of(Subject::Comment(comment));
    let parked = MintEvent::Parked { reason: ParkReason::RecipientRefuses, detail: String::new() };
    history.happen(of_comment, requested(Subject::Comment(comment), bert));
    history.happen(of_comment, What::Mint(parked));
    let world = World::start(&mut history).await;
    world.publish(&history.facts).await;
    world.ready().await;

    let told = list(&world, anna, 2).await;
    let told = told.iter().find(|told| told["kind"] == "SYSTEM_MESSAGE").unwrap();
    assert_eq!(told["message"], "Your post is a token of yours now.");
    let told = list(&world, bert, 1).await;
    assert_eq!(
        told[0]["message"],
        "Your comment could not be made a token. Somebody looks into it."
    );
}
