//! The kit itself: a broken one would make every other test lie.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use fred::{interfaces::ClientLike, types::Value};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use sea_orm::{ConnectionTrait, Database, raw_sql};
use serde_json::json;
use shared_schemas::{Event, Service, UserId, signing_key::SigningKeyEvent, user::Role};
use test_kit::{Fault, FaultProxy, TestDatabase, TestIssuer, TestRedis, eventually, stream_key};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_database_is_empty_has_its_schemas_and_is_gone_afterwards() {
    let database = TestDatabase::create().await.unwrap();
    let url = database.url();
    let db = database.connect("post").await.unwrap();

    db.execute_unprepared("CREATE TABLE thing (id int)").await.unwrap();
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT schemaname FROM pg_tables WHERE tablename = 'thing'"
        ))
        .await
        .unwrap()
        .unwrap();

    assert_eq!(row.try_get::<String>("", "schemaname").unwrap(), "post");
    drop(database);
    eventually(SOON, || async { Database::connect(&url).await.is_err() }).await;
}

#[tokio::test]
async fn redis_keeps_its_data_over_a_kill_and_loses_half_of_it_with_half_its_log() {
    let mut redis = TestRedis::start().await.unwrap();
    for number in 0..100 {
        let () = redis.command(&["SET", &format!("key-{number}"), "value"]).await.unwrap();
    }
    eventually(SOON, || redis.has_logged_all()).await;
    redis.kill().await.unwrap();
    redis.restart().await.unwrap();
    let kept = eventually(SOON, || redis.command::<u64>(&["DBSIZE"])).await;
    redis.kill().await.unwrap();
    redis.truncate_aof().unwrap();
    redis.restart().await.unwrap();
    let left = eventually(SOON, || redis.command::<u64>(&["DBSIZE"])).await;

    assert_eq!(kept, 100);
    assert!((30..70).contains(&left), "{left} of 100 keys are left");
    redis.flushall().await.unwrap();
    assert_eq!(redis.command::<u64>(&["DBSIZE"]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_published_key_verifies_the_tokens() {
    let redis = TestRedis::start().await.unwrap();
    let issuer = TestIssuer::publish(&redis.url(), 1).await.unwrap();
    let user = UserId(Uuid::from_u128(7));

    let entries: Vec<Value> =
        redis.command(&["XRANGE", &stream_key(Service::Auth, 0), "1-0", "1-0"]).await.unwrap();
    let entry = format!("{entries:?}");
    let data = json!({ "public_key": issuer.public_key() });
    let raw = shared_schemas::RawEvent { event_type: "signing_key.activated.v1".to_owned(), data };
    let Some(SigningKeyEvent::Activated { public_key }) = Event::decode(raw).unwrap() else {
        panic!("not an activation")
    };
    assert!(entry.contains(&public_key), "{entry}");

    let token = issuer.token(user, &[Role::User]);
    let header = decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(header.kid, Some(issuer.key_id().to_string()));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["peerlink"]);
    validation.set_issuer(&["http://127.0.0.1:8080"]);
    let key = DecodingKey::from_ed_components(&public_key).unwrap();
    let claims = decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
    assert_eq!(claims.get("sub"), Some(&json!(user)));
    assert_eq!(claims.get("roles"), Some(&json!(["USER"])));
    let expired = issuer.expired_token(user, &[Role::User]);
    assert!(decode::<serde_json::Value>(&expired, &key, &validation).is_err());
}

#[tokio::test]
async fn the_proxy_forwards_refuses_swallows_and_answers() {
    let redis = TestRedis::start().await.unwrap();
    let proxy = FaultProxy::start(&redis.url()).await.unwrap();
    let client = client(proxy.url());
    let ping = || client.ping::<String>(None);

    eventually(SOON, ping).await;

    proxy.set(Fault::Answer("LOADING later"));
    let error = ping().await.unwrap_err();
    assert!(error.details().starts_with("LOADING"), "{error}");
    assert!(proxy.commands() > 0);

    proxy.set(Fault::BlackHole);
    assert!(ping().await.is_err());
    proxy.set(Fault::None);
    assert!(ping().await.is_err(), "a connection that lost a request stays dead");
    proxy.sever();
    eventually(SOON, ping).await;

    proxy.set(Fault::Refuse);
    assert!(ping().await.is_err());
    proxy.set(Fault::None);
    eventually(SOON, ping).await;
}

#[tokio::test]
async fn a_dropped_reply_leaves_the_effect_and_a_held_request_arrives_late() {
    let redis = TestRedis::start().await.unwrap();
    let proxy = FaultProxy::start(&redis.url()).await.unwrap();
    let client = client(proxy.url());
    let increment = || fred::interfaces::KeysInterface::incr::<i64, _>(&client, "n");
    eventually(SOON, increment).await;

    proxy.set(Fault::DropReplies);
    assert!(increment().await.is_err());
    assert_eq!(redis.command::<i64>(&["GET", "n"]).await.unwrap(), 2);

    proxy.set(Fault::None);
    proxy.sever();
    eventually(SOON, increment).await;
    proxy.set(Fault::HoldRequests);
    assert!(increment().await.is_err());
    assert_eq!(redis.command::<i64>(&["GET", "n"]).await.unwrap(), 3);
    proxy.set(Fault::None);
    eventually(SOON, || async { redis.command::<i64>(&["GET", "n"]).await.unwrap() == 4 }).await;
}

#[tokio::test]
#[should_panic(expected = "seen so far: 3")]
async fn a_condition_that_never_holds_fails_with_what_was_seen() {
    eventually(Duration::from_millis(50), || async { Err::<(), _>("seen so far: 3") }).await;
}

/// A client that gives up on a command after 200 ms.
fn client(url: &str) -> fred::clients::Client {
    use fred::types::{
        Builder,
        config::{Config, ReconnectPolicy},
    };
    let client = Builder::from_config(Config::from_url(url).unwrap())
        .with_connection_config(|connection| connection.max_command_attempts = 1)
        .with_performance_config(|performance| {
            performance.default_command_timeout = Duration::from_millis(200);
        })
        .set_policy(ReconnectPolicy::new_constant(0, 20))
        .build()
        .unwrap();
    drop(client.connect());
    client
}
