//! What reaches a service, and what comes back.

use gateway_service::routes::{NoRoute, Upstream, resolve, upstream_of};
use poem::{
    IntoResponse,
    endpoint::make,
    http::{Method, StatusCode},
};
use serde_json::Value;

use crate::setup::{Stage, echo, peer, problem};

const ID: &str = "0190a6d2-7c1e-7b1a-9d3e-3f1f6f0c9a11";

/// Every path of the API and the service that has it.
const PATHS: &[(&str, Upstream)] = &[
    ("/auth/signup", Upstream::Auth),
    ("/auth/verify-email", Upstream::Auth),
    ("/auth/signin", Upstream::Auth),
    ("/auth/token", Upstream::Auth),
    ("/auth/refresh", Upstream::Auth),
    ("/auth/signout", Upstream::Auth),
    ("/auth/verify-token", Upstream::Auth),
    ("/auth/change-password", Upstream::Auth),
    ("/auth/forgot-password", Upstream::Auth),
    ("/auth/reset-password", Upstream::Auth),
    ("/users", Upstream::Auth),
    ("/users/me", Upstream::Auth),
    ("/users/me/connections", Upstream::Auth),
    ("/users/interests-choices", Upstream::Auth),
    ("/users/{id}", Upstream::Auth),
    ("/users/{id}/connect", Upstream::Auth),
    ("/users/{id}/disconnect", Upstream::Auth),
    ("/.well-known/jwks.json", Upstream::Auth),
    ("/posts", Upstream::Post),
    ("/posts/category-choices", Upstream::Post),
    ("/posts/{id}", Upstream::Post),
    ("/{id}/comments", Upstream::Interaction),
    ("/comments/{id}", Upstream::Interaction),
    ("/{id}/post-reactions", Upstream::Interaction),
    ("/post-reactions/{id}", Upstream::Interaction),
    ("/{id}/view", Upstream::Interaction),
    ("/moderation/cases", Upstream::Moderation),
    ("/moderation/cases/{id}", Upstream::Moderation),
    ("/moderation/cases/{id}/decision", Upstream::Moderation),
    ("/me/activity-profile", Upstream::Engagement),
    ("/users/{id}/activity-profile", Upstream::Engagement),
    ("/me/notifications", Upstream::Engagement),
    ("/me/notifications/{id}/viewed", Upstream::Engagement),
    ("/mints", Upstream::Minting),
    ("/mints/{id}", Upstream::Minting),
];

#[test]
fn every_path_of_the_api_has_its_service() {
    for (path, upstream) in PATHS {
        assert_eq!(upstream_of(&path.replace("{id}", ID)), Some(*upstream), "{path}");
    }
}

#[test]
fn paths_that_two_programs_could_read_differently_go_nowhere() {
    for path in [
        "/api/v1/posts/../users",
        "/api/v1/posts/%2E%2e/users",
        "/api/v1//posts",
        "/api/v1/posts/",
        "/api/v1/posts/a%2Fb",
        "/api/v1",
        "/api/v1x/posts",
        "/api/v2/posts",
        "/api/v1/unknown",
        "/post-detail/",
        "/post-detail/a/b",
        "/login/again",
        "/ipfs/",
        "/ipfs/bafkreia/..",
        "/ipfs/bafkreia/index.html",
    ] {
        assert_eq!(resolve(&Method::GET, path), Err(NoRoute::Path), "{path}");
    }
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let stage = Stage::before(&echo().await).await;
    let token = stage.token();

    let response = stage
        .http
        .post(stage.url("/api/v1/posts?limit=5&cursor=a%20b"))
        .bearer_auth(&token)
        .header("idempotency-key", "\"k\"")
        .header("content-type", "application/json")
        .body(r#"{"title":"ü"}"#)
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], "\"1\"");
    let seen: Value = response.json().await.unwrap();
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["target"], "/api/v1/posts?limit=5&cursor=a%20b");
    assert_eq!(seen["body"], r#"{"title":"ü"}"#);
    assert_eq!(seen["headers"]["idempotency-key"], "\"k\"");
    assert_eq!(seen["headers"]["authorization"], format!("Bearer {token}"));
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["headers"]["x-forwarded-proto"], "http");
    assert_eq!(seen["headers"]["x-forwarded-host"], stage.gateway.addr.to_string());
}

#[tokio::test]
async fn plain_paths_stand_for_paths_of_the_api() {
    let stage = Stage::before(&echo().await).await;
    for (method, alias, target) in [
        (Method::GET, "/all-posts/?limit=2", "/api/v1/posts?limit=2"),
        (Method::GET, "/all-posts", "/api/v1/posts"),
        (Method::GET, "/post-detail/7/", "/api/v1/posts/7"),
        (Method::GET, "/post-detail/7", "/api/v1/posts/7"),
        (Method::POST, "/create-post/", "/api/v1/posts"),
        (Method::POST, "/login/", "/api/v1/auth/signin"),
        (Method::POST, "/register", "/api/v1/auth/signup"),
        (Method::GET, "/.well-known/jwks.json", "/.well-known/jwks.json"),
        (Method::GET, "/ipfs/bafkreia?format=raw", "/ipfs/bafkreia?format=raw"),
    ] {
        let seen: Value = stage.send(method.clone(), alias).await.json().await.unwrap();

        assert_eq!((&seen["method"], &seen["target"]), (&method.as_str().into(), &target.into()));
    }
}

