//! Versions that judge beside the one that decides.

use std::path::PathBuf;

use content_screening::Verdict;
use moderation_service::version::shadow::aggregate::{ShadowEvent, ShadowId, Shadowed};
use reqwest::Method;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use shared_schemas::{PostId, moderation::Subject};
use test_kit::eventually;
use uuid::Uuid;

use crate::{
    support::{INSULT, ORDINARY, SOON, World},
    version::{lenient, remarked, small_talk},
};

impl World {
    async fn shadowed(&self, version: &str) {
        let (status, body) = self.with_version(version, "shadow", json!({})).await;
        assert_eq!((status, &body["state"]), (200, &json!("SHADOW")), "{body}");
    }

    /// What a version has said of a post in shadow, once there are so many judgements.
    async fn in_shadow(&self, version: &str, post: PostId, count: usize) -> Vec<Shadowed> {
        let id = ShadowId::of(&Subject::Post(post), &version.parse().unwrap());
        eventually(SOON, || async {
            let store = &self.running.store;
            let history = store.history(self.db(), "shadow_screening", id.into()).await.unwrap();
            let said: Vec<Shadowed> = history
                .iter()
                .map(|event| {
                    let ShadowEvent::Judged(said) =
                        event.open::<ShadowEvent>().unwrap().unwrap().event;
                    said
                })
                .collect();
            if said.len() == count { Ok(said) } else { Err(said) }
        })
        .await
    }

