//! One document for all services.

use gateway_service::routes::Upstream;
use poem::{IntoResponse, Response, endpoint::make};
use serde_json::{Value, json};

use crate::setup::{Stage, nobody, peer, url_name, urls};

/// A service that serves a document, and nothing else.
async fn documented(document: Value) -> String {
    let text = document.to_string();
    peer(make(move |request| {
        let text = text.clone();
        async move {
            assert_eq!(request.uri().path(), "/openapi.json");
            poem::Result::<Response>::Ok(text.with_content_type("application/json").into_response())
        }
    }))
    .await
}

fn operation(id: &str, schema: &str) -> Value {
    json!({
        "tags": ["things"],
        "operationId": id,
        "security": [{ "access_token": [] }],
        "responses": { "200": { "description": "", "content": { "application/json": {
            "schema": { "$ref": format!("#/components/schemas/{schema}") }
        } } } }
    })
}

/// A document with one path, a schema that all have, and one that each has in a form of its own.
fn document(path: &str, own_field: &str) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": { "title": "One", "version": "1" },
        "servers": [{ "url": "/api/v1" }],
        "tags": [{ "name": "things", "description": "Things." }],
        "paths": {
            path: { "get": operation("list", "Page") },
            "/nowhere": { "get": operation("hidden", "Page") },
        },
        "components": {
            "schemas": {
                "Problem": { "type": "object", "properties": { "title": { "type": "string" } } },
                "Page": { "type": "array", "items": { "$ref": "#/components/schemas/Thing" } },
                "Thing": { "type": "object", "properties": { own_field: { "type": "string" } } },
            },
            "securitySchemes": {
                "access_token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }
            }
        }
    })
}

async fn two_services() -> Stage {
    let mut settings = urls(&nobody().await);
    settings.push((url_name(Upstream::Post), documented(document("/posts", "title")).await));
    settings.push((url_name(Upstream::Minting), documented(document("/mints", "hash")).await));
    Stage::with(&settings).await
}

#[tokio::test]
async fn schemas_of_one_name_are_kept_apart_and_equal_ones_are_one() {
    let stage = two_services().await;

    let merged: Value = stage.get("/openapi.json").await.json().await.unwrap();

    let schemas = merged["components"]["schemas"].as_object().unwrap();
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["Minting.Page", "Minting.Thing", "Post.Page", "Post.Thing", "Problem"],
        "a page of things is another where things are"
    );
    assert_eq!(
        merged.pointer("/paths/~1mints/get/responses/200/content/application~1json/schema/$ref"),
        Some(&json!("#/components/schemas/Minting.Page"))
    );
    assert_eq!(schemas["Post.Page"]["items"]["$ref"], "#/components/schemas/Post.Thing");
    assert!(schemas["Post.Thing"]["properties"].get("title").is_some());
}

#[tokio::test]
async fn operations_and_tags_carry_no_name_twice() {
    let stage = two_services().await;

    let merged: Value = stage.get("/openapi.json").await.json().await.unwrap();

    assert_eq!(merged["paths"]["/posts"]["get"]["operationId"], "list");
    assert_eq!(merged["paths"]["/mints"]["get"]["operationId"], "minting_list");
    assert_eq!(merged["paths"]["/posts"]["get"]["tags"], json!(["post: things"]));
    assert_eq!(merged["tags"][1]["name"], "minting: things");
    assert!(merged["paths"].get("/nowhere").is_none(), "nobody could call it here");
    assert_eq!(merged["servers"], json!([{ "url": "/api/v1" }]));
}

#[tokio::test]
async fn the_page_can_sign_people_in() {
    let stage = two_services().await;

    let merged: Value = stage.get("/openapi.json").await.json().await.unwrap();

    let schemes = &merged["components"]["securitySchemes"];
    assert_eq!(schemes["access_token"]["scheme"], "bearer");
    assert_eq!(schemes["sign_in"]["flows"]["password"]["tokenUrl"], "/api/v1/auth/token");
    let security = &merged["paths"]["/posts"]["get"]["security"];
    assert_eq!(*security, json!([{ "access_token": [] }, { "sign_in": [] }]));
}

#[tokio::test]
async fn a_service_that_is_down_is_named_and_keeps_no_page_from_being_shown() {
    let stage = two_services().await;

    let merged: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let page = stage.get("/docs").await;

    let description = merged["info"]["description"].as_str().unwrap();
    assert!(description.ends_with("auth, interaction, moderation, engagement."), "{description}");
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("unsafe-inline"));
    let page = page.text().await.unwrap();
    assert!(page.contains("SwaggerUIBundle") && page.contains("Minting.Thing"));
}

#[tokio::test]
async fn the_streams_have_a_document_and_a_page_that_need_no_service_and_no_token() {
    let stage = two_services().await;

    let document: Value = stage.get("/asyncapi.json").await.json().await.unwrap();
    let page = stage.get("/docs/events").await;

    assert_eq!(document["asyncapi"], "3.0.0");
    assert!(document["components"]["messages"]["post.published.v1"].is_object());
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.text().await.unwrap().contains("id=\"post.published.v1\""));
}
