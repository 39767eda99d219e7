//! Access tokens: what is in them, and every forgery that must not be believed.

use auth_service::{secret::Keyring, signing_key::view};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use event_runtime::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use reqwest::StatusCode;
use serde_json::{Value, json};
use shared_schemas::SigningKeyId;

use crate::stage::{KEY, Person, Stage};

const ADA: &str = "ada@example.com";

/// A signer with the service's own key.
struct Forger {
    key_id: String,
    public_key: String,
    key: EncodingKey,
}

impl Forger {
    async fn new(stage: &Stage) -> Self {
        let db = stage.service.store.db();
        let row = view::active(db).await.unwrap().remove(0);
        let sealed = view::secret(db, SigningKeyId(row.id)).await.unwrap();
        let keyring = Keyring::new(&KEY.parse().unwrap()).unwrap();
        let pkcs8 = keyring.signing_keys.open(&row.id.to_string(), &sealed).unwrap();
        let key = EncodingKey::from_ed_der(&pkcs8);
        Self { key_id: row.id.to_string(), public_key: row.public_key, key }
    }

    fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.key_id })
    }

    /// A token of any header and claims, correctly signed.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = sign(message.as_bytes(), &self.key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn decode(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn with(document: &Value, field: &str, value: Value) -> Value {
    let mut document = document.clone();
    document.as_object_mut().unwrap().insert(field.to_owned(), value);
    document
}

fn without(document: &Value, field: &str) -> Value {
    let mut document = document.clone();
    document.as_object_mut().unwrap().remove(field);
    document
}

async fn status(stage: &Stage, access: String) -> StatusCode {
    let person = Person { access, id: String::new(), refresh: String::new() };
    stage.get_as(&person, "/auth/verify-token").await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_what_it_must_and_nothing_else() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;

    let (header, claims) = (decode(&ada.access, 0), decode(&ada.access, 1));

    let names = |document: &Value| {
        let mut names: Vec<String> = document.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&header), ["alg", "kid", "typ"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    assert_eq!(names(&claims), ["aud", "exp", "iat", "iss", "jti", "nbf", "roles", "sid", "sub"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(claims["sub"], json!(ada.id));
    assert_eq!(claims["aud"], "peerlink");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_refused() {
    let stage = Stage::set().await;
    let ada = stage.join(ADA).await;
    let forger = Forger::new(&stage).await;
    let (header, claims) = (forger.header(), decode(&ada.access, 1));
    let now = claims["iat"].as_i64().unwrap();
    let good = forger.token(&header, &claims);
    assert_eq!(status(&stage, good.clone()).await, StatusCode::OK, "the forger can sign");

    let hs256 = {
        let header = with(&header, "alg", json!("HS256"));
        let message = message(&header, &claims);
        let key = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(&forger.public_key).unwrap());
        format!("{message}.{}", sign(message.as_bytes(), &key, Algorithm::HS256).unwrap())
    };
    let none = |alg: &str| format!("{}.", message(&with(&header, "alg", json!(alg)), &claims));
    let signature = good.rsplit_once('.').unwrap().1;
    let tampered = message(&header, &with(&claims, "roles", json!(["ADMIN"])));
    let other = "018f0000-0000-7000-8000-000000000000";
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": forger.public_key });
    let forgeries = [
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("HS256 with the public key", hs256),
        ("changed claims", format!("{tampered}.{signature}")),
        ("no signature", format!("{}.", message(&header, &claims))),
        ("unknown kid", forger.token(&with(&header, "kid", json!(other)), &claims)),
        ("kid with a path", forger.token(&with(&header, "kid", json!("../../key")), &claims)),
        ("no kid", forger.token(&without(&header, "kid"), &claims)),
        ("typ JWT", forger.token(&with(&header, "typ", json!("JWT")), &claims)),
        ("no typ", forger.token(&without(&header, "typ"), &claims)),
        ("jku", forger.token(&with(&header, "jku", json!("http://127.0.0.1/k")), &claims)),
        ("jwk", forger.token(&with(&header, "jwk", jwk), &claims)),
        ("x5u", forger.token(&with(&header, "x5u", json!("http://127.0.0.1/k")), &claims)),
        ("crit", forger.token(&with(&header, "crit", json!(["exp"])), &claims)),
        ("expired", forger.token(&header, &with(&claims, "exp", json!(now - 10)))),
        ("not yet", forger.token(&header, &with(&claims, "nbf", json!(now + 60)))),
        ("no exp", forger.token(&header, &without(&claims, "exp"))),
        ("exp as text", forger.token(&header, &with(&claims, "exp", json!("9999999999")))),
        ("no sid", forger.token(&header, &without(&claims, "sid"))),
        ("another audience", forger.token(&header, &with(&claims, "aud", json!("other")))),
        ("another issuer", forger.token(&header, &with(&claims, "iss", json!("other")))),
        ("a refresh token", ada.refresh.clone()),
        ("empty", String::new()),
    ];
    for (what, forgery) in forgeries {
        assert_eq!(status(&stage, forgery).await, StatusCode::UNAUTHORIZED, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_five_minutes() {
    let clock = Clock::manual(DateTime::<Utc>::from_timestamp(1_900_000_000, 0).unwrap());
    let stage = Stage::set_at(clock.clone()).await;
    let ada = stage.join(ADA).await;

    clock.advance(TimeDelta::seconds(299));
    assert_eq!(status(&stage, ada.access.clone()).await, StatusCode::OK);
    clock.advance(TimeDelta::seconds(7));

    assert_eq!(status(&stage, ada.access).await, StatusCode::UNAUTHORIZED, "and five seconds");
}
