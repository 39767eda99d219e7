//! The `AsyncAPI` document of all streams, as it is and as a page.

use maud::{DOCTYPE, Markup, html};
use poem::{Route, endpoint::make_sync, get};
use serde_json::{Map, Value};
use service_kit::docs;

const DOCUMENT: &str = include_str!("../../docs/asyncapi.json");

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color: #1c1e21; background: #fff }
nav a { margin-right: .8rem }
h2 { margin-top: 3rem; border-bottom: 2px solid #d8dce2 }
h3 { margin: 2rem 0 0; font-family: ui-monospace, monospace; font-size: 1.05rem }
h3 a { color: inherit; text-decoration: none }
p { margin: .4rem 0 }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; background: #f2f4f7; border-radius: 3px; padding: .1em .3em }
pre { padding: .8rem; overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #e4e7ec }
summary { cursor: pointer; color: #4a5568 }
@media (prefers-color-scheme: dark) {
  body { color: #e6e8eb; background: #16181c } a { color: #8ab4f8 } h2, th, td { border-color: #363a41 }
  code, pre { background: #23262c } summary { color: #a8b0bd }
}";

/// Adds `/docs/events` and `/asyncapi.json`.
pub(crate) fn routes(routes: Route) -> Route {
    let document: Value = serde_json::from_str(DOCUMENT).expect("a test reads the document");
    let page = page(&document).into_string();
    routes
        .at("/docs/events", get(make_sync(move |_| docs::page_response(page.clone()))))
        .at("/asyncapi.json", get(make_sync(|_| docs::document_response(DOCUMENT.to_owned()))))
}

fn page(document: &Value) -> Markup {
    let title = text(document, "/info/title");
    let channels = members(document, "/channels");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (STYLE) }
            }
            body {
                h1 { (title) }
                (prose(text(document, "/info/description")))
                p { "The same as " a href="/asyncapi.json" { "AsyncAPI 3.0" } ". Requests and answers are on their "
                    a href="/docs" { "own page" } "." }
                nav { @for (name, _) in channels { a href={ "#" (name) } { (name) } } }
                @for (name, channel) in channels { (section(document, name, channel)) }
                h2 #lists { "Values" }
                @for (name, schema) in members(document, "/components/schemas") { (list(name, schema)) }
            }
        }
    }
}

/// One service: its streams, who reads them, what is in them.
fn section(document: &Value, name: &str, channel: &Value) -> Markup {
    let here = format!("#/channels/{name}");
    let reads = |operation: &Value| {
        operation.get("action").is_some_and(|action| action == "receive")
            && text(operation, "/channel/$ref") == here
    };
    let operations = members(document, "/operations").iter();
    let readers: Vec<&str> = operations
        .filter(|(_, operation)| reads(operation))
        .filter_map(|(id, _)| id.split_once(".read."))
        .map(|(group, _)| group)
        .collect();
    html! {
        h2 id=(name) { (text(channel, "/title")) }
        (prose(text(channel, "/description")))
        @if !readers.is_empty() {
            p { "Read by " @for (at, group) in readers.iter().enumerate() {
                @if at > 0 { ", " } code { (group) }
            } "." }
        }
        @for (name, _) in members(channel, "/messages") {
            @if let Some(event) = members(document, "/components/messages").get(name) {
                (message(document, name, event))
            }
        }
    }
}

fn message(document: &Value, name: &str, message: &Value) -> Markup {
    let fields = members(message, "/payload/properties");
    let required: Vec<&str> = message
        .pointer("/payload/required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let example = message.pointer("/examples/0/payload").map(|payload| format!("{payload:#}"));
    html! {
        h3 id=(name) { a href={ "#" (name) } { (name) } }
        (prose(text(message, "/summary")))
        @if !fields.is_empty() {
            table {
                tr { th { "field" } th { "type" } th { "meaning" } }
                @for (field, schema) in fields {
                    tr {
                        td { code { (field) } }
                        td { (kind(document, schema)) @if !required.contains(&&**field) { ", may be left out" } }
                        td { (prose(text(schema, "/description"))) }
                    }
                }
            }
            @if let Some(example) = example {
                details { summary { "Example" } pre { (example) } }
            }
        }
    }
}

/// The type of a field, in a word: a closed list leads to its values.
fn kind(document: &Value, schema: &Value) -> Markup {
    let alternatives =
        ["/anyOf", "/oneOf", "/allOf"].iter().find_map(|at| schema.pointer(at)?.as_array());
    let schema = alternatives
        .and_then(|all| all.iter().find(|one| text(one, "/type") != "null"))
        .unwrap_or(schema);
    let Some(target) = schema.get("$ref").and_then(Value::as_str) else {
        let format = text(schema, "/format");
        return html! { (if format.is_empty() { text(schema, "/type") } else { format }) };
    };
    let name = target.rsplit('/').next().unwrap_or(target);
    let is_list = document
        .pointer(target.trim_start_matches('#'))
        .is_some_and(|schema| !values(schema).is_empty());
    html! { @if is_list { a href={ "#" (name) } { (name) } } @else { (name) } }
}

fn list(name: &str, schema: &Value) -> Markup {
    let values = values(schema);
    html! {
        @if !values.is_empty() {
            h3 id=(name) { (name) }
            (prose(text(schema, "/description")))
            p { @for value in values { code { (value) } " " } }
        }
    }
}

/// The values of a closed list; empty for any other schema.
fn values(schema: &Value) -> Vec<&str> {
    let plain = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    plain.chain(described.filter_map(|one| one.get("const"))).filter_map(Value::as_str).collect()
}

/// A paragraph; what stands between backticks is code.
fn prose(text: &str) -> Markup {
    html! {
        @if !text.is_empty() {
            p { @for (at, part) in text.split('`').enumerate() {
                @if at % 2 == 1 { code { (part) } } @else { (part) }
            } }
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn members<'a>(value: &'a Value, pointer: &str) -> &'a Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.pointer(pointer).and_then(Value::as_object).unwrap_or(&NONE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_message_and_every_reader_is_on_the_page() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let page = page(&document).into_string();

        for name in members(&document, "/components/messages").keys() {
            assert!(page.contains(&format!("<h3 id=\"{name}\">")), "{name}");
        }
        for operation in members(&document, "/operations").keys() {
            let Some((group, _)) = operation.split_once(".read.") else { continue };
            assert!(page.contains(&format!("<code>{group}</code>")), "{group}");
        }
        assert!(page.contains("<a href=\"#Category\">Category</a>"));
        assert!(page.contains("<code>LIFE_STYLE</code>"));
    }

    #[test]
    fn what_a_document_says_cannot_become_markup() {
        let page =
            page(&json!({ "info": { "title": "<script>", "description": "`<b>`" } })).into_string();

        assert!(!page.contains("<script>") && page.contains("<code>&lt;b&gt;</code>"));
    }
}
