//! A comment shows the labels of the text that it shows, as moderation-service says.

use serde_json::{Value, json};
use shared_schemas::{
    CaseId, ClearanceId, CommentId,
    clearance::ClearanceEvent,
    moderation::{CaseEvent, ContentLabel, ModerationReason, Subject},
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{Person, SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_those_of_the_text_that_is_shown() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let root = world.comment(&author, post, &json!({"body": "root"})).await;
    let reply = world.comment(&author, post, &json!({"body": "reply", "parent_id": root})).await;
    let path = format!("/comments/{reply}");
    assert_eq!(world.get(&reader, &path).await.1["labels"], json!([]));

    cleared(&world, &author, reply, (1, 1), &[ContentLabel::Spoiler, ContentLabel::Graphic]).await;
    shows(&world, &reader, reply, json!(["GRAPHIC", "SPOILER"])).await;
    for list in [format!("/{post}/comments"), format!("/{post}/comments?parent_id={root}")] {
        let items = world.items(&reader, &list).await;
        assert_eq!(items[0]["labels"], json!(["GRAPHIC", "SPOILER"]), "{list}");
    }

    // Another text has no labels until it is spoken of itself.
    assert_eq!(world.put(&author, &path, &json!({"body": "other"})).await.0, 200);
    assert_eq!(world.get(&reader, &path).await.1["labels"], json!([]));
    cleared(&world, &author, reply, (2, 2), &[ContentLabel::Sexual]).await;
    shows(&world, &reader, reply, json!(["SEXUAL"])).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_moderator_says_of_a_comment_counts_and_of_a_post_is_not_kept() {
    let world = World::start().await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let comment = world.comment(&author, post, &json!({"body": "a comment"})).await;

    labelled(&world, &author, Subject::Post(post), &[ContentLabel::Graphic]).await;
    cleared(&world, &author, comment, (1, 1), &[ContentLabel::Sexual]).await;
    labelled(&world, &author, Subject::Comment(comment), &[ContentLabel::Misleading]).await;

    shows(&world, &reader, comment, json!(["MISLEADING"])).await;
    // A clearance and cases come over streams of their own, so in any order; what follows the case of the post comes after it.
    let partition = |subject| world.publisher.partition_of(CaseId::about(&subject, 1).0);
    let last = (0..1_000)
        .map(|number| CommentId(Uuid::from_u128(number)))
        .find(|last| partition(Subject::Comment(*last)) == partition(Subject::Post(post)))
        .unwrap();
    labelled(&world, &author, Subject::Comment(last), &[ContentLabel::Spoiler]).await;
    eventually(SOON, || async {
        let kept = world.query(sea_orm::raw_sql!(
            Postgres,
            "SELECT jsonb_agg(subject_id ORDER BY subject_id) FROM content_label"
        ));
        let kept = kept.await;
        if kept == json!([last, comment, comment]) { Ok(()) } else { Err(kept) }
    })
    .await;
    world.audited().await;
}

async fn cleared(
    world: &World,
    author: &Person,
    comment: CommentId,
    (event, text): (i64, u64),
    labels: &[ContentLabel],
) {
    let subject = Subject::Comment(comment);
    let granted = ClearanceEvent::Granted {
        subject,
        subject_version: text,
        author_id: author.id,
        labels: labels.to_vec(),
    };
    world.publisher.publish(ClearanceId::of(&subject), event, &granted).await.unwrap();
}

/// A case about the first version of some content, and the labels that a moderator gives it.
async fn labelled(world: &World, author: &Person, subject: Subject, labels: &[ContentLabel]) {
    let opened = CaseEvent::Opened {
        subject,
        subject_version: 1,
        author_id: author.id,
        reasons: vec![ModerationReason::Spam],
        analyser: "test".to_owned(),
        analysis: Value::Null,
        cluster_id: None,
        batch_id: None,
    };
    let labelled = CaseEvent::Labelled { subject, author_id: author.id, labels: labels.to_vec() };
    let case = CaseId::about(&subject, 1);
    world.publisher.publish(case, 1, &opened).await.unwrap();
    world.publisher.publish(case, 2, &labelled).await.unwrap();
}

async fn shows(world: &World, reader: &Person, comment: CommentId, labels: Value) {
    eventually(SOON, || async {
        let (_, shown) = world.get(reader, &format!("/comments/{comment}")).await;
        if shown["labels"] == labels { Ok(()) } else { Err(shown) }
    })
    .await;
}