    async fn comparison(&self, version: &str) -> Value {
        let path = format!("/moderation/versions/{version}/comparison");
        let (status, comparison) = self.get(&self.moderator(), &path).await;
        assert_eq!(status, 200, "{comparison}");
        comparison
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_judges_what_was_judged_and_nothing_follows() {
    let world = World::start().await;
    let id = world.proposed(&lenient()).await;
    let unseen = world.post(9, INSULT).await;
    world.screenings(unseen, 1).await;

    world.shadowed(&id).await;
    world.shadowed(&id).await;
    let post = world.post(10, INSULT).await;

    let live = world.screenings(post, 1).await.remove(0);
    let said = world.in_shadow(&id, post, 1).await.remove(0);
    assert_eq!(said.behaviour, live.behaviour);
    assert!(said.behaviour.published_last_hour >= 1, "{said:?}");
    assert_eq!((said.subject, said.subject_version), (live.subject, live.subject_version));
    assert_eq!((said.live.verdict, said.analysis.verdict), (Verdict::Hold, Verdict::Allow));
    assert_eq!(said.live.analyser, live.analyser);
    assert_ne!(said.analyser, live.analyser);
    assert_eq!(world.case(Subject::Post(post)).await["state"], "OPENED", "as was decided");
    world.in_shadow(&id, unseen, 0).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_says_what_would_change_and_what_people_think_of_it() {
    let world = World::start().await;
    let id = world.proposed(&lenient()).await;
    world.shadowed(&id).await;
    let insults = [world.post(10, INSULT).await, world.post(11, INSULT).await];
    let ordinary = world.post(12, ORDINARY).await;
    for post in insults.iter().chain([&ordinary]) {
        world.in_shadow(&id, *post, 1).await;
    }
    for (post, decision) in insults.iter().zip(["DELETE", "DISMISS"]) {
        let case = world.case(Subject::Post(*post)).await;
        assert_eq!(world.decide(&world.moderator(), &case, decision).await.0, 200);
    }

    let comparison = world.comparison(&id).await;

    assert_eq!(
        comparison["verdicts"],
        json!([
            { "live": "ALLOW", "shadow": "ALLOW", "count": 1 },
            { "live": "HOLD", "shadow": "ALLOW", "count": 2 },
        ])
    );
    assert_eq!((&comparison["live"]["count"], &comparison["live"]["of"]), (&json!(2), &json!(3)));
    assert_eq!(comparison["shadow"]["count"], 0);
    assert!(comparison["shadow"]["high"].as_f64().unwrap() > 0.5, "three say little");
    let harassment = comparison["categories"].as_array().unwrap().iter();
    let harassment = harassment.clone().find(|one| one["category"] == "HARASSMENT").unwrap();
    assert_eq!(*harassment, json!({ "category": "HARASSMENT", "live": 2, "shadow": 0, "both": 0 }));
    for side in ["live", "shadow"] {
        let agreed = &comparison["moderators"][side];
        assert_eq!((&agreed["count"], &agreed["of"]), (&json!(1), &json!(2)), "{side}");
    }
    let examples = comparison["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    assert!(!comparison.to_string().contains("idiot"), "texts are named by their ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn enough_in_shadow_is_enough_to_be_promoted() {
    let world = World::start().await;
    let id = world.proposed(&remarked("Promising.")).await;
    world.shadowed(&id).await;
    world.crowd(1_000, 200, small_talk).await;
    eventually(SOON, || async {
        let comparison = world.comparison(&id).await;
        if comparison["shadow"]["of"] == 200 { Ok(()) } else { Err(comparison) }
    })
    .await;

    let (status, version) = world.with_version(&id, "promote", json!({})).await;

    assert_eq!((status, &version["state"]), (200, &json!("ACTIVE")), "{version}");
    assert!(version.get("shadow_since").is_none(), "{version}");
    assert_eq!(version["band"]["high"], 0.02, "nothing was flagged, so this is the floor");
    let again = world.with_version(&id, "shadow", json!({})).await;
    assert_eq!(again.0, 409, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_are_in_shadow_and_no_more() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for remark in ["One.", "Two.", "Three."] {
        ids.push(world.proposed(&remarked(remark)).await);
    }
    world.shadowed(&ids[0]).await;
    world.shadowed(&ids[1]).await;

    let (status, problem) = world.with_version(&ids[2], "shadow", json!({})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/too-many-shadows")));

    let path = format!("/moderation/versions/{}/shadow", ids[0]);
    let (status, ended) = world.send(Method::DELETE, &world.admin(), &path, json!({})).await;
    assert_eq!((status, &ended["state"]), (200, &json!("PROPOSED")));
    world.shadowed(&ids[2]).await;
    let post = world.post(10, ORDINARY).await;
    for (id, count) in ids.iter().zip([0, 1, 1]) {
        world.in_shadow(id, post, count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_stands_still_holds_up_no_decision() {
    let world = World::start().await;
    let id = world.proposed(&lenient()).await;
    world.shadowed(&id).await;
    let before = world.post(10, INSULT).await;
    world.in_shadow(&id, before, 1).await;

    // Whatever a shadow wants to write waits for this.
    let stuck = world.db().begin().await.unwrap();
    stuck.execute_unprepared("LOCK TABLE shadow_judgement IN EXCLUSIVE MODE").await.unwrap();
    for number in 1_000..1_020 {
        let post = world.post(number, INSULT).await;
        world.case(Subject::Post(post)).await;
    }
    let waiting = world.column("SELECT count(*)::text FROM shadow_judgement").await;
    assert_eq!(waiting, ["1"]);
    stuck.rollback().await.unwrap();

    for number in 1_000..1_020 {
        world.in_shadow(&id, PostId(Uuid::from_u128(number)), 1).await;
    }
}

/// Files in a directory that goes with the value.
struct Directory(PathBuf);

impl Directory {
    fn with(policy: &str) -> Self {
        let name = format!("peerlink-shadow-{}-{}", std::process::id(), policy.len());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("policy.toml"), policy).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_judges_in_shadow_what_the_first_decides() {
    let world = World::start().await;
    let files = Directory::with(&lenient());
    let second = world.another(&[("SHADOW_FILES", files.0.to_str().unwrap())]).await;
    let (_, list) = world.get(&world.moderator(), "/moderation/versions").await;
    let apart = list["items"].as_array().unwrap().iter().find(|one| one["state"] == "SHADOW");
    let apart = apart.unwrap().clone();
    assert_eq!(apart["shadow_apart"], true);
    let id = apart["id"].as_str().unwrap();

    let posts: Vec<PostId> = (1_000..1_020).map(|number| PostId(Uuid::from_u128(number))).collect();
    for number in 1_000..1_020 {
        world.post(number, INSULT).await;
    }

    for post in &posts {
        let live = world.screenings(*post, 1).await.remove(0);
        assert_eq!(live.analysis.verdict, Verdict::Hold, "the first one's version decides");
        let said = world.in_shadow(id, *post, 1).await.remove(0);
        assert_eq!(said.behaviour, live.behaviour);
        assert_eq!(said.analysis.verdict, Verdict::Allow);
    }
    let counted = "SELECT count(*)::text FROM shadow_judgement";
    assert_eq!(world.column(counted).await, ["20"], "each once");

    // Without the second instance nobody judges by its version, and nothing waits for it.
    second.stop().await;
    let alone = world.post(10, INSULT).await;
    world.case(Subject::Post(alone)).await;
    assert_eq!(world.column(counted).await, ["20"]);

    // It comes back, and makes up for what it missed.
    let again = world.another(&[("SHADOW_FILES", files.0.to_str().unwrap())]).await;
    world.in_shadow(id, alone, 1).await;
    again.stop().await;
    world.audited().await;
}
