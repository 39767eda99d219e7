//! Views: one per person, post and hour.

use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared_schemas::ViewId;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_view_counts_once_per_person_post_and_hour() {
    // Held at the middle of an hour, near the time at which the test kit dates its events.
    let now = Clock::System.now().timestamp();
    let hour = now.div_euclid(3_600);
    let clock = Clock::manual(DateTime::from_timestamp(hour * 3_600 + 1_800, 0).unwrap());
    let world = World::start_at(clock.clone()).await;
    let (author, reader) = (world.person(1), world.person(2));
    let post = world.published(&author).await;
    let path = format!("/{post}/view");
    let expected = |counted: bool, hours: i64| {
        let start: DateTime<Utc> = DateTime::from_timestamp((hour + hours) * 3_600, 0).unwrap();
        let start = start.to_rfc3339();
        (200, json!({"post_id": post, "counted": counted, "hour": start}))
    };

    assert_eq!(world.post(&reader, &path, &Value::Null).await, expected(true, 0));
    assert_eq!(world.post(&reader, &path, &Value::Null).await, expected(false, 0));
    assert_eq!(world.get(&author, &path).await, expected(true, 0));
    assert_eq!(world.get(&author, &path).await, expected(false, 0));
    clock.advance(TimeDelta::minutes(29));
    assert_eq!(world.post(&reader, &path, &Value::Null).await, expected(false, 0));
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(world.post(&reader, &path, &Value::Null).await, expected(true, 1));

    let events = world.history("view", ViewId::of(reader.id, post, hour)).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].raw.event_type, "view.counted.v1");
    assert_eq!(events[0].raw.data["post_author_id"], json!(author.id));
    assert_eq!(events[0].raw.data["viewer_id"], json!(reader.id));
    assert_eq!(events[0].raw.data["category"], "FOOD");
    assert_eq!(world.history("view", ViewId::of(reader.id, post, hour + 1)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_views_at_once_count_once() {
    let world = World::start_at(Clock::manual(Clock::System.now())).await;
    let author = world.person(1);
    let post = world.published(&author).await;
    let path = format!("/{post}/view");

    let answers = join_all((0..20).map(|_| world.post(&author, &path, &Value::Null))).await;

    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, view)| view["counted"] == true).count(), 1);
}
