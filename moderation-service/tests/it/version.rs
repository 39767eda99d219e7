//! Versions of the analyser: proposed, promoted, taken back.

use content_screening::{RuleFiles, Verdict};
use event_runtime::Recorded;
use moderation_service::version::{
    aggregate::{VersionEvent, VersionId, VersionsId},
    view,
};
use reqwest::Method;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use shared_schemas::{UserId, moderation::Subject};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{INSULT, ORDINARY, SOON, World, answer};

/// A policy that is the built-in one but for a remark.
pub(crate) fn remarked(remark: &str) -> String {
    format!("# {remark}\n{}", RuleFiles::EMBEDDED.policy)
}

/// A policy by which an insult stays.
pub(crate) fn lenient() -> String {
    let lines = RuleFiles::EMBEDDED.policy.lines();
    let kept = lines.filter(|line| !line.starts_with("remove = "));
    let eased = kept.map(|line| if line.starts_with("hold = ") { "hold = 100" } else { line });
    eased.collect::<Vec<_>>().join("\n")
}

/// Texts that nobody minds, and of which none is like another.
pub(crate) fn small_talk(number: u128) -> String {
    const WORDS: &str = "grandmother neighbour teacher colleague bicycle lantern kitchen window boat mountain flower umbrella \
        map piano garden tomato river bridge library painting holiday breakfast orange coffee evening morning autumn winter \
        station village market carpet pencil letter violin concert museum forest meadow candle basket blanket harbour island \
        orchard pottery recipe sandwich theatre weather workshop journey calendar cupboard festival fountain gallery lemon";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = u64::try_from(number).unwrap();
    let mut word = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words[usize::try_from(state >> 33).unwrap() % words.len()]
    };
    (0..9).map(|_| word()).collect::<Vec<_>>().join(" ")
}

impl World {
    /// The id of a version with another policy, proposed by an administrator.
    pub(crate) async fn proposed(&self, policy: &str) -> String {
        let body = json!({ "policy": policy, "note": "An experiment." });
        let (status, version) =
            self.send(Method::POST, &self.admin(), "/moderation/versions", body).await;
        assert_eq!(status, 201, "{version}");
        version["id"].as_str().unwrap().to_owned()
    }

    /// Does something with a version as an administrator.
    pub(crate) async fn with_version(&self, id: &str, verb: &str, body: Value) -> (u16, Value) {
        let path = format!("/moderation/versions/{id}/{verb}");
        self.send(Method::POST, &self.admin(), &path, body).await
    }

    /// Promotes a version that has judged nothing.
    pub(crate) async fn forced(&self, id: &str) {
        let body = json!({ "force": true, "reason": "A test." });
        let (status, version) = self.with_version(id, "promote", body).await;
        assert_eq!((status, &version["state"]), (200, &json!("ACTIVE")), "{version}");
    }

    pub(crate) async fn version(&self, id: &str) -> Value {
        let (status, version) =
            self.get(&self.moderator(), &format!("/moderation/versions/{id}")).await;
        assert_eq!(status, 200, "{version}");
        version
    }

    /// Which version judged some content first, and what it said.
    pub(crate) async fn judged_by(&self, id: impl Into<Uuid>) -> (String, Verdict) {
        let completed = self.screenings(id, 1).await.remove(0);
        (VersionId::of(&completed.analyser).to_string(), completed.analysis.verdict)
    }

    /// Everything that happened to versions.
    pub(crate) async fn version_events(&self) -> Vec<Recorded<VersionEvent>> {
        let id = VersionsId.into();
        let history = self.running.store.history(self.db(), "analyser_version", id).await.unwrap();
        history.iter().map(|event| event.open().unwrap().unwrap()).collect()
    }

