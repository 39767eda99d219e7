//! Whoever proves to own a moderator's address becomes one, and likewise an analyst.

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

#[tokio::test(flavor = "multi_thread")]
async fn an_analysts_address_brings_the_role_also_to_a_moderator() {
    let settings = [
        ("MODERATOR_EMAILS", "both@example.com"),
        ("ANALYST_EMAILS", "Ana@example.com, both@example.com"),
    ];
    let stage = Stage::set_with(Clock::System, &settings).await;

    let analyst = stage.join("ana@example.com").await;
    let both = stage.join("both@example.com").await;

    for (person, roles) in
        [(&analyst, json!(["USER", "ANALYST"])), (&both, json!(["USER", "MODERATOR", "ANALYST"]))]
    {
        let token: Value = stage.get_as(person, "/auth/verify-token").await.json().await.unwrap();
        assert_eq!(token["roles"], roles);
        let me: Value = stage.get_as(person, "/users/me").await.json().await.unwrap();
        assert_eq!(me["roles"], roles);
    }
}
