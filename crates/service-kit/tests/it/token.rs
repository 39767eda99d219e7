//! Tokens: the one form that is believed, and when it no longer is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared_schemas::{
    SessionId, UserId,
    session::{RevocationReason, SessionEvent},
    signing_key::SigningKeyEvent,
    user::{AccountStatus, Role, UserEvent},
};
use test_kit::{TestIssuer, eventually};
use uuid::Uuid;

use crate::world::{SOON, World};

const USER: UserId = UserId(Uuid::from_u128(7));

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_believed_and_a_foreign_one_is_not() {
    let world = World::start().await;
    let foreign = TestIssuer::unpublished().unwrap();

    assert_eq!(world.me(&world.token(7)).await, 200);
    assert_eq!(world.me(&foreign.token(USER, &[])).await, 401);
    assert_eq!(world.me(&world.issuer.expired_token(USER, &[])).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_do_not_hold_are_refused() {
    let world = World::start().await;
    let wrong: [(&str, Value); 8] = [
        ("iss", json!("http://evil.invalid")),
        ("aud", json!("others")),
        ("aud", json!(["others"])),
        ("exp", json!("tomorrow")),
        ("exp", json!(0)),
        ("nbf", json!(4_000_000_000_i64)),
        ("nbf", json!("now")),
        ("sub", json!("somebody")),
    ];
    for (claim, value) in wrong {
        let token = world.issuer.token_with(USER, &[], |claims| {
            claims.insert(claim.to_owned(), value.clone());
        });
        assert_eq!(world.me(&token).await, 401, "{claim} = {value}");
    }
    for claim in ["iss", "aud", "exp", "nbf", "sub", "sid", "jti", "iat", "roles"] {
        let token = world.issuer.token_with(USER, &[], |claims| drop(claims.remove(claim)));
        assert_eq!(world.me(&token).await, 401, "without {claim}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_header_is_refused() {
    let world = World::start().await;
    let good = world.token(7);
    let parts: Vec<&str> = good.split('.').collect();
    let kid = world.issuer.key_id().to_string();
    let encode = |header: &Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let headers = [
        json!({"alg": "none", "typ": "at+jwt", "kid": kid}),
        json!({"alg": "None", "typ": "at+jwt", "kid": kid}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}),
        json!({"alg": "RS256", "typ": "at+jwt", "kid": kid}),
        json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}),
        json!({"alg": "EdDSA", "typ": "at+jwt"}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "../../etc/passwd"}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": Uuid::nil()}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["b64"], "b64": false}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}),
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jku": "http://evil.invalid/keys"}),
    ];
    for header in headers {
        let forged = format!("{}.{}.{}", encode(&header), parts[1], parts[2]);
        assert_eq!(world.me(&forged).await, 401, "{header}");
    }
    let unsigned = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(world.me(&unsigned).await, 401);
    // Signed with the public key as if it were a shared secret.
    let header = encode(&json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}));
    let key = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        world.issuer.public_key().as_bytes(),
    );
    let signed = format!("{header}.{}", parts[1]);
    let tag = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()));
    assert_eq!(world.me(&format!("{signed}.{tag}")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_refused_within_a_second_and_others_are_not() {
    let world = World::start().await;
    let session = SessionId(Uuid::from_u128(99));
    let token = world.issuer.token_with(USER, &[], |claims| {
        claims.insert("sid".to_owned(), json!(session));
    });
    assert_eq!(world.me(&token).await, 200);

    let event = SessionEvent::Revoked { user_id: USER, reason: RevocationReason::SignedOut };
    world.publisher.publish(session, 2, &event).await.unwrap();

    eventually(std::time::Duration::from_secs(1), || async { world.me(&token).await == 401 }).await;
    assert_eq!(world.me(&world.token(7)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_signs_nothing_any_more() {
    let world = World::start().await;
    let token = world.token(7);
    assert_eq!(world.me(&token).await, 200);

    world.publisher.publish(world.issuer.key_id(), 2, &SigningKeyEvent::Retired {}).await.unwrap();

    eventually(SOON, || async { world.me(&token).await == 401 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_account_reads_and_a_closed_one_does_nothing() {
    let world = World::start().await;
    let token = world.issuer.token(USER, &[Role::User]);
    let client = reqwest::Client::builder().timeout(SOON).build().unwrap();
    let write = || async {
        let request =
            client.post(world.url("/api/v1/notes")).bearer_auth(&token).json(&json!({"text": "x"}));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(write().await, 200);

    let muted = UserEvent::StatusChanged { status: AccountStatus::Muted, until: None };
    world.publisher.publish(USER, 2, &muted).await.unwrap();
    eventually(SOON, || async { write().await == 403 }).await;
    assert_eq!(world.me(&token).await, 200);

    world.publisher.publish(USER, 3, &UserEvent::Deleted {}).await.unwrap();
    eventually(SOON, || async { world.me(&token).await == 401 }).await;
    assert_eq!(world.get("/me/still", &token).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_told_until_when_and_may_do_what_is_left_to_it() {
    let world = World::start().await;
    let token = world.issuer.token(USER, &[Role::User]);
    let changed = async |version, status, until: Option<&str>| {
        let until = until.map(|until| until.parse().unwrap());
        let changed = UserEvent::StatusChanged { status, until };
        world.publisher.publish(USER, version, &changed).await.unwrap();
    };
    let refused = async || world.get("/me", &token).await.json::<Value>().await.unwrap();

    changed(2, AccountStatus::Suspended, Some("2126-01-08T00:00:00Z")).await;
    eventually(SOON, || async { world.me(&token).await == 403 }).await;
    let problem = refused().await;
    assert_eq!(problem["type"], "/problems/account-suspended");
    let detail = problem["detail"].as_str().unwrap();
    for told in ["until 2126-01-08T00:00:00Z", "/moderation/standing/mine", "/appeal"] {
        assert!(detail.contains(told), "{detail}");
    }
    assert_eq!(world.get("/me/still", &token).await.status(), 200);

    changed(3, AccountStatus::Banned, None).await;
    eventually(SOON, || async { refused().await["type"] == "/problems/account-banned" }).await;
    assert_eq!(world.get("/me/still", &token).await.status(), 200);

    changed(4, AccountStatus::Active, None).await;
    eventually(SOON, || async { world.me(&token).await == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_signed_under_a_suspension_says_so_itself() {
    let world = World::start().await;
    // Nothing was heard of the suspension, and perhaps nothing can be.
    let token = world.issuer.token_with(USER, &[Role::User], |claims| {
        claims.insert("restriction".to_owned(), json!({ "status": "SUSPENDED" }));
    });

    assert_eq!(world.me(&token).await, 403);
    assert_eq!(world.get("/me/still", &token).await.status(), 200);
    assert_eq!(world.me(&world.token(7)).await, 200);
}