    /// Posts of different people, and waits until all of them are judged.
    pub(crate) async fn crowd(&self, from: u128, count: u128, text: impl Fn(u128) -> String) {
        for number in from..from + count {
            self.post_of(UserId(Uuid::from_u128(number)), number, &text(number)).await;
        }
        for number in from..from + count {
            self.screenings(Uuid::from_u128(number), 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_proposed_once_and_kept_byte_for_byte() {
    let world = World::start().await;
    let policy = remarked("Stricter, some day.");

    let id = world.proposed(&policy).await;
    let body = json!({ "policy": policy });
    let (status, again) =
        world.send(Method::POST, &world.admin(), "/moderation/versions", body).await;

    assert_eq!((status, &again["id"]), (200, &json!(id)));
    assert_eq!(again["state"], "PROPOSED");
    assert_eq!(again["note"], "An experiment.");
    let of_versions = world.version_events().await;
    assert_eq!(of_versions.len(), 2, "the built-in version and this one");
    let path = format!("/moderation/versions/{id}/files/policy.toml");
    let file = world.request(Method::GET, &world.moderator(), &path).send().await.unwrap();
    assert_eq!(file.text().await.unwrap(), policy);
    let path = format!("/moderation/versions/{id}/files/model.bin");
    let model = world.request(Method::GET, &world.moderator(), &path).send().await.unwrap();
    let built_in = content_analysis::Analyser::built_in_file();
    assert!(model.bytes().await.unwrap() == built_in, "what is left out is that of the active one");
    let (_, list) = world.get(&world.moderator(), "/moderation/versions").await;
    let active: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["state"] == "ACTIVE")
        .collect();
    assert_eq!(active.len(), 1, "{list}");
    assert_eq!(active[0]["built_in"], true);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_can_be_brought() {
    let world = World::start().await;
    let model = content_analysis::Analyser::built_in().unwrap().model().to_bytes().unwrap();
    let encoded = poem_openapi::types::ToJSON::to_json(&poem_openapi::types::Base64(model));
    let body = json!({ "model": encoded, "policy": remarked("With a model.") });

    let (status, version) =
        world.send(Method::POST, &world.admin(), "/moderation/versions", body).await;

    assert_eq!(status, 201, "{version}");
    world.forced(version["id"].as_str().unwrap()).await;
    let post = world.post(10, INSULT).await;
    assert_eq!(json!(world.judged_by(post).await.0), version["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_refused_whole_and_every_mistake_is_named() {
    let world = World::start().await;
    let body = json!({
        "policy": "[thresholds.SPAM]\nhold = 0",
        "lexicon": "rule = 1",
        "model": "bm8gbW9kZWw=",
    });

    let (status, problem) =
        world.send(Method::POST, &world.admin(), "/moderation/versions", body).await;

    assert_eq!(status, 422, "{problem}");
    let errors: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    for file in ["policy.toml: ", "lexicon.toml: ", "model.bin: "] {
        assert!(errors.iter().any(|error| error.starts_with(file)), "{errors:?}");
    }
    assert_eq!(world.version_events().await.len(), 1, "the built-in one");
    assert_eq!(world.column("SELECT count(*)::text FROM analyser_file").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_for_administrators_and_looking_is_for_moderators() {
    let world = World::start().await;
    let id = world.proposed(&remarked("One.")).await;
    let body = || json!({ "policy": remarked("Two.") });
    let moderator = world.moderator();

    let (refused, _) = world.send(Method::POST, &moderator, "/moderation/versions", body()).await;
    assert_eq!(refused, 403);
    for verb in ["shadow", "promote", "rollback"] {
        let path = format!("/moderation/versions/{id}/{verb}");
        let body = json!({ "reason": "Mine." });
        assert_eq!(world.send(Method::POST, &moderator, &path, body).await.0, 403, "{verb}");
    }
    let anybody = world.person(7, &[shared_schemas::user::Role::User]);
    for path in ["/moderation/versions", "/moderation/drift"] {
        assert_eq!(world.get(&anybody, path).await.0, 403, "{path}");
        assert_eq!(world.get(&moderator, path).await.0, 200, "{path}");
    }
    assert_eq!(world.get(&moderator, "/moderation/versions/abc").await.0, 400);
    let nothing = "0".repeat(64);
    let missing = world.get(&moderator, &format!("/moderation/versions/{nothing}")).await;
    assert_eq!(missing.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_version_decides_and_survives_a_restart() {
    let mut world = World::start().await;
    let id = world.proposed(&lenient()).await;
    let before = world.post(10, INSULT).await;
    let (built_in, verdict) = world.judged_by(before).await;
    assert_eq!(verdict, Verdict::Hold);

    let (status, problem) = world.with_version(&id, "promote", json!({})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/too-little-shadow")));
    let without_reason = world.with_version(&id, "promote", json!({ "force": true })).await;
    assert_eq!(without_reason.0, 422);
    world.forced(&id).await;
    let after = world.post(11, INSULT).await;
    assert_eq!(world.judged_by(after).await, (id.clone(), Verdict::Allow));

    let another = world.another(&[]).await;
    std::mem::replace(&mut world.running, another).stop().await;
    let later = world.post(12, INSULT).await;
    assert_eq!(world.judged_by(later).await, (id.clone(), Verdict::Allow));

    let (status, version) =
        world.with_version(&id, "rollback", json!({ "reason": "Too mild." })).await;
    assert_eq!((status, &version["state"]), (200, &json!("ROLLED_BACK")), "{version}");
    assert_eq!(version["rolled_back_because"], "Too mild.");
    let last = world.post(13, INSULT).await;
    assert_eq!(world.judged_by(last).await, (built_in, Verdict::Hold));
    let (status, _) = world.with_version(&id, "rollback", json!({ "reason": "Again." })).await;
    assert_eq!(status, 409);
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_understand_the_active_version_serves_and_judges_once_it_is_taken_back()
 {
    let mut world = World::start().await;
    let id = world.proposed(&lenient()).await;
    world.forced(&id).await;
    // What a later program may have taken and this one does not: the promoted policy is no policy any more.
    let damage = format!(
        "UPDATE analyser_file SET content = 'hold = 0' WHERE sha256 =
           (SELECT files -> 'policy.toml' ->> 'sha256' FROM analyser_version WHERE id = '{id}')"
    );
    assert_eq!(world.db().execute_unprepared(&damage).await.unwrap().rows_affected(), 1);

    let another = world.another(&[]).await;
    std::mem::replace(&mut world.running, another).stop().await;
    let health = async || {
        let url = format!("http://{}/readyz", world.running.addr);
        let answer = reqwest::get(url).await.unwrap();
        let is_ready = answer.status().is_success();
        (is_ready, answer.json::<Value>().await.unwrap())
    };
    let said = eventually(SOON, || async {
        let (is_ready, said) = health().await;
        if is_ready { Ok(said) } else { Err(said) }
    })
    .await;
    let why = said["degraded"]["judging"].as_str().unwrap();
    assert!(why.contains(&id) && why.contains("rollback"), "{why}");
    let post = world.post(10, INSULT).await;
    let history = world.running.store.history(world.db(), "screening", post.0).await.unwrap();
    assert_eq!(history.len(), 0);

    let (status, version) =
        world.with_version(&id, "rollback", json!({ "reason": "Nobody reads it." })).await;
    assert_eq!((status, &version["state"]), (200, &json!("ROLLED_BACK")), "{version}");

    assert_eq!(world.judged_by(post).await.1, Verdict::Hold);
    eventually(SOON, || async { health().await.1["degraded"] == json!({}) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_switch_at_the_same_event() {
    let world = World::start().await;
    let other = world.another(&[]).await;
    let owners =
        "SELECT count(DISTINCT owner)::text FROM lease WHERE consumer_group = 'moderation.screen'";
    eventually(SOON, || async {
        let owners = world.column(owners).await;
        if owners == ["2"] { Ok(()) } else { Err(owners) }
    })
    .await;
    let id = world.proposed(&lenient()).await;

    for number in 1_000..1_040 {
        world.post(number, ORDINARY).await;
    }
    world.forced(&id).await;
    for number in 1_040..1_080 {
        world.post(number, ORDINARY).await;
    }

    let events = world.version_events().await;
    let promoted =
        events.iter().find(|event| matches!(event.event, VersionEvent::Promoted(_))).unwrap();
    let mut by_new = 0;
    for number in 1_000..1_080 {
        let post = Uuid::from_u128(number);
        let (version, _) = world.judged_by(post).await;
        let history = world.running.store.history(world.db(), "screening", post).await.unwrap();
        let is_new = version == id;
        assert_eq!(history.len(), 1, "judged by one of them, once");
        assert_eq!(is_new, history[0].occurred_at > promoted.occurred_at, "{number}");
        by_new += usize::from(is_new);
    }
    assert!(by_new >= 40, "{by_new}: what is published after the promotion is judged by it");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_waits_for_those_who_judge_and_they_for_it() {
    let world = World::start().await;
    let id = world.proposed(&lenient()).await;
    let waiting = |count: &'static str| {
        let world = &world;
        eventually(SOON, move || async move {
            let query =
                "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            let waiting = world.column(query).await;
            if waiting == [count] { Ok(()) } else { Err(waiting) }
        })
    };

    let judging = world.db().begin().await.unwrap();
    view::hold(&judging).await.unwrap();
    let promotion = async {
        world.forced(&id).await;
    };
    let release = async {
        waiting("1").await;
        assert_eq!(world.version(&id).await["state"], "PROPOSED");
        judging.rollback().await.unwrap();
    };
    tokio::join!(promotion, release);

    let promoting = world.db().begin().await.unwrap();
    view::seize(&promoting).await.unwrap();
    let post = world.post(10, INSULT).await;
    waiting("1").await;
    world.screenings(post, 0).await;
    promoting.rollback().await.unwrap();
    assert_eq!(world.judged_by(post).await, (id, Verdict::Allow));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_flag_rate_leaves_its_band_is_rolled_back() {
    let world = World::start().await;
    let first = world.proposed(&remarked("One.")).await;
    let second = world.proposed(&remarked("Two.")).await;
    world.forced(&first).await;
    let band = json!({ "low": 0.0, "high": 0.1, "minimum": 20 });
    let body = json!({ "force": true, "reason": "A test.", "band": band });
    let (status, version) = world.with_version(&second, "promote", body).await;
    assert_eq!((status, &version["band"]), (200, &band), "{version}");

    world.crowd(1_000, 25, small_talk).await;
    let post = world.post(10, ORDINARY).await;
    assert_eq!(world.judged_by(post).await.0, second, "inside its band it stays");
    world.crowd(2_000, 25, |_| INSULT.to_owned()).await;

    let fallen = eventually(SOON, || async {
        let version = world.version(&second).await;
        if version["state"] == "ROLLED_BACK" { Ok(version) } else { Err(version) }
    })
    .await;
    assert!(fallen.get("rolled_back_by").is_none(), "{fallen}");
    let because = fallen["rolled_back_because"].as_str().unwrap();
    assert!(because.contains("its band is 0.0 to 10.0 %"), "{because}");
    let events = world.version_events().await;
    let VersionEvent::RolledBack(rolled_back) = &events.last().unwrap().event else {
        panic!("{events:?}")
    };
    assert_eq!(rolled_back.to.as_ref().map(VersionId::as_str), Some(first.as_str()));
    assert!(rolled_back.flag_rate.flagged >= 20, "{rolled_back:?}");
    assert_eq!(world.version(&first).await["state"], "ACTIVE");
    let post = world.post(11, ORDINARY).await;
    assert_eq!(world.judged_by(post).await.0, first);

    let (status, problem) = world.with_version(&second, "promote", json!({})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/rolled-back-before")));
    world.forced(&second).await;
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_band_that_is_upside_down_is_refused() {
    let world = World::start().await;
    let id = world.proposed(&remarked("One.")).await;
    let band = json!({ "low": 0.5, "high": 0.1 });
    let body = json!({ "force": true, "reason": "A test.", "band": band });

    let path = format!("/moderation/versions/{id}/promote");
    let request = world.request(Method::POST, &world.admin(), &path).json(&body);
    let (status, problem) = answer(request.send().await.unwrap()).await;

    assert_eq!((status, &problem["type"]), (422, &json!("/problems/band")));
    assert_eq!(world.cases(Subject::Post(shared_schemas::PostId(Uuid::nil()))).await.len(), 0);
}
