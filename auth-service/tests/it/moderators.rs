//! Whoever proves to own a moderator's address becomes one.

use event_runtime::Clock;
use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_moderators_address_brings_the_role_once_it_is_verified() {
    let settings = [("MODERATOR_EMAILS", "other@example.com, Mod@Example.com")];
    let stage = Stage::set_with(Clock::System, &settings).await;

    let moderator = stage.join("mod@example.com").await;
    let ada = stage.join("ada@example.com").await;

    let token: Value = stage.get_as(&moderator, "/auth/verify-token").await.json().await.unwrap();
    assert_eq!(token["roles"], json!(["USER", "MODERATOR"]));
    let me: Value = stage.get_as(&moderator, "/users/me").await.json().await.unwrap();
    assert_eq!(me["roles"], json!(["USER", "MODERATOR"]));
    let token: Value = stage.get_as(&ada, "/auth/verify-token").await.json().await.unwrap();
    assert_eq!(token["roles"], json!(["USER"]));
    let granted = stage.events("user.role_granted.v1").await;
    assert_eq!(granted, [json!({ "role": "MODERATOR" })]);
}
