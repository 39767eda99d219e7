//! The events of a service over HTTP: who may read, which, in which form, and without missing or repeating any.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    time::{Duration, Instant},
};

use chrono::{DateTime, SecondsFormat, Utc};
use event_runtime::{Aggregate, Clock, Expected, Streams};
use futures_util::{StreamExt as _, future::join};
use reqwest::Response;
use sea_orm::{ConnectionTrait as _, raw_sql};
use serde_json::Value;
use service_kit::events::STREAMS;
use shared_schemas::{
    SessionId, UserId,
    envelope::{Envelope, Metadata},
    post::{Category, PostEvent},
    session::{RevocationReason, SessionEvent},
    user::Role,
};
use test_kit::eventually;
use uuid::Uuid;

use crate::world::{SOON, World};

const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// A post that takes every event as it comes.
#[derive(Default)]
struct Post;

impl Aggregate for Post {
    type Id = Uuid;
    type Event = PostEvent;

    fn evolve(self, _: &PostEvent) -> Self {
        self
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl World {
    /// Publishes a post of some person in some request, and drafts that nobody may see.
    async fn publish(&self, post: u128, author: u128, request: u128) {
        let (author_id, title, category) = (UserId(id(author)), "T".to_owned(), Category::Other);
        let body = "two\nlines, and \u{2028}".to_owned();
        let drafted =
            PostEvent::Drafted { author_id, title: title.clone(), body: body.clone(), category };
        let events = vec![drafted, PostEvent::Published { author_id, title, body, category }];
        let metadata = Metadata {
            actor: Some(author_id),
            correlation_id: Some(id(request)),
            ..Metadata::default()
        };
        Streams::<Post>::without_read_model(self.running.store.clone())
            .execute::<Infallible>(id(post), Expected::Any, &metadata, |_| Ok(events.clone()))
            .await
            .unwrap();
    }

    async fn published(&self, count: u64) {
        eventually(SOON, || async { self.heads().await == count }).await;
    }

    async fn heads(&self) -> u64 {
        let heads = event_runtime::History::of(&self.running.store).heads().await.unwrap();
        heads.iter().map(|head| head.sequence).sum()
    }

    fn analyst(&self) -> String {
        self.issuer.token(UserId(id(1)), &[Role::User, Role::Analyst])
    }

    async fn events(&self, query: &str, accept: &str, last: Option<&str>) -> Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client
            .get(self.url(&format!("/api/v1/events{query}")))
            .bearer_auth(self.analyst())
            .header("accept", accept);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        tokio::time::timeout(SOON, request.send()).await.unwrap().unwrap()
    }

    async fn page(&self, query: &str) -> Value {
        let response = self.events(query, "application/json", None).await;
        assert_eq!(response.status(), 200, "{query}");
        response.json().await.unwrap()
    }

    async fn lines(&self, query: &str) -> Vec<Value> {
        let response = self.events(query, NDJSON, None).await;
        assert_eq!(response.headers()["content-type"], NDJSON);
        let text = tokio::time::timeout(SOON, response.text()).await.unwrap().unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Reads server-sent events as a browser does (WHATWG HTML §9.2.6).
struct EventSource {
    response: Response,
    unread: String,
    last_id: Option<String>,
}

impl EventSource {
    fn new(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], SSE);
        Self { response, unread: String::new(), last_id: None }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Envelope> {
        loop {
            while let Some((message, rest)) = self.unread.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.unread = rest;
                let mut data = None;
                for line in message.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => self.last_id = Some(id.to_owned()),
                        Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                        _ => (),
                    }
                }
                if data.is_some() {
                    return data;
                }
            }
            let piece =
                tokio::time::timeout(SOON, self.response.chunk()).await.unwrap().unwrap()?;
            self.unread.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_analysts_and_administrators_read_events() {
    let world = World::start().await;
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let get = || client.get(world.url("/api/v1/events"));

    assert_eq!(get().send().await.unwrap().status(), 401);
    for (roles, status) in [
        (&[Role::User][..], 403),
        (&[Role::User, Role::Moderator], 403),
        (&[Role::Analyst], 200),
        (&[Role::Admin], 200),
    ] {
        let token = world.issuer.token(UserId(id(1)), roles);
        for accept in ["application/json", NDJSON] {
            let request = get().query(&[("follow", "false")]).bearer_auth(&token);
            let answer = request.header("accept", accept).send().await.unwrap();
            assert_eq!(answer.status(), status, "{roles:?} {accept}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_lines_show_every_published_event_and_no_private_one() {
    let world = World::start().await;
    for post in 1..=7 {
        world.publish(post, 100 + post % 2, 200 + post).await;
    }
    world.published(7).await;

    let mut paged = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = world.page(&query).await;
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.len() <= 3);
        paged.extend(items);
        query = format!("?limit=3&after={}", page["next_cursor"].as_str().unwrap());
        if page["at_head"] == true {
            break;
        }
    }
    let lines = world.lines("?follow=false").await;

    assert_eq!(paged.len(), 7);
    assert!(paged.iter().all(|event| event["type"] == "post.published.v1"));
    let place = |event: &Value| (event["partition"].to_string(), event["sequence"].to_string());
    let by_place = |events: &[Value]| -> BTreeMap<(String, String), Envelope> {
        let envelope = |event: &Value| serde_json::from_value(event.clone()).unwrap();
        events.iter().map(|event| (place(event), envelope(event))).collect()
    };
    assert_eq!(by_place(&paged), by_place(&lines));
    assert_eq!(by_place(&lines).len(), 7);

    // The end of a page is a place to which one can come back.
    assert_eq!(world.page(&query).await["items"], serde_json::json!([]));
    world.publish(8, 101, 208).await;
    world.published(8).await;
    let news = world.page(&query).await;
    assert_eq!(news["items"][0]["subject"], id(8).to_string());
    let cursor = lines[4]["cursor"].as_str().unwrap();
    let rest = world.lines(&format!("?follow=false&after={cursor}")).await;
    assert_eq!(rest.len(), 3, "after the fifth of eight");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_and_bad_ones_are_refused() {
    let world = World::start().await;
    for post in 1..=4 {
        world.publish(post, 100 + post % 2, 200 + post).await;
    }
    world.published(4).await;
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
    let now = Clock::System.now();
    let (before, after) =
        (text(now - chrono::TimeDelta::hours(1)), text(now + chrono::TimeDelta::hours(1)));

    for (query, count) in [
        (String::new(), 4),
        ("?type=post.published.v1".to_owned(), 4),
        ("?type=comment.*,post.*".to_owned(), 4),
        ("?type=comment.*".to_owned(), 0),
        (format!("?aggregate={}", id(3)), 1),
        (format!("?actor={}", id(101)), 2),
        (format!("?correlation={}", id(202)), 1),
        (format!("?actor={}&correlation={}", id(101), id(202)), 0),
        (format!("?from={before}&to={after}"), 4),
        (format!("?from={after}"), 0),
        (format!("?to={before}"), 0),
    ] {
        let page = world.page(&query).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(page["at_head"], true, "{query}");
    }

    let other = event_runtime::history::Cursor::start(shared_schemas::Service::Auth);
    for query in [
        "?type=Post".to_owned(),
        "?type=".to_owned(),
        format!("?type={}", ["a.b"; 33].join(",")),
        "?aggregate=7".to_owned(),
        "?actor=x".to_owned(),
        "?from=yesterday".to_owned(),
        "?from=%2B262142-01-01T00:00:00Z".to_owned(),
        format!("?from={after}&to={before}"),
        "?after=made-up".to_owned(),
        format!("?after={other}"),
        "?limit=0".to_owned(),
        "?limit=1001".to_owned(),
        "?follow=true".to_owned(),
        "?follow=perhaps".to_owned(),
    ] {
        let answer = world.events(&query, "application/json", None).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let answer = world.events("", SSE, Some("made-up")).await;
    assert_eq!(answer.status(), 400);
    let answer = world.events("", "image/png", None).await;
    assert_eq!(answer.status(), 406);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_reconnects_misses_nothing_and_gets_nothing_twice() {
    let world = World::start().await;
    let count = 120_u128;
    let writing = async {
        for post in 1..=count {
            world.publish(post, 100, 200).await;
        }
    };
    let reading = async {
        let mut seen = Vec::new();
        let mut last: Option<String> = None;
        let mut connections = 0;
        while seen.len() < usize::try_from(count).unwrap() {
            connections += 1;
            let answer = world.events("?type=post.*", SSE, last.as_deref()).await;
            let mut source = EventSource::new(answer);
            // Each connection is cut a little later than the one before.
            for _ in 0..connections {
                if seen.len() < usize::try_from(count).unwrap() {
                    let event = source.next().await.unwrap();
                    seen.push((event.partition, event.sequence.unwrap(), event.id));
                }
            }
            last = source.last_id;
        }
        (seen, connections)
    };

    let ((), (seen, connections)) = join(writing, reading).await;

    assert!(connections > 10, "{connections} connections");
    let lines = world.lines("?follow=false").await;
    let mut expected: Vec<_> = lines
        .iter()
        .map(|line| serde_json::from_value::<Envelope>(line.clone()).unwrap())
        .map(|event| (event.partition, event.sequence.unwrap(), event.id))
        .collect();
    expected.sort_unstable();
    let mut in_order = seen;
    in_order.sort_by_key(|(partition, ..)| *partition);
    assert_eq!(in_order, expected, "each once, and those of a partition in order");
    assert_eq!(expected.len(), usize::try_from(count).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_shown_to_those_who_follow_at_once() {
    let world = World::start().await;
    let mut source = EventSource::new(world.events("", SSE, None).await);
    let mut lines = world.events("", NDJSON, None).await.bytes_stream();
    world.publish(1, 100, 200).await;

    let event = source.next().await.unwrap();
    assert_eq!(event.subject, id(1));
    assert_eq!(event.data["body"], "two\nlines, and \u{2028}");
    let line = tokio::time::timeout(SOON, lines.next()).await.unwrap().unwrap().unwrap();
    assert!(line.ends_with(b"\n"));
    let line: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(line["id"], event.id.to_string());
    assert_eq!(line["cursor"].as_str(), source.last_id.as_deref());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_serves_a_few_streams_and_pages_beside_them() {
    let world = World::start().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(world.events("", SSE, None).await);
    }

    let refused = world.events("", SSE, None).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(world.events("", "*/*", None).await.status(), 200);

    drop(streams.pop());
    eventually(SOON, || async { world.events("", SSE, None).await.status() == 200 }).await;
}

/// Much more than a connection takes on the way: 3 000 posts of 60 kB each, which no relay has to carry.
async fn history_of_large_posts(world: &World) {
    let insert = "
        INSERT INTO relay_pause (reason) VALUES ('a test');
        INSERT INTO event (id, aggregate_type, aggregate_id, aggregate_version, type, is_public, data, metadata, occurred_at)
          SELECT gen_random_uuid(), 'post', gen_random_uuid(), 1, 'post.published.v1', true,
                 jsonb_build_object('author_id', gen_random_uuid(), 'title', 'T', 'category', 'other',
                                    'body', repeat('x', 60000)), '{}', now()
            FROM generate_series(1, 3000);
        INSERT INTO publication (partition, sequence, position)
          SELECT 0, row_number() OVER (ORDER BY position), position FROM event;
        UPDATE publication_head SET sequence = 3000 WHERE partition = 0";
    world.running.store.db().execute_unprepared(insert).await.unwrap();
}

/// Rows of events that were read from the store, as the database counts them.
async fn read_from_store(world: &World) -> i64 {
    let count = raw_sql!(
        Postgres,
        "SELECT (coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint AS rows FROM pg_stat_user_tables
           WHERE schemaname = 'post' AND relname = 'event'"
    );
    let row = world.running.store.db().query_one_raw(count).await.unwrap().unwrap();
    row.try_get("", "rows").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_little_and_is_let_go() {
    let world = World::start().await;
    history_of_large_posts(&world).await;
    let before = read_from_store(&world).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(world.events("", SSE, None).await);
    }
    let begun = Instant::now();
    // Nobody reads, so the service reads ahead a little and stops there. PostgreSQL tells what it counts after ten seconds at most.
    eventually(SOON * 2, || async {
        let rows = read_from_store(&world).await - before;
        assert!(rows < 8_000, "{rows} of 24 000 events read ahead");
        begun.elapsed() > Duration::from_secs(12)
    })
    .await;
    assert!(read_from_store(&world).await - before > 100, "nothing is read ahead");
    assert_eq!(world.events("", SSE, None).await.status(), 503);

    // One that goes on in time has lost nothing.
    let mut patient = EventSource::new(streams.remove(0));
    for expected in 1..=400 {
        assert_eq!(patient.next().await.unwrap().sequence, Some(expected));
    }
    // The others have taken nothing for half a minute.
    eventually(Duration::from_mins(1), || async {
        world.events("", SSE, None).await.status() == 200
    })
    .await;
    assert!(begun.elapsed() > Duration::from_secs(20), "let go too early");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_token_the_session_and_the_service() {
    let world = World::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let follow = |token: String| {
        let request = client.get(world.url("/api/v1/events")).bearer_auth(token);
        async { EventSource::new(request.header("accept", SSE).send().await.unwrap()) }
    };
    let user = UserId(id(1));
    let session = SessionId(id(77));
    let expiring = world.issuer.token_with(user, &[Role::Analyst], |claims| {
        // Five seconds are forgiven, for clocks that differ.
        claims["exp"] = (Clock::System.now().timestamp() - 3).into();
    });
    let revocable = world.issuer.token_with(user, &[Role::Analyst], |claims| {
        claims["sid"] = session.to_string().into();
    });

    assert!(follow(expiring).await.next().await.is_none());

    let mut revoked = follow(revocable).await;
    let ended = SessionEvent::Revoked { user_id: user, reason: RevocationReason::SignedOut };
    world.publisher.publish(session, 2, &ended).await.unwrap();
    assert!(revoked.next().await.is_none());

    let mut last = follow(world.analyst()).await;
    let stopping = async {
        let started = Instant::now();
        world.running.stop().await;
        started.elapsed()
    };
    let (end, took) = join(last.next(), stopping).await;
    assert!(end.is_none());
    assert!(took < Duration::from_secs(8), "the stream held up the end for {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_the_operation_and_its_three_forms() {
    let world = World::start().await;
    let document: Value =
        reqwest::get(world.url("/openapi.json")).await.unwrap().json().await.unwrap();

    let operation = &document["paths"]["/events"]["get"];
    assert_eq!(operation["operationId"], "readEvents");
    let content = operation["responses"]["200"]["content"].as_object().unwrap();
    let forms: Vec<&str> = content.keys().map(String::as_str).collect();
    assert_eq!(forms.len(), 3);
    for form in [SSE, NDJSON] {
        assert!(content.contains_key(form), "{forms:?}");
    }
    assert!(forms.iter().any(|form| form.starts_with("application/json")), "{forms:?}");
}
