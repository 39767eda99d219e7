//! The events of a real service, followed through the gateway.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use event_runtime::{Aggregate, Clock, Expected, Streams};
use gateway_service::routes::{NoRoute, Target, Upstream, resolve};
use poem::http::Method;
use reqwest::Response;
use serde_json::Value;
use service_kit::{Definition, Env, Host, Parts, service};
use shared_schemas::{
    Service, UserId,
    envelope::Metadata,
    post::{Category, PostEvent},
    user::Role,
};
use test_kit::{TestDatabase, TestIssuer, TestRedis, eventually};
use uuid::Uuid;

use crate::setup::{SOON, gateway, url, url_name, urls};

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

/// A service without an API of its own, behind a gateway.
struct Behind {
    _database: TestDatabase,
    issuer: TestIssuer,
    service: service::Running,
    gateway: gateway_service::Running,
    redis: TestRedis,
}

impl Behind {
    async fn start() -> Self {
        fn build(host: &Host<()>) -> Parts {
            Parts::new(host).api((), "Nothing", "Nothing but events.")
        }
        let (database, redis) = tokio::join!(TestDatabase::create(), TestRedis::start());
        let (database, redis) = (database.unwrap(), redis.unwrap());
        let issuer = TestIssuer::publish(&redis.url(), 1).await.unwrap();
        let env = Env::from_pairs([
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", database.schema("post").await.unwrap()),
            ("REDIS_URL", redis.url()),
            ("EVENT_PARTITIONS", "1".to_owned()),
        ]);
        let definition = Definition { service: Service::Post, port: 0, migrations: &[], build };
        let service = service::start(&definition, env, Clock::System).await.unwrap();
        let mut settings = urls("http://127.0.0.1:1");
        settings.push((url_name(Upstream::Post), format!("http://{}", service.addr)));
        let gateway = gateway(&redis.url(), &settings).await;
        let behind = Self { _database: database, issuer, service, gateway, redis };
        let ready = reqwest::Client::builder().no_proxy().build().unwrap();
        eventually(SOON, || async {
            let answer = ready.get(url(&behind.gateway, "/readyz")).send().await.unwrap();
            let service = format!("http://{}/readyz", behind.service.addr);
            answer.status() == 200 && ready.get(service).send().await.unwrap().status() == 200
        })
        .await;
        behind
    }

    async fn publish(&self, post: u128) {
        let published = PostEvent::Published {
            author_id: UserId(Uuid::from_u128(1)),
            title: "A title".to_owned(),
            body: "A body".to_owned(),
            category: Category::Other,
        };
        Streams::<Post>::without_read_model(self.service.store.clone())
            .execute::<Infallible>(
                Uuid::from_u128(post),
                Expected::Any,
                &Metadata::default(),
                |_| Ok(vec![published.clone()]),
            )
            .await
            .unwrap();
    }

    async fn follow(&self, last: Option<&str>) -> Followed {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = self.issuer.token(UserId(Uuid::from_u128(1)), &[Role::Analyst]);
        let request = client.get(url(&self.gateway, "/api/v1/events/post")).bearer_auth(token);
        let mut request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = tokio::time::timeout(SOON, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Followed { response, text: String::new() }
    }
}

/// A stream, message by message.
struct Followed {
    response: Response,
    text: String,
}

impl Followed {
    /// The next message; `None` at the end.
    async fn message(&mut self) -> Option<String> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(message);
            }
            let piece =
                tokio::time::timeout(SOON, self.response.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event, and its id as a message.
    async fn event(&mut self) -> (String, Value) {
        loop {
            let message = self.message().await.unwrap();
            let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                return (id.to_owned(), serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_outlives_the_time_limits_and_passes_each_event_at_once() {
    let behind = Behind::start().await;
    let mut followed = behind.follow(None).await;
    let begun = Instant::now();

    // Nothing happens for longer than any other answer may be silent.
    assert_eq!(followed.message().await.as_deref(), Some("retry: 1000"));
    let alive = followed.message().await.unwrap();
    assert!(alive.starts_with(": alive"), "{alive}");
    assert!(begun.elapsed() > Duration::from_secs(10));

    behind.publish(1).await;
    let (_, event) = followed.event().await;
    assert_eq!(event["subject"], Uuid::from_u128(1).to_string());
    assert_eq!(event["source"], "/peerlink/post");

    // The gateway does not wait for an end that never comes.
    let stopping = Instant::now();
    let (end, ()) = tokio::join!(followed.message(), behind.gateway.stop());
    assert_eq!(end, None);
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}", stopping.elapsed());
    behind.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_reconnects_through_the_gateway_misses_nothing_and_gets_nothing_twice() {
    let behind = Behind::start().await;
    let count = 60;
    let writing = async {
        for post in 1..=count {
            behind.publish(post).await;
            if post == count / 2 {
                behind.redis.flushall().await.unwrap();
            }
        }
    };
    let reading = async {
        let mut sequences = Vec::new();
        let mut last: Option<String> = None;
        while sequences.len() < usize::try_from(count).unwrap() {
            let mut followed = behind.follow(last.as_deref()).await;
            for _ in 0..4 {
                let (id, event) = followed.event().await;
                sequences.push(event["sequence"].as_u64().unwrap());
                last = Some(id);
            }
        }
        sequences
    };

    let ((), sequences) = tokio::join!(writing, reading);

    assert_eq!(sequences, (1..=u64::try_from(count).unwrap()).collect::<Vec<_>>());
}

#[test]
fn each_service_has_its_events_under_its_own_path() {
    for upstream in Upstream::ALL {
        let path = format!("/api/v1/events/{}", upstream.name());
        let target = Target { upstream, path: "/api/v1/events".to_owned() };
        assert_eq!(resolve(&Method::GET, &path), Ok(target));
    }
    for path in ["/api/v1/events", "/api/v1/events/", "/api/v1/events/x", "/api/v1/events/post/1"] {
        assert_eq!(resolve(&Method::GET, path), Err(NoRoute::Path), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_common_document_has_the_events_of_each_service_where_they_are() {
    let behind = Behind::start().await;

    let document: Value =
        reqwest::get(url(&behind.gateway, "/openapi.json")).await.unwrap().json().await.unwrap();

    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/events/post"), "{:?}", paths.keys());
    assert!(!paths.contains_key("/events"));
}
