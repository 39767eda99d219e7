//! A post shows the labels of the text that it shows, as moderation-service says.

use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use shared_schemas::{
    BatchId, CaseId, ClearanceId, PostId, UserId,
    clearance::ClearanceEvent,
    moderation::{
        CaseEvent,
        ContentLabel::{self, Graphic, Sensitive, Sexual, Spoiler},
        ModerationReason, Subject,
    },
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{Person, SOON, World, a_post};

const AUTHOR: UserId = UserId(Uuid::from_u128(1));

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_the_text_that_is_shown() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = PostId(world.write(&author, "POSTED").await);
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1["labels"], json!([]));

    cleared(&world, post, (1, 1), &[Sexual, Sensitive, Sexual]).await;
    shows(&world, &reader, post, json!(["SENSITIVE", "SEXUAL"])).await;
    let listed = world.get(&reader, "/posts").await.1;
    assert_eq!(listed["items"][0]["labels"], json!(["SENSITIVE", "SEXUAL"]));

    // Another text has no labels until it is spoken of itself.
    edit(&world, &author, post, "Another title").await;
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1["labels"], json!([]));
    cleared(&world, post, (2, 2), &[Spoiler]).await;
    shows(&world, &reader, post, json!(["SPOILER"])).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_come_before_the_text_wait_for_it_and_late_ones_stay_away() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = PostId(world.write(&author, "POSTED").await);
    let other = PostId(world.write(&author, "POSTED").await);

    // Of the second version, which is not written yet.
    cleared(&world, post, (2, 2), &[Spoiler]).await;
    cleared(&world, other, (1, 1), &[Graphic]).await;
    shows(&world, &reader, other, json!(["GRAPHIC"])).await;
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1["labels"], json!([]));
    edit(&world, &author, post, "Another title").await;
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1["labels"], json!(["SPOILER"]));

    // Delivered once more, and a case about the first version: neither is of what is shown.
    cleared(&world, post, (1, 1), &[Sexual]).await;
    labelled(&world, post, 1, &[Graphic]).await;
    cleared(&world, other, (2, 1), &[]).await;
    shows(&world, &reader, other, json!([])).await;
    assert_eq!(world.get(&reader, &format!("/posts/{post}")).await.1["labels"], json!(["SPOILER"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_has_the_last_word_on_labels_and_a_hidden_post_keeps_them() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = PostId(world.write(&author, "POSTED").await);
    let case = CaseId::about(&Subject::Post(post), 1);

    labelled(&world, post, 1, &[Spoiler, Sensitive]).await;
    shows(&world, &reader, post, json!(["SENSITIVE", "SPOILER"])).await;
    // Its screening was slower than a person.
    cleared(&world, post, (1, 1), &[Sexual]).await;
    world.publisher.publish(case, 3, &labels_of(post, &[])).await.unwrap();
    shows(&world, &reader, post, json!([])).await;

    // A batch had opened the case: what the screening said counts again.
    let taken_back = CaseEvent::TakenBack {
        subject: Subject::Post(post),
        author_id: AUTHOR,
        batch_id: BatchId(Uuid::from_u128(8)),
        state: None,
    };
    world.publisher.publish(case, 4, &taken_back).await.unwrap();
    shows(&world, &reader, post, json!(["SEXUAL"])).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_made_anew_are_the_same() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = PostId(world.write(&author, "POSTED").await);
    edit(&world, &author, post, "Another title").await;
    cleared(&world, post, (1, 1), &[Sexual]).await;
    cleared(&world, post, (2, 2), &[Spoiler]).await;
    shows(&world, &reader, post, json!(["SPOILER"])).await;

    world
        .running
        .store
        .db()
        .execute_unprepared(
            "UPDATE content_label SET labels = '[]'; UPDATE post SET text_version = 9",
        )
        .await
        .unwrap();
    shows(&world, &reader, post, json!([])).await;
    assert_eq!(world.running.runtime.audit("post.labels").await.unwrap().drift_rows(), 1);
    for name in ["post.labels", "post"] {
        world.running.runtime.rebuild(name).await.unwrap();
    }

    shows(&world, &reader, post, json!(["SPOILER"])).await;
    world.audited().await;
}

async fn cleared(world: &World, post: PostId, (event, text): (i64, u64), labels: &[ContentLabel]) {
    let subject = Subject::Post(post);
    let granted = ClearanceEvent::Granted {
        subject,
        subject_version: text,
        author_id: AUTHOR,
        labels: labels.to_vec(),
    };
    world.publisher.publish(ClearanceId::of(&subject), event, &granted).await.unwrap();
}

/// A case about a version of the text, and the labels that a moderator gives it.
async fn labelled(world: &World, post: PostId, text: u64, labels: &[ContentLabel]) {
    let subject = Subject::Post(post);
    let opened = CaseEvent::Opened {
        subject,
        subject_version: text,
        author_id: AUTHOR,
        reasons: vec![ModerationReason::Spam],
        analyser: "test".to_owned(),
        analysis: Value::Null,
        cluster_id: None,
        batch_id: None,
    };
    let case = CaseId::about(&subject, text);
    world.publisher.publish(case, 1, &opened).await.unwrap();
    world.publisher.publish(case, 2, &labels_of(post, labels)).await.unwrap();
}

fn labels_of(post: PostId, labels: &[ContentLabel]) -> CaseEvent {
    let subject = Subject::Post(post);
    CaseEvent::Labelled { subject, author_id: AUTHOR, labels: labels.to_vec() }
}

async fn edit(world: &World, author: &Person, post: PostId, title: &str) {
    let path = format!("/posts/{post}");
    let (code, edited) = world.send(Method::PUT, author, &path, &a_post(title, "POSTED")).await;
    assert_eq!(code, 200, "{edited}");
}

async fn shows(world: &World, reader: &Person, post: PostId, labels: Value) {
    eventually(SOON, || async {
        let (_, shown) = world.get(reader, &format!("/posts/{post}")).await;
        if shown["labels"] == labels { Ok(()) } else { Err(shown) }
    })
    .await;
}
