//! What is published is screened, once per version, and the judgement is on record.

use content_screening::{Analysis, Behaviour, Verdict};
use serde_json::json;
use shared_schemas::{
    CommentId, PostId, UserId, comment::CommentEvent, moderation::Subject, post::Category,
};
use uuid::Uuid;

use crate::support::{AUTHOR, INSULT, ORDINARY, THREAT, World, edited};

#[tokio::test(flavor = "multi_thread")]
async fn a_toxic_post_opens_a_case_that_shows_the_words() {
    let world = World::start().await;

    let post = world.post(10, INSULT).await;

    let case = world.case(Subject::Post(post)).await;
    assert_eq!(case["state"], "OPENED");
    assert_eq!(case["subject"], json!({ "kind": "POST", "id": post, "version": 1 }));
    assert_eq!(case["author_id"], json!(AUTHOR));
    assert_eq!(case["reasons"], json!(["HARASSMENT"]));
    assert_eq!(case["analysis"]["verdict"], "HOLD");
    assert!(case.get("decision").is_none() && case.get("decided_at").is_none(), "{case}");
    let insult = &case["analysis"]["findings"][0];
    let place = |end: &str| usize::try_from(insult["span"][end].as_u64().unwrap()).unwrap();
    let text = format!("A title\n{INSULT}");
    assert_eq!(text.get(place("start")..place("end")), Some("idiot"), "{insult}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_post_is_cleared_and_the_judgement_is_on_record() {
    let world = World::start().await;

    let post = world.post(10, ORDINARY).await;

    let screening = world.screenings(post, 1).await.remove(0);
    assert_eq!(screening.subject, Subject::Post(post));
    assert_eq!((screening.subject_version, screening.author_id), (1, AUTHOR));
    assert_eq!(screening.analysis.verdict, Verdict::Allow);
    let nothing = Behaviour { community: Some(Category::Books), ..Behaviour::default() };
    assert_eq!(screening.behaviour, nothing);
    assert_eq!(screening.analyser.rules_sha256.len(), 64);
    assert_eq!(world.cases(Subject::Post(post)).await, [] as [serde_json::Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_judgement_can_be_made_again() {
    use content_screening::{Analyser, Content, ContentKind, RuleAnalyser};
    let world = World::start().await;
    let comment = world.comment(10, INSULT).await;
    let recorded = world.screenings(comment, 1).await.remove(0);

    let analyser = RuleAnalyser::embedded().unwrap();
    let content = Content { text: INSULT, kind: ContentKind::Comment };
    let again: Analysis = analyser.analyse(&content, &recorded.behaviour);

    assert_eq!(*analyser.version(), recorded.analyser);
    assert_eq!(again, recorded.analysis);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_requested_at_once_and_confirmed_when_the_comment_is_hidden() {
    let world = World::start().await;
    let comment = world.comment(10, THREAT).await;

    let case = world.case(Subject::Comment(comment)).await;
    assert_eq!(case["state"], "DELETE_REQUESTED");
    assert_eq!(case["decision"], "DELETE");
    assert_eq!(case["decided_by"]["kind"], "POLICY");
    assert_eq!(case["decided_by"]["version"], case["analysis"]["analyser"]);

    let hidden = CommentEvent::Hidden {
        post_id: PostId(Uuid::from_u128(9_000)),
        author_id: AUTHOR,
        case_id: crate::support::id_of(&case),
    };
    world.publisher.publish(comment, 2, &hidden).await.unwrap();
    world.case_in(&case, "DELETE_CONFIRMED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_screened_anew_and_has_a_case_of_its_own() {
    let world = World::start().await;
    let post = world.post(10, INSULT).await;
    world.case(Subject::Post(post)).await;

    world.publisher.publish(post, 2, &edited(ORDINARY)).await.unwrap();
    world.publisher.publish(post, 3, &edited(INSULT)).await.unwrap();

    let verdicts: Vec<Verdict> =
        world.screenings(post, 3).await.iter().map(|one| one.analysis.verdict).collect();
    assert_eq!(verdicts, [Verdict::Hold, Verdict::Allow, Verdict::Hold]);
    let versions: Vec<_> = world
        .cases(Subject::Post(post))
        .await
        .iter()
        .map(|case| case["subject"]["version"].clone())
        .collect();
    assert_eq!(versions, [json!(1), json!(3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_comment_is_screened_anew() {
    let world = World::start().await;
    let comment: CommentId = world.comment(10, ORDINARY).await;
    world.screenings(comment, 1).await;

    let edit = CommentEvent::Edited {
        post_id: PostId(Uuid::from_u128(9_000)),
        author_id: UserId(AUTHOR.0),
        body: INSULT.to_owned(),
    };
    world.publisher.publish(comment, 2, &edit).await.unwrap();

    let case = world.case(Subject::Comment(comment)).await;
    assert_eq!(case["subject"]["version"], 2);
}
