//! Mints follow what happens to posts and comments.

use sea_orm::ConnectionTrait;
use serde_json::json;
use shared_schemas::{
    MintId, Service, comment::CommentEvent, moderation::Subject, post::PostEvent, user::Role,
};
use test_kit::{eventually, stream_key};
use uuid::Uuid;

use crate::support::{CASE, SOON, World, added, comment, person, post, published};

const READY: &str = "READY_FOR_MINTING";
const WITHDRAWN: &str = "WITHDRAWN";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_is_ready_for_minting() {
    let world = World::start().await;
    let (anna, bert) = (person(1), person(2));

    world.happen(post(1), &published(anna)).await;
    let posts = world.wait_for(anna, &[READY]).await;
    world.happen(comment(1), &added(bert)).await;
    let comments = world.wait_for(bert, &[READY]).await;

    let id = MintId::of(Subject::Post(post(1)));
    assert_eq!(posts[0]["id"], json!(id));
    assert_eq!(posts[0]["subject"], json!({ "kind": "POST", "id": post(1) }));
    assert_eq!(posts[0]["author_id"], json!(anna));
    assert_eq!(comments[0]["subject"], json!({ "kind": "COMMENT", "id": comment(1) }));
    let (code, mint) = world.get(Some((anna, Role::User)), &format!("/mints/{id}")).await;
    assert_eq!((code, &mint), (200, &posts[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_away_is_withdrawn_and_requested_again_when_it_comes_back() {
    let world = World::start().await;
    let anna = person(1);
    let hidden = PostEvent::Hidden { author_id: anna, case_id: CASE };
    let restored = PostEvent::Restored { author_id: anna, case_id: CASE };
    let first = {
        world.happen(post(1), &published(anna)).await;
        world.wait_for(anna, &[READY]).await
    };

    world.happen(post(1), &PostEvent::Archived {}).await;
    world.wait_for(anna, &[WITHDRAWN]).await;
    world.happen(post(1), &published(anna)).await;
    let again = world.wait_for(anna, &[READY]).await;
    assert_eq!(again[0]["requested_at"], first[0]["requested_at"]);
    assert_ne!(again[0]["updated_at"], first[0]["updated_at"]);

    world.happen(post(1), &hidden).await;
    world.wait_for(anna, &[WITHDRAWN]).await;
    world.happen(post(1), &restored).await;
    world.wait_for(anna, &[READY]).await;

    world.happen(post(1), &PostEvent::Deleted {}).await;
    world.wait_for(anna, &[WITHDRAWN]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_post_is_not_requested_by_publishing_it_again() {
    let world = World::start().await;
    let anna = person(1);
    world.happen(post(1), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;
    world.happen(post(1), &PostEvent::Hidden { author_id: anna, case_id: CASE }).await;
    world.happen(post(1), &PostEvent::Archived {}).await;
    world.happen(post(1), &published(anna)).await;
    // In the same partition as the first, so that it comes after.
    world.happen(post(3), &published(anna)).await;

    let mints = world.wait_for(anna, &[READY, WITHDRAWN]).await;

    assert_eq!(mints[1]["subject"]["id"], json!(post(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_withdrawn_when_it_is_hidden_or_deleted() {
    let world = World::start().await;
    let bert = person(2);
    let post_id = post(1);
    world.happen(comment(1), &added(bert)).await;
    world.wait_for(bert, &[READY]).await;

    let hidden = CommentEvent::Hidden { post_id, author_id: bert, case_id: CASE };
    world.happen(comment(1), &hidden).await;
    world.wait_for(bert, &[WITHDRAWN]).await;
    let restored = CommentEvent::Restored { post_id, author_id: bert, case_id: CASE };
    world.happen(comment(1), &restored).await;
    world.wait_for(bert, &[READY]).await;
    world
        .happen(comment(1), &CommentEvent::Deleted { post_id, author_id: bert, was_hidden: false })
        .await;
    world.wait_for(bert, &[WITHDRAWN]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_requests_nothing_twice() {
    let world = World::start().await;
    let anna = person(1);
    world.happen(post(1), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;

    world.lose_redis().await;
    world.happen(post(1), &published(anna)).await;
    world.happen(post(3), &published(anna)).await;
    world.wait_for(anna, &[READY, READY]).await;

    eventually(SOON, || async {
        let mut requested = 0;
        for partition in 0..2 {
            let key = stream_key(Service::Minting, partition);
            requested += world.redis.command::<u64>(&["XLEN", &key]).await.unwrap();
        }
        // Each requested once and pinned once.
        if requested == 4 { Ok(()) } else { Err(requested) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_their_own_mints_and_moderators_and_administrators_everybodys() {
    let world = World::start().await;
    let (anna, bert, caro) = (person(1), person(2), person(3));
    world.happen(post(1), &published(anna)).await;
    world.happen(post(2), &published(bert)).await;
    world.wait_for(anna, &[READY]).await;
    world.wait_for(bert, &[READY]).await;
    let of_anna = format!("/mints/{}", MintId::of(Subject::Post(post(1))));
    let unknown = format!("/mints/{}", Uuid::from_u128(1));

    assert_eq!(world.get(Some((bert, Role::User)), &of_anna).await.0, 404);
    for role in [Role::Moderator, Role::Admin] {
        let all = world.get(Some((caro, role)), "/mints").await.1;
        assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
        assert_eq!(world.get(Some((caro, role)), &of_anna).await.0, 200);
        assert_eq!(world.get(Some((caro, role)), &unknown).await.0, 404);
    }
    assert_eq!(world.get(Some((anna, Role::User)), "/mints/that-one").await.0, 400);
    assert_eq!(world.get(None, "/mints").await.0, 401);
    assert_eq!(world.get(None, &of_anna).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_narrowed_to_a_state() {
    let world = World::start().await;
    let anna = person(1);
    let caller = Some((anna, Role::User));
    for number in 1..=5 {
        world.happen(post(number), &published(anna)).await;
    }
    world.metadata(anna, post(2)).await;
    world.happen(post(2), &PostEvent::Archived {}).await;
    // What is ready moves once more, when its metadata is kept.
    for number in [1, 3, 4, 5] {
        world.metadata(anna, post(number)).await;
    }
    let whole = eventually(SOON, || async {
        let page = world.get(caller, "/mints").await.1;
        let withdrawn = world.get(caller, "/mints?state=WITHDRAWN").await.1;
        let lengths = [&page, &withdrawn].map(|page| page["items"].as_array().unwrap().len());
        if lengths == [5, 1] { Ok(page["items"].clone()) } else { Err(lengths) }
    })
    .await;

    let (mut paged, mut path) = (Vec::new(), "/mints?limit=2".to_owned());
    loop {
        let page = world.get(caller, &path).await.1;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/mints?limit=2&cursor={cursor}");
    }

    assert_eq!(json!(paged), whole);
    for query in ["limit=0", "limit=101", "cursor=x", "state=MINTED"] {
        assert_eq!(world.get(caller, &format!("/mints?{query}")).await.0, 400, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_be_made_anew_from_events() {
    let world = World::start().await;
    let anna = person(1);
    world.happen(post(1), &published(anna)).await;
    world.wait_for(anna, &[READY]).await;
    world.happen(post(1), &PostEvent::Archived {}).await;
    world.happen(post(3), &published(anna)).await;
    let before = world.wait_for(anna, &[READY, WITHDRAWN]).await;

    world.audited().await;
    world.running.store.db().execute_unprepared("DELETE FROM mint").await.unwrap();
    world.running.runtime.rebuild("mint").await.unwrap();

    assert_eq!(world.wait_for(anna, &[READY, WITHDRAWN]).await, before);
    world.audited().await;
}
