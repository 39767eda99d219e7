//! Starting and stopping.

use event_runtime::Clock;
use service_kit::Env;
use shared_schemas::UserId;
use test_kit::{TestDatabase, TestIssuer, TestRedis};
use uuid::Uuid;

use crate::world::{SOON, World, definition};

#[tokio::test(flavor = "multi_thread")]
async fn every_configuration_mistake_is_reported_at_once() {
    let env = Env::from_pairs([
        ("LISTEN_ADDR", "nowhere"),
        ("EVENT_PARTITIONS", "0"),
        ("REDIS_URL", "http://x"),
    ]);

    let error = service_kit::service::start(&definition(), env, Clock::System)
        .await
        .err()
        .unwrap()
        .to_string();

    for name in ["LISTEN_ADDR", "EVENT_PARTITIONS", "REDIS_URL", "DATABASE_URL"] {
        assert!(error.contains(name), "{name} is not in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_streams_is_refused_with_the_way_out() {
    let (database, redis) =
        (TestDatabase::create().await.unwrap(), TestRedis::start().await.unwrap());
    let words = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
    let _: String = redis.command(&words).await.unwrap();
    let env = Env::from_pairs([
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("DATABASE_URL", database.schema("post").await.unwrap()),
        ("REDIS_URL", redis.url()),
    ]);

    let error = service_kit::service::start(&definition(), env, Clock::System).await.err().unwrap();

    let text = event_runtime::error::chain(&error);
    assert!(text.contains("CONFIG SET maxmemory-policy noeviction"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let world = World::start().await;
    let env = Env::from_pairs([
        ("LISTEN_ADDR", world.running.addr.to_string()),
        ("DATABASE_URL", world.database.schema("post").await.unwrap()),
        ("REDIS_URL", world.redis.url()),
    ]);

    let error = service_kit::service::start(&definition(), env, Clock::System)
        .await
        .err()
        .unwrap()
        .to_string();

    assert!(error.contains(&world.running.addr.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_its_number_of_partitions_whatever_is_configured() {
    let world = World::start().await;
    let env = Env::from_pairs([
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("EVENT_PARTITIONS", "3".to_owned()),
        ("DATABASE_URL", world.database.schema("post").await.unwrap()),
        ("REDIS_URL", world.redis.url()),
    ]);

    let running = service_kit::service::start(&definition(), env, Clock::System).await.unwrap();

    assert_eq!(running.store.partitions(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_knows_no_key_asks_to_try_again_and_does_not_call_a_token_bad() {
    let (database, redis) =
        (TestDatabase::create().await.unwrap(), TestRedis::start().await.unwrap());
    let env = Env::from_pairs([
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("DATABASE_URL", database.schema("post").await.unwrap()),
        ("REDIS_URL", redis.url()),
    ]);
    let running = service_kit::service::start(&definition(), env, Clock::System).await.unwrap();
    let token = TestIssuer::unpublished().unwrap().token(UserId(Uuid::from_u128(7)), &[]);
    let me = format!("http://{}/api/v1/me", running.addr);

    let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
    let answer = client.get(me).bearer_auth(token).send().await.unwrap();

    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn docs_figures_and_probes_are_there() {
    let world = World::start().await;
    for (path, word) in [
        ("/livez", "alive"),
        ("/readyz", "ready"),
        ("/docs", "SwaggerUIBundle"),
        ("/openapi.json", "takeNote"),
        ("/metrics", "http_server_request_duration_seconds"),
    ] {
        let answer = reqwest::get(world.url(path)).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.text().await.unwrap().contains(word), "{path} lacks {word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_service_has_let_go_of_its_port() {
    let world = World::start().await;
    let addr = world.running.addr;

    world.running.stop().await;

    assert!(std::net::TcpListener::bind(addr).is_ok());
}
