//! The edges of every service: what clients can hold back or pile up, and what the documents promise.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::World;

/// Five seconds for a header, and what a busy machine may add to it.
const HEADER_LIMIT: Duration = Duration::from_secs(9);

const BODY: usize = 50 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn every_service_closes_a_half_sent_header_and_refuses_a_body_of_50_megabytes() {
    let world = World::start().await;
    let services = &world.stack.endpoints().services;
    assert_eq!(services.len(), 7);

    let closed =
        services.iter().map(|(name, url)| async move { (name, half_sent(address(url)).await) });
    for (name, after) in futures_util::future::join_all(closed).await {
        assert!(after < HEADER_LIMIT, "{name} kept a half-sent header for {after:?}");
    }
    for (name, url) in services {
        let taken = pile_up(address(url)).await;
        assert!(taken < BODY / 4, "{name} took {taken} bytes");
        assert!(world.stack.is_ready(name).await, "{name} is not ready afterwards");
    }
    world.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_door_documents_every_operation_of_every_service_and_routes_it() {
    let world = World::start().await;
    let merged = document(&world, "gateway").await;

    for service in ["auth", "post", "interaction", "moderation", "engagement", "minting"] {
        let own = document(&world, service).await;
        for (path, operations) in own["paths"].as_object().unwrap() {
            // Each service has its own; at the gateway they stand side by side.
            let path = match path.as_str() {
                "/events" => format!("/events/{service}"),
                other => other.to_owned(),
            };
            for method in operations.as_object().unwrap().keys() {
                assert!(
                    merged["paths"][&path][method].is_object(),
                    "{method} {path} of {service} is not at the gateway"
                );
            }
        }
    }
    // Behind every documented path there is somebody: nothing is answered with a 404 of the gateway's own.
    for (path, operations) in merged["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = world.client.try_once(&method, &path, None, None, None).await.unwrap();
            assert_ne!(answer.body["detail"], "there is no such path", "{method} {path}");
            assert!(!answer.status.is_server_error(), "{method} {path}: {}", answer.body);
        }
    }
    world.stack.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_sent_or_answered_has_an_example() {
    let world = World::start().await;
    let merged = document(&world, "gateway").await;
    let mut bodies = 0;

    for (path, operations) in merged["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let sent = operation["requestBody"]["content"].as_object();
            let answered =
                responses.values().filter_map(|response| response["content"].as_object());
            // A stream has no end, and its lines are those of the page of the same operation.
            let bodies_of_known_end =
                sent.into_iter().chain(answered).flatten().filter(|(kind, _)| {
                    !["application/x-ndjson", "text/event-stream"].contains(&kind.as_str())
                });
            for (kind, body) in bodies_of_known_end {
                // An archive shows nothing to people.
                if body["schema"]["format"] == "binary" {
                    continue;
                }
                assert!(shows_example(&merged, &body["schema"]), "{method} {path}: {kind}");
                bodies += 1;
            }
        }
    }
    assert!(bodies > 100, "{bodies}");
    world.stack.stop().await.unwrap();
}

/// Whether a schema has an example, or is a list of what has one.
fn shows_example(document: &Value, schema: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        return shows_example(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    let list = |list: &Value| list["type"] == "array" && shows_example(document, &list["items"]);
    schema.get("example").is_some()
        || list(schema)
        || schema["properties"].as_object().is_some_and(|fields| fields.values().any(list))
}

async fn document(world: &World, service: &str) -> Value {
    let url = world.client.endpoints().service(service).unwrap();
    world
        .client
        .http()
        .get(format!("{url}/openapi.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// How long a connection with half a header stays open.
async fn half_sent(address: &str) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: loc").await.unwrap();
    let started = Instant::now();
    // A reset is an end as well.
    drop(tokio::time::timeout(HEADER_LIMIT * 2, stream.read_to_end(&mut Vec::new())).await);
    started.elapsed()
}

/// How many bytes of a large body are taken before the connection ends.
async fn pile_up(address: &str) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/posts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    while taken < BODY && stream.write_all(&chunk).await.is_ok() {
        taken += chunk.len();
    }
    taken
}
