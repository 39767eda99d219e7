//! How the texts change.

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{support::World, version::small_talk};

/// Somebody does not want to be read.
const HIDDEN: &str = "You are such a stup1d id1ot and a complete m0ron, nobody likes you";

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_empty_before_anything_was_judged() {
    let world = World::start().await;

    let (status, drift) = world.get(&world.moderator(), "/moderation/drift").await;

    assert_eq!(status, 200);
    assert_eq!(drift, json!({ "categories": [], "evasion_alarm": false, "days": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_texts_than_before_are_an_alarm() {
    let world = World::start().await;
    world.crowd(1_000, 200, small_talk).await;
    let moved = "UPDATE screening_figure SET judged_at = judged_at - interval '3 days'";
    world.db().execute_unprepared(moved).await.unwrap();
    world.crowd(2_000, 200, |_| HIDDEN.to_owned()).await;

    let (status, drift) = world.get(&world.moderator(), "/moderation/drift").await;

    assert_eq!(status, 200);
    let toxicity = drift["categories"].as_array().unwrap().iter();
    let toxicity = toxicity.clone().find(|one| one["category"] == "toxicity").unwrap();
    assert_eq!(toxicity["alarm"], true, "{toxicity}");
    assert!(toxicity["psi"].as_f64().unwrap() > 1.0, "{toxicity}");
    assert_eq!(drift["current"]["flagged"]["count"], 200, "{drift}");
    assert_eq!(drift["reference"]["flagged"]["count"], 0);
    assert_eq!(drift["days"].as_array().unwrap().len(), 2, "{drift}");
    assert_eq!(drift["days"][0]["language"], "eng");
    let texts = drift["days"][0]["scores"]["toxicity"].as_array().unwrap();
    assert_eq!(texts.iter().map(|bin| bin.as_u64().unwrap()).sum::<u64>(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_made_again_from_the_events() {
    let world = World::start().await;
    world.crowd(1_000, 5, small_talk).await;

    world.audited().await;
}