#[test]
fn blocks_of_tokens_are_the_minting_workers_and_can_only_be_read() {
    let path = "/ipfs/bafkreia";
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(resolve(&method, path).unwrap().upstream, Upstream::Minting);
    }
    assert_eq!(resolve(&Method::POST, path), Err(NoRoute::Method { allow: "GET, HEAD" }));
}

#[tokio::test]
async fn a_plain_path_takes_its_own_method_only() {
    let stage = Stage::before(&echo().await).await;

    let refused = stage.get("/login/").await;

    assert_eq!(refused.headers()["allow"], "POST");
    problem(refused, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn what_the_gateway_answers_itself_can_only_be_read() {
    let stage = Stage::before(&echo().await).await;

    for path in ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"] {
        let refused = stage.send(Method::DELETE, path).await;

        assert_eq!(refused.headers()["allow"], "GET, HEAD");
        problem(refused, 405, "method-not-allowed").await;
    }
}

#[tokio::test]
async fn headers_of_one_connection_do_not_reach_the_other() {
    let stage = Stage::before(&echo().await).await;

    let response = stage
        .http
        .get(stage.url("/api/v1/posts"))
        .header("connection", "x-mine")
        .header("x-mine", "1")
        .header("te", "trailers")
        .header("upgrade", "websocket")
        .send()
        .await
        .unwrap();

    assert!(!response.headers().contains_key("x-hop"));
    assert!(!response.headers().contains_key("connection"));
    assert!(!response.headers().contains_key("server"));
    let seen: Value = response.json().await.unwrap();
    for name in ["connection", "x-mine", "te", "upgrade"] {
        assert!(seen["headers"].get(name).is_none(), "{seen}");
    }
}

#[tokio::test]
async fn nobody_can_pass_for_the_gateway() {
    let stage = Stage::before(&echo().await).await;

    let request = stage.http.get(stage.url("/api/v1/posts"));
    let response = request
        .header("x-user-id", "1")
        .header("x-gateway-trust", "yes")
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6")
        .header("x-request-id", ID)
        .send()
        .await
        .unwrap();

    let seen: Value = response.json().await.unwrap();
    assert!(seen["headers"].get("x-user-id").is_none(), "{seen}");
    assert!(seen["headers"].get("x-gateway-trust").is_none(), "{seen}");
    assert!(seen["headers"].get("forwarded").is_none(), "{seen}");
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_ne!(seen["headers"]["x-request-id"], ID);
}

#[tokio::test]
async fn every_request_has_one_name_on_its_whole_way() {
    let stage = Stage::before(&echo().await).await;

    let response = stage.get("/api/v1/posts").await;

    let name = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let seen: Value = response.json().await.unwrap();
    assert_eq!(seen["headers"]["x-request-id"], name);
    assert_eq!(name.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
}

#[tokio::test]
async fn a_trace_goes_on_or_begins_here() {
    let stage = Stage::before(&echo().await).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = stage.http.get(stage.url("/api/v1/posts"));

    let kept: Value =
        request.header("traceparent", trace).send().await.unwrap().json().await.unwrap();
    let begun: Value = stage.get("/api/v1/posts").await.json().await.unwrap();

    assert_eq!(kept["headers"]["traceparent"], trace);
    assert_eq!(begun["headers"]["traceparent"].as_str().unwrap().len(), trace.len());
}

#[tokio::test]
async fn a_bad_token_is_refused_here_and_no_token_is_not() {
    let stage = Stage::before(&echo().await).await;
    let user = shared_schemas::UserId::new(event_runtime::Clock::System.now());
    let stranger = test_kit::TestIssuer::unpublished().unwrap();

    for bad in [
        stage.issuer.expired_token(user, &[]),
        stranger.token(user, &[]),
        "not.a.token".to_owned(),
        String::new(),
    ] {
        let request = stage.http.get(stage.url("/api/v1/posts")).bearer_auth(bad);
        let refused = request.send().await.unwrap();
        assert!(refused.headers().contains_key("www-authenticate"));
        problem(refused, 401, "unauthorized").await;
    }
    assert_eq!(stage.get("/api/v1/posts").await.status(), 200);
}

#[tokio::test]
async fn browsers_are_told_to_be_careful() {
    let stage = Stage::before(&echo().await).await;

    for path in ["/api/v1/posts", "/nowhere", "/livez"] {
        let response = stage.get(path).await;
        let headers = response.headers();
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(!headers.contains_key("strict-transport-security"), "this is not HTTPS");
    }
}

#[tokio::test]
async fn answers_without_a_body_stay_so() {
    let stage = Stage::before(&echo().await).await;

    let head = stage.send(Method::HEAD, "/all-posts/").await;

    let length: usize = head.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 0, "the length that GET would have");
    assert!(head.bytes().await.unwrap().is_empty());

    let peer =
        peer(make(|_| async { poem::Result::<_>::Ok(StatusCode::NO_CONTENT.into_response()) }));
    let stage = Stage::before(&peer.await).await;
    let deleted = stage.send(Method::DELETE, "/api/v1/posts/7").await;

    assert_eq!(deleted.status(), 204);
    assert!(!deleted.headers().contains_key("transfer-encoding"));
    // The connection is still of use: nothing was left on it.
    assert_eq!(stage.send(Method::DELETE, "/api/v1/posts/7").await.status(), 204);
}
