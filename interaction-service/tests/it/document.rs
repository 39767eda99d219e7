//! The OpenAPI document says what there is.

use serde_json::Value;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_operation() {
    let world = World::start().await;

    let document: Value =
        serde_json::from_str(&world.at_root("/openapi.json").await.text().await.unwrap()).unwrap();

    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(format!("{method} {path}"));
            for field in ["operationId", "summary", "description"] {
                assert!(operation[field].as_str().is_some_and(|text| !text.is_empty()), "{path}");
            }
        }
    }
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "delete /comments/{comment_id}",
            "delete /post-reactions/{reaction_id}",
            "get /comments/{comment_id}",
            "get /events",
            "get /post-reactions/{reaction_id}",
            "get /{post_id}/comments",
            "get /{post_id}/post-reactions",
            "get /{post_id}/view",
            "post /{post_id}/comments",
            "post /{post_id}/post-reactions",
            "post /{post_id}/view",
            "put /comments/{comment_id}",
            "put /post-reactions/{reaction_id}",
        ]
    );
}
