//! Merging documents: each tag under its service's name, and no two things under one name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use service_kit::{docs, service::API_PREFIX};

use crate::routes::{PerUpstream, Upstream, public_path, upstream_of};

/// How a document refers to a schema of its own.
const SCHEMA: &str = "#/components/schemas/";

/// Where the page signs people in.
const TOKEN_PATH: &str = "/auth/token";

const ABOUT: &str = "All services of PeerLink at one address. Lists are pages, errors are problem documents (RFC 9457), \
    and every answer says what is left of the caller's quota in `RateLimit`; a request above it is refused with 429.";

/// One document of those that there are; the others are named in its description.
pub(super) fn merge(documents: &PerUpstream<Option<Value>>) -> Value {
    let present: Vec<(Upstream, &Value)> = Upstream::ALL
        .into_iter()
        .filter_map(|upstream| documents.get(upstream).as_ref().map(|one| (upstream, one)))
        .collect();
    let renamed = colliding(&present);
    let mut merged = Merged::default();
    for (upstream, document) in &present {
        let mut document = (*document).clone();
        prefix_schemas(&mut document, *upstream, &renamed);
        merged.add(*upstream, document);
    }
    let missing: Vec<&str> = Upstream::ALL
        .into_iter()
        .filter(|upstream| documents.get(*upstream).is_none())
        .map(Upstream::name)
        .collect();
    merged.finish(&missing)
}

#[derive(Default)]
struct Merged {
    paths: Map<String, Value>,
    tags: Vec<Value>,
    schemas: Map<String, Value>,
    schemes: Map<String, Value>,
    operation_ids: BTreeSet<String>,
}

impl Merged {
    fn add(&mut self, upstream: Upstream, mut document: Value) {
        for tag in array(&mut document, "/tags") {
            let Value::Object(mut tag) = tag else { continue };
            if let Some(name) = tag.get("name").and_then(Value::as_str) {
                let name = tagged(upstream, name);
                tag.insert("name".to_owned(), name);
                self.tags.push(Value::Object(tag));
            }
        }
        for (name, schema) in object(&mut document, "/components/schemas") {
            self.schemas.insert(name, schema);
        }
        for (name, scheme) in object(&mut document, "/components/securitySchemes") {
            self.schemes.insert(name, scheme);
        }
        for (path, operations) in object(&mut document, "/paths") {
            let path = public_path(upstream, &path);
            if upstream_of(&path) != Some(upstream) {
                tracing::warn!(service = upstream.name(), path, "documented, and not routed");
                continue;
            }
            self.add_path(upstream, path, operations);
        }
    }

    fn add_path(&mut self, upstream: Upstream, path: String, mut operations: Value) {
        let methods = operations.as_object_mut().into_iter().flat_map(|all| all.values_mut());
        for operation in methods.filter_map(Value::as_object_mut) {
            let tags = operation.get("tags").and_then(Value::as_array);
            let mut tags: Vec<Value> = tags
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|tag| tagged(upstream, tag))
                .collect();
            if tags.is_empty() {
                tags.push(Value::from(upstream.name()));
            }
            operation.insert("tags".to_owned(), Value::Array(tags));
            if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                let id = self.unique_id(upstream, id);
                operation.insert("operationId".to_owned(), Value::from(id));
            }
        }
        self.paths.insert(path, operations);
    }

    fn unique_id(&mut self, upstream: Upstream, id: &str) -> String {
        let mut unique = id.to_owned();
        while !self.operation_ids.insert(unique.clone()) {
            unique = format!("{}_{unique}", upstream.name());
        }
        unique
    }

    fn finish(self, missing: &[&str]) -> Value {
        let mut description = ABOUT.to_owned();
        if !missing.is_empty() {
            description.push_str("\n\n**Not running now, and so not described here:** ");
            description.push_str(&missing.join(", "));
            description.push('.');
        }
        let mut document = json!({
            "openapi": "3.0.0",
            "info": {
                "title": "PeerLink",
                "description": description,
                "version": env!("CARGO_PKG_VERSION"),
            },
            "servers": [{ "url": API_PREFIX }],
            "tags": self.tags,
            "paths": self.paths,
            "components": { "schemas": self.schemas, "securitySchemes": self.schemes },
        });
        docs::offer_password_form(&mut document, &format!("{API_PREFIX}{TOKEN_PATH}"));
        document
    }
}

fn tagged(upstream: Upstream, tag: &str) -> Value {
    Value::from(format!("{}: {tag}", upstream.name()))
}

/// The names of schemas that are not the same in all documents that have them.
///
/// A schema that refers to such a one is itself another in each document, even if its text is the same.
fn colliding(documents: &[(Upstream, &Value)]) -> BTreeSet<String> {
    let mut versions: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (_, document) in documents {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in schemas.into_iter().flatten() {
            versions.entry(name).or_default().push(schema);
        }
    }
    let mut colliding: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = colliding.len();
        for (name, versions) in &versions {
            let differs = versions.windows(2).any(|pair| pair.first() != pair.last());
            let refers = versions.iter().any(|schema| refers_to_any(schema, &colliding));
            if versions.len() > 1 && (differs || refers) {
                colliding.insert((*name).to_owned());
            }
        }
        if colliding.len() == before {
            return colliding;
        }
    }
}

fn refers_to_any(value: &Value, names: &BTreeSet<String>) -> bool {
    match value {
        Value::String(text) => text.strip_prefix(SCHEMA).is_some_and(|name| names.contains(name)),
        Value::Array(items) => items.iter().any(|item| refers_to_any(item, names)),
        Value::Object(fields) => fields.values().any(|field| refers_to_any(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts the service's name in front of schemas, where they are defined and wherever they are referred to.
fn prefix_schemas(document: &mut Value, upstream: Upstream, names: &BTreeSet<String>) {
    if names.is_empty() {
        return;
    }
    prefix_references(document, upstream, names);
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    if let Some(schemas) = schemas {
        *schemas = std::mem::take(schemas)
            .into_iter()
            .map(|(name, schema)| {
                (if names.contains(&name) { prefixed(upstream, &name) } else { name }, schema)
            })
            .collect();
    }
}

fn prefix_references(value: &mut Value, upstream: Upstream, names: &BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix(SCHEMA).filter(|name| names.contains(*name));
            if let Some(name) = name {
                *text = format!("{SCHEMA}{}", prefixed(upstream, name));
            }
        }
        Value::Array(items) => {
            for item in items {
                prefix_references(item, upstream, names);
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                prefix_references(field, upstream, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

/// `Status` of post-service becomes `Post.Status`: no schema of a service has a dot in its name.
fn prefixed(upstream: Upstream, name: &str) -> String {
    let mut letters = upstream.name().chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).chain(name.chars()).collect()
}

fn object(document: &mut Value, pointer: &str) -> Map<String, Value> {
    match document.pointer_mut(pointer).map(Value::take) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn array(document: &mut Value, pointer: &str) -> Vec<Value> {
    match document.pointer_mut(pointer).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
