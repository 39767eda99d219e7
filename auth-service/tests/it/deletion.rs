//! Leaving: what others know ends, what the service knows is erased, and no rebuild brings it back.

use auth_service::session::sweep::ForgetOldSessions;
use chrono::TimeDelta;
use event_runtime::Clock;
use reqwest::{Method, StatusCode};
use sea_orm::TransactionTrait;
use serde_json::json;
use service_kit::Sweep;

use crate::stage::{PASSWORD, Person, Stage};

const READ_MODELS: [(&str, &str); 5] = [
    ("user", "account"),
    ("credential", "credential"),
    ("session", "session"),
    ("connection", "connection"),
    ("signing_key", "signing_key"),
];

async fn delete(stage: &Stage, person: &Person, id: &str) -> StatusCode {
    let request = stage.request(Method::DELETE, &format!("/users/{id}"));
    request.bearer_auth(&person.access).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_gone_for_everybody() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    stage.post_as(&ada, &format!("/users/{}/connect", bob.id), json!({})).await;

    assert_eq!(delete(&stage, &bob, &ada.id).await, StatusCode::FORBIDDEN);
    assert_eq!(delete(&stage, &ada, &ada.id).await, StatusCode::NO_CONTENT);

    stage.is_shut_out(&ada).await;
    assert_eq!(stage.refresh(&ada.refresh).await.status(), StatusCode::UNAUTHORIZED);
    let refused = stage.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let unseen = stage.get_as(&bob, &format!("/users/{}", ada.id)).await;
    assert_eq!(unseen.status(), StatusCode::NOT_FOUND);
    assert_eq!(stage.events("connection.ended.v1").await.len(), 1);
    assert_eq!(stage.events("session.revoked.v1").await[0]["reason"], "ACCOUNT_CLOSED");
    assert_eq!(stage.events("user.deleted.v1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_closes_while_somebody_else_ends_a_connection_to_it() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    stage.post_as(&ada, &format!("/users/{}/connect", bob.id), json!({})).await;
    let connection = stage.hold_up("connection").await;

    let disconnect = stage.request(Method::DELETE, &format!("/users/{}/disconnect", ada.id));
    let disconnect = async { disconnect.bearer_auth(&bob.access).send().await.unwrap().status() };
    let close = async {
        stage.are_waiting(1).await;
        delete(&stage, &ada, &ada.id).await
    };
    let release = async {
        stage.are_waiting(2).await;
        connection.commit().await.unwrap();
    };
    let (disconnected, closed, ()) = tokio::join!(disconnect, close, release);

    assert_eq!((disconnected, closed), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
    assert_eq!(stage.events("connection.ended.v1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_shreds_the_personal_facts_and_a_rebuild_does_not_bring_them_back() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    assert_eq!(stage.rows("personal_key").await.len(), 2);

    delete(&stage, &ada, &ada.id).await;

    let keys = stage.rows("personal_key").await;
    assert!(keys.len() == 1 && keys[0].contains(&bob.id), "{keys:?}");
    let sealed = stage.events("credential.registered.v1").await;
    assert_eq!(sealed.len(), 2, "the facts of the past are kept, unreadable");
    stage.audited().await;
    for (category, _) in READ_MODELS {
        stage.service.runtime.rebuild(category).await.unwrap();
    }
    for table in ["event", "credential", "account", "job", "sign_in_failure"] {
        let rows = stage.rows(table).await.join("\n");
        assert!(!rows.contains("ada@example.com"), "{table}");
    }
    let credentials = stage.rows("credential").await;
    assert!(credentials.len() == 1 && credentials[0].contains("bob@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_deleted_account_can_sign_up_again() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    delete(&stage, &ada, &ada.id).await;

    stage.sign_up("ada@example.com", PASSWORD).await;
    let code = stage.code("ada@example.com", 2).await;

    assert_eq!(stage.verify("ada@example.com", &code).await.status(), StatusCode::OK);
    let again = stage.enter("ada@example.com", PASSWORD).await;
    assert_ne!(again.id, ada.id);
    stage.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_read_models() {
    let stage = Stage::set().await;
    let ada = stage.join("ada@example.com").await;
    let bob = stage.join("bob@example.com").await;
    stage.post_as(&ada, &format!("/users/{}/connect", bob.id), json!({})).await;
    stage.post_as(&bob, "/auth/signout", json!({})).await;
    let body = json!({ "first_name": "Augusta", "last_name": "King", "interests": [] });
    let request = stage.request(Method::PUT, &format!("/users/{}", ada.id));
    request.bearer_auth(&ada.access).json(&body).send().await.unwrap();

    stage.audited().await;
    for (category, table) in READ_MODELS {
        let before = stage.rows(table).await;
        assert!(!before.is_empty(), "{table}");
        stage.service.runtime.rebuild(category).await.unwrap();
        assert_eq!(stage.rows(table).await, before, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_swept_are_no_damage() {
    let stage = Stage::set_at(Clock::manual(Clock::System.now() - TimeDelta::days(40))).await;
    stage.join("ada@example.com").await;
    let txn = stage.service.store.db().begin().await.unwrap();

    assert_eq!(ForgetOldSessions.sweep(&txn).await.unwrap(), 1);

    txn.commit().await.unwrap();
    stage.audited().await;
}
