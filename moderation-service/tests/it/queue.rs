//! The queue: cases by state, page by page.

use serde_json::Value;
use shared_schemas::{PostId, moderation::Subject};
use uuid::Uuid;

use crate::support::{INSULT, THREAT, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_read_page_by_page_newest_first() {
    let world = World::start().await;
    let moderator = world.moderator();
    for number in 0..5 {
        let post = world.post(10 + 2 * number, INSULT).await;
        world.case(Subject::Post(post)).await;
    }
    let removed = world.post(30, THREAT).await;
    world.case(Subject::Post(removed)).await;

    let mut subjects = Vec::new();
    let mut path = "/moderation/cases?state=OPENED&limit=2".to_owned();
    loop {
        let (status, page) = world.get(&moderator, &path).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        subjects.extend(items.iter().map(|case| case["subject"]["id"].clone()));
        let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
        path = format!("/moderation/cases?state=OPENED&limit=2&cursor={cursor}");
    }

    let newest_first =
        (0..5).rev().map(|number| PostId(Uuid::from_u128(10 + 2 * number)).to_string());
    assert_eq!(subjects, newest_first.map(Value::from).collect::<Vec<_>>());
    let (_, requested) = world.get(&moderator, "/moderation/cases?state=DELETE_REQUESTED").await;
    assert_eq!(requested["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_parameters_and_missing_tokens_are_refused() {
    let world = World::start().await;
    let moderator = world.moderator();

    for query in ["state=LOST", "limit=0", "limit=101", "cursor=made-up"] {
        let (status, problem) = world.get(&moderator, &format!("/moderation/cases?{query}")).await;
        assert_eq!(status, 400, "{query}: {problem}");
    }
    assert_eq!(world.get(&moderator, "/moderation/cases/nonsense").await.0, 400);
    for query in
        ["reason=LOST", "label=LOST", "claimed_by=LOST", "cluster_id=%00", "cursor=made-up"]
    {
        let (status, problem) = world.get(&moderator, &format!("/moderation/queue?{query}")).await;
        assert_eq!(status, 400, "{query}: {problem}");
    }
    let url = format!("http://{}/api/v1/moderation/cases", world.running.addr);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_age_gives_an_answer_and_no_failure() {
    let world = World::start().await;
    let moderator = world.moderator();

    // A cursor is a signed number of microseconds and an id in base64: the smallest, the largest, and some 200 000 years ago,
    // which chrono knows and PostgreSQL does not.
    for cursor in [
        "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "f_______________________________",
        "qJHnYPsKAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let path = format!("/moderation/cases?cursor={cursor}");
        assert_eq!(world.get(&moderator, &path).await.0, 200, "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_operation() {
    let world = World::start().await;
    let url = format!("http://{}/openapi.json", world.running.addr);

    let document: Value =
        serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap();

    let paths = document["paths"].as_object().unwrap();
    let operations: Vec<&Value> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/moderation/"))
        .flat_map(|(_, methods)| methods.as_object().unwrap().values())
        .collect();
    let mut ids: Vec<&str> = Vec::new();
    for operation in operations {
        assert!(operation["summary"].is_string(), "{operation}");
        assert!(operation["description"].is_string(), "{operation}");
        ids.push(operation["operationId"].as_str().unwrap());
    }
    ids.sort_unstable();
    let expected = [
        "acknowledgeCase",
        "answerAppeal",
        "appealDecision",
        "checkImage",
        "claimCase",
        "closeStandingReview",
        "compareAnalyserVersion",
        "decideCase",
        "decideManyCases",
        "delistImage",
        "endAnalyserVersionShadow",
        "escalateCase",
        "followQueue",
        "getAnalyserVersion",
        "getAnalyserVersionFile",
        "getBatch",
        "getCase",
        "getCaseFile",
        "getOwnStanding",
        "getStanding",
        "imposeSanction",
        "labelCase",
        "liftSanction",
        "listAnalyserVersions",
        "listBatches",
        "listCases",
        "listImage",
        "listListedImages",
        "listOwnDecisions",
        "listOwnReports",
        "listStandingReviews",
        "noteCase",
        "promoteAnalyserVersion",
        "proposeAnalyserVersion",
        "readLabels",
        "readModerationDrift",
        "readModerationLog",
        "readModerationStatistics",
        "readQueue",
        "releaseCase",
        "reportContent",
        "rollBackAnalyserVersion",
        "sendBatchPart",
        "startAnalyserVersionShadow",
        "undoBatch",
    ];
    assert_eq!(ids, expected);
}
