//! What an author did lately counts, by the time of the events and not of their arrival.

use content_screening::{Behaviour, Verdict, record::Completed};
use moderation_service::{
    content::{
        cluster,
        projection::{Activity, ForgetActivity},
        view,
    },
    version,
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use shared_schemas::{
    PostId, UserId,
    envelope::Metadata,
    moderation::{ModerationReason, Subject},
    post::Category,
    user::UserEvent,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::support::{AUTHOR, SOON, World, edited, noon};

/// Distinct harmless texts.
fn harmless(number: u128) -> String {
    format!("Chapter {number} of my travel diary: we walked along the river and had soup.")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_harmless_posts_is_held() {
    let world = World::start().await;

    for number in 0..11 {
        world.post_at(10 + number, &harmless(number), noon(0)).await;
    }

    let last = eventually(SOON, || async {
        let mut flooding = Vec::new();
        for number in 0..11 {
            let id = Uuid::from_u128(10 + number);
            flooding.extend(world.screenings(id, 1).await);
        }
        flooding.into_iter().find(|one| one.behaviour.published_last_minute == 10)
    })
    .await;
    assert_eq!(last.analysis.verdict, Verdict::Hold);
    let case = world.case(last.subject).await;
    assert_eq!(case["reasons"], serde_json::json!([ModerationReason::Spam]));
    assert_eq!(case["analysis"]["findings"][0]["rule"], "flooding.minute");
}

/// Each account alone is harmless; and what is changed a little is the same to whoever reads it.
#[tokio::test(flavor = "multi_thread")]
async fn near_copies_by_many_accounts_are_held_as_one_cluster() {
    let world = World::start().await;
    let copy = |number: u128| {
        format!(
            "Our bakery opens at seven on weekdays; the bread is st1ll warm then, and the c\u{200b}offee is good, {number}!"
        )
    };
    let mut posts = Vec::new();
    for number in 0..7 {
        posts.push(
            world.post_of(UserId(Uuid::from_u128(500 + number)), 10 + number, &copy(number)).await,
        );
        world.screenings(Uuid::from_u128(10 + number), 1).await;
    }
    world.post_of(UserId(Uuid::from_u128(600)), 30, &harmless(1)).await;

    let last = world.screenings(Uuid::from_u128(16), 1).await.remove(0);
    assert_eq!(
        (last.behaviour.near_copies_last_day, last.behaviour.near_copy_authors_last_day),
        (6, 6)
    );
    assert_eq!(last.analysis.verdict, Verdict::Hold);
    let other = world.screenings(Uuid::from_u128(30), 1).await.remove(0);
    assert_eq!(other.behaviour.near_copies_last_day, 0);
    let clusters: Vec<_> = [5, 6].map(|at: usize| posts[at]).to_vec();
    for post in clusters {
        let case = world.case(Subject::Post(post)).await;
        // Named after the first of them.
        assert_eq!(case["review"]["cluster_id"], Uuid::from_u128(10).to_string(), "{case}");
        assert_eq!(case["analysis"]["findings"][0]["rule"], "flooding.near_copies");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_arrives_at_once_is_no_flood() {
    let world = World::start().await;

    for number in 0..11_u8 {
        let body = harmless(u128::from(number));
        world.post_at(10 + u128::from(number), &body, noon(2 * i64::from(number))).await;
    }

    for number in 0..11 {
        let screening = world.screenings(Uuid::from_u128(10 + number), 1).await.remove(0);
        assert_eq!(screening.behaviour.published_last_minute, 0);
        assert_eq!(screening.analysis.verdict, Verdict::Allow);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_published_again_and_again_is_held() {
    let world = World::start().await;
    // One partition, so that they are screened in this order.
    for number in 0..4_u8 {
        let body = "My cat, WHO is very lovely, wants followers";
        world.post_at(10 + 2 * u128::from(number), body, noon(60 * i64::from(number))).await;
    }

    let fifth = world.post_at(20, "my cat who is very lovely wants followers!!!", noon(300)).await;

    let screening = world.screenings(fifth, 1).await.remove(0);
    assert_eq!(screening.behaviour.same_text_last_day, 4);
    assert_eq!(screening.analysis.verdict, Verdict::Hold);
    world.case(Subject::Post(fifth)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn editing_a_post_is_neither_publishing_nor_repeating_it() {
    let world = World::start().await;
    let post = world.post_at(10, &harmless(1), noon(0)).await;
    for version in 2..20 {
        let nobody = Metadata::default();
        let event = edited(&format!("{} https://example.org/diary", harmless(1)));
        world.publisher.publish_with(post, version, &event, &nobody, noon(0)).await.unwrap();
    }
    let other = world.post_at(12, "Look: example.org/diary?from=me", noon(1)).await;

    for screening in world.screenings(post, 19).await {
        let nothing = Behaviour { community: Some(Category::Books), ..Behaviour::default() };
        assert_eq!(screening.behaviour, nothing);
    }
    let other = world.screenings(other, 1).await.remove(0).behaviour;
    assert_eq!((other.published_last_hour, other.same_link_last_day), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_a_new_account_weighs_more() {
    let world = World::start().await;
    let registered = UserEvent::Registered { interests: vec![] };
    let nobody = Metadata::default();
    world.publisher.publish_with(AUTHOR, 1, &registered, &nobody, noon(0)).await.unwrap();
    eventually(SOON, || async {
        world.column("SELECT user_id::text FROM known_user").await.len() == 1
    })
    .await;

    let post = world.post_at(10, "Look here: https://example.org/diary", noon(5)).await;

    let screening = world.screenings(post, 1).await.remove(0);
    assert_eq!(screening.behaviour.account_age_seconds, Some(300));
    let rules: Vec<&str> =
        screening.analysis.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert!(rules.contains(&"flooding.new_account_link"), "{rules:?}");
}

/// They wait until a version may judge; then all but the first are there at once, later ones before earlier ones.
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_judged_together_are_judged_as_in_the_order_of_their_time() {
    let world = World::start().await;
    let copy = |number: u128| {
        format!(
            "Our bakery opens at seven on weekdays; the bread is warm, and the coffee is good, {number}!"
        )
    };
    // Of one partition, since each has transactions of its own.
    let partition = |id: &Uuid| world.publisher.partition_of(*id);
    let mut ids =
        (9..1_000).map(Uuid::from_u128).filter(|id| partition(id) == partition(&Uuid::nil()));
    let first = ids.next().unwrap();
    let copies: Vec<Uuid> = ids.take(20).collect();
    let nobody_judges = world.db().begin().await.unwrap();
    version::view::seize(&nobody_judges).await.unwrap();
    world.post_at(first.as_u128(), "The first of them, about something else.", noon(0)).await;
    for (number, id) in (1..=20_u8).zip(&copies).rev() {
        world.post_at(id.as_u128(), &copy(number.into()), noon(number.into())).await;
    }
    // An edit of the last and of the first: behind what it is a version of.
    let is_edited = |id: &Uuid| [copies.first(), copies.last()].contains(&Some(id));
    for id in copies.iter().filter(|id| is_edited(id)) {
        let (nobody, event) = (Metadata::default(), edited(&copy(1)));
        world.publisher.publish_with(PostId(*id), 2, &event, &nobody, noon(40)).await.unwrap();
    }
    nobody_judges.rollback().await.unwrap();

    for (earlier, id) in (0..).zip(&copies) {
        let mut screenings = world.screenings(*id, if is_edited(id) { 2 } else { 1 }).await;
        let Behaviour { published_last_hour, near_copies_last_day, published_before, .. } =
            screenings.remove(0).behaviour;
        assert_eq!(
            (published_last_hour, near_copies_last_day, published_before),
            (earlier + 1, earlier, earlier + 1)
        );
        for Completed { behaviour, .. } in screenings {
            assert_eq!(
                (behaviour.near_copies_last_day, behaviour.community),
                (19, Some(Category::Books))
            );
        }
    }
    let clusters = world.column("SELECT DISTINCT cluster_id FROM text_signature ORDER BY 1").await;
    assert_eq!(clusters, [first, copies[0]].map(|id| id.to_string()));
}

/// Of a flood, the oldest of the last day, each once whatever its number of keys in common, and never the text itself.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_the_oldest_two_hundred_of_the_day_are_compared() {
    let world = World::start().await;
    let text = "Our bakery opens at seven on weekdays; the bread is still warm then, and the coffee is good!";
    let print = cluster::print(text).unwrap();
    let (signature, bands) = (print.signature.to_bytes(), serde_json::json!(print.bands));
    // One a minute for 25 hours, the first hour of which is too long ago.
    let (begin, author) = (noon(0), AUTHOR.0);
    let flood = sea_orm::raw_sql!(
        Postgres,
        "WITH copy AS (
           INSERT INTO text_signature (subject_id, subject_version, author_id, signature, cluster_id, occurred_at)
             SELECT lpad(minute::text, 32, '0')::uuid, 1, {author}, {signature}, 'flood',
                    {begin} + make_interval(mins => minute)
               FROM generate_series(1, 1500) AS minute
             RETURNING subject_id, subject_version, occurred_at)
         INSERT INTO text_band (band, occurred_at, subject_id, subject_version)
           SELECT DISTINCT band::bigint, occurred_at, subject_id, subject_version
             FROM copy, jsonb_array_elements_text({bands}::jsonb) AS band"
    );
    world.db().execute_raw(flood).await.unwrap();
    let minute = |minute: u32| Uuid::parse_str(&format!("{minute:032}")).unwrap();
    let activity = Activity {
        subject: Subject::Post(PostId(minute(70))),
        subject_version: 2,
        author_id: AUTHOR,
        edited: true,
        text_hash: None,
        links: vec![],
        mentions: 0,
        occurred_at: noon(1_500),
    };

    let alike = view::alike(world.db(), &[(&activity, &print)]).await.unwrap().remove(0);

    let found: Vec<Uuid> = alike.iter().map(|one| one.subject_id).collect();
    let oldest: Vec<Uuid> = (61..=261).filter(|at| *at != 70).map(minute).collect();
    assert_eq!(found, oldest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_forgotten() {
    let world = World::start().await;
    let user = UserId(Uuid::from_u128(42));
    world.publisher.publish(user, 1, &UserEvent::Registered { interests: vec![] }).await.unwrap();
    let known = || async { world.column("SELECT user_id::text FROM known_user").await };
    eventually(SOON, || async { !known().await.is_empty() }).await;

    world.publisher.publish(user, 2, &UserEvent::Deleted {}).await.unwrap();

    eventually(SOON, || async { known().await.is_empty() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_is_forgotten_two_days_later_by_the_time_of_events() {
    let world = World::start().await;
    for (number, minutes) in [(10, 0), (12, 60 * 24), (14, 60 * 48 + 1)] {
        let post = world.post_at(number, &harmless(number), noon(minutes)).await;
        world.screenings(post, 1).await;
    }

    let swept = service_kit::sweep::once(world.db(), &ForgetActivity).await.unwrap();

    // What the author did, and the signature of what he wrote.
    assert_eq!(swept, Some(2));
    for query in [
        "SELECT subject_id::text FROM author_activity ORDER BY occurred_at",
        "SELECT subject_id::text FROM text_signature ORDER BY occurred_at",
        "SELECT DISTINCT subject_id::text FROM text_band ORDER BY 1",
    ] {
        let left = world.column(query).await;
        assert_eq!(left, [12, 14].map(|number| Uuid::from_u128(number).to_string()), "{query}");
    }
    // How much it was is not forgotten: the next text is not the first.
    let next = world.post_at(16, &harmless(16), noon(60 * 48 + 2)).await;
    assert_eq!(world.screenings(next, 1).await.remove(0).behaviour.published_before, 3);
}
