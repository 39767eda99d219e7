//! `docs/asyncapi.json`: the streams and everything in them as an `AsyncAPI` 3.0 document, from the contract itself.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shared_schemas::{
    Event, RawEvent, Service, clearance::ClearanceEvent, comment::CommentEvent,
    connection::ConnectionEvent, consent::ConsentEvent, lane::LaneEvent, mint::MintEvent,
    moderation::CaseEvent, notification::NotificationEvent, post::PostEvent,
    reaction::ReactionEvent, session::SessionEvent, signing_key::SigningKeyEvent,
    standing::StandingEvent, user::UserEvent, view::ViewEvent, wallet::WalletEvent,
};

use super::{Violation, catalogue, tree::Tree};

/// The generated document.
pub(super) const PATH: &str = "docs/asyncapi.json";

const ABOUT: &str = "Every service publishes its events on Redis Streams, one stream per partition. An entry's id is \
`<sequence>-0`; sequence numbers are dense from 1 within a partition, and the events of one aggregate are in one partition, \
in the order of their versions. Delivery is at least once: whoever keeps the last sequence number it has taken into account \
recognises what comes again. The same events, as CloudEvents, come from `GET /api/v1/events` of each service.";

/// The document says what the contract says.
pub(super) fn is_current(tree: &Tree) -> Vec<Violation> {
    let text = tree.file(PATH).map(|file| &*file.text);
    if tree.file("shared-schemas/src/lib.rs").is_none() || text == Some(&*render(tree)) {
        return Vec::new();
    }
    vec![Violation::new(PATH, 0, "asyncapi", "is not current; `cargo xtask tidy --write`")]
}

/// The whole document, as it is committed.
pub(super) fn render(tree: &Tree) -> String {
    let mut text =
        serde_json::to_string_pretty(&document(tree)).expect("a JSON value has string keys");
    text.push('\n');
    text
}

fn document(tree: &Tree) -> Value {
    let mut document = Document {
        tree,
        // AsyncAPI's own schema language is a superset of draft 7.
        schemas: SchemaSettings::draft07()
            .with(|settings| settings.definitions_path = "/components/schemas".into())
            .into_generator(),
        messages: Map::new(),
        channels: Map::new(),
        operations: Map::new(),
    };
    document.add::<UserEvent>();
    document.add::<SessionEvent>();
    document.add::<SigningKeyEvent>();
    document.add::<ConnectionEvent>();
    document.add::<PostEvent>();
    document.add::<CommentEvent>();
    document.add::<ReactionEvent>();
    document.add::<ViewEvent>();
    document.add::<CaseEvent>();
    document.add::<ClearanceEvent>();
    document.add::<StandingEvent>();
    document.add::<NotificationEvent>();
    document.add::<MintEvent>();
    document.add::<LaneEvent>();
    document.add::<WalletEvent>();
    document.add::<ConsentEvent>();

    let mut schemas = document.schemas.take_definitions(false);
    // The enums themselves were taken apart into messages.
    schemas.retain(|name, _| !name.ends_with("Event"));
    schemas.insert("EntryFields".to_owned(), entry_fields());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "PeerLink events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:6379",
                "protocol": "redis",
                "description": "The Redis of a local stack.",
            },
        },
        "channels": document.channels,
        "operations": document.operations,
        "components": { "messages": document.messages, "schemas": schemas },
    })
}

struct Document<'a> {
    tree: &'a Tree,
    schemas: SchemaGenerator,
    messages: Map<String, Value>,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document<'_> {
    /// Adds the public facts of one category, and who sends and reads them.
    fn add<E: Event + JsonSchema>(&mut self) {
        self.schemas.subschema_for::<E>();
        let schema = self.schemas.definitions().get(&*E::schema_name()).cloned();
        let variants = schema.as_ref().and_then(|schema| schema.get("oneOf")?.as_array());
        let mut names = Vec::new();
        for variant in variants.into_iter().flatten() {
            let Some(name) = variant.pointer("/properties/type/const").and_then(Value::as_str)
            else {
                continue;
            };
            let Some(example) = self.example(name) else { continue };
            if !E::decode(example.clone()).is_ok_and(|event| event.is_some_and(|e| e.is_public())) {
                continue;
            }
            self.messages.insert(name.to_owned(), message::<E>(name, variant, &example));
            names.push(name.to_owned());
        }
        if names.is_empty() {
            return;
        }
        self.send(E::SERVICE, &names);
        for reader in catalogue::groups(self.tree, E::schema_name().as_ref()) {
            self.receive(&reader, E::SERVICE, &names);
        }
    }

    fn example(&self, name: &str) -> Option<RawEvent> {
        let golden = self.tree.file(&format!("shared-schemas/golden/{name}.json"))?;
        serde_json::from_str(&golden.text).ok()
    }

    fn send(&mut self, service: Service, names: &[String]) {
        let channel = self.channels.entry(service.as_str()).or_insert_with(|| channel(service));
        if let Some(messages) = channel.get_mut("messages").and_then(Value::as_object_mut) {
            messages.extend(
                names
                    .iter()
                    .map(|name| (name.clone(), reference(&["components", "messages", name]))),
            );
        }
        let operation = self.operations.entry(format!("{service}.publish")).or_insert_with(|| {
            json!({
                "action": "send",
                "channel": reference(&["channels", service.as_str()]),
                "summary": format!("{service}-service publishes what happened to its aggregates."),
                "messages": [],
            })
        });
        extend(operation, service, names);
    }

    fn receive(&mut self, group: &str, service: Service, names: &[String]) {
        let operation =
            self.operations.entry(format!("{group}.read.{service}")).or_insert_with(|| {
                json!({
                    "action": "receive",
                    "channel": reference(&["channels", service.as_str()]),
                    "summary": format!("Read by the consumer group `{group}`."),
                    "messages": [],
                })
            });
        extend(operation, service, names);
    }
}

fn extend(operation: &mut Value, service: Service, names: &[String]) {
    if let Some(messages) = operation.get_mut("messages").and_then(Value::as_array_mut) {
        messages.extend(
            names.iter().map(|name| reference(&["channels", service.as_str(), "messages", name])),
        );
    }
}

fn channel(service: Service) -> Value {
    json!({
        "address": "ev:{tag}:e{epoch}",
        "title": format!("Events of {service}-service"),
        "description": format!("One stream per partition, such as `ev:{{{service}.p0}}:e1`."),
        "parameters": {
            "tag": {
                "description": "Service and partition in braces, which keep everything about a partition in one slot of a \
                                Redis Cluster.",
                "examples": [format!("{{{service}.p0}}")],
            },
            "epoch": {
                "description": "The generation of the streams, from 1.",
                "default": "1",
            },
        },
        "messages": {},
    })
}

/// The lines of an entry before the payload are the message's headers.
fn message<E: Event>(name: &str, variant: &Value, example: &RawEvent) -> Value {
    let description = variant.get("description").and_then(Value::as_str).unwrap_or_default();
    let payload = variant.pointer("/properties/data").cloned();
    json!({
        "name": name,
        "title": name,
        "summary": prose(description),
        "contentType": "application/json",
        "tags": [{ "name": E::CATEGORY }],
        "headers": reference(&["components", "schemas", "EntryFields"]),
        "payload": tidied(payload.unwrap_or_else(|| json!({ "type": "object" }))),
        "examples": [{ "payload": example.data }],
    })
}

/// Descriptions without the links of rustdoc, which lead nowhere here.
fn tidied(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if let ("description", Value::String(text)) = (&**name, &mut *value) {
                    *text = prose(text);
                } else {
                    *value = tidied(value.take());
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = tidied(item.take());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
    schema
}

fn prose(text: &str) -> String {
    catalogue::prose(&text.lines().collect::<Vec<_>>()).replace("\\|", "|")
}

fn entry_fields() -> Value {
    json!({
        "type": "object",
        "description": "The lines of field `e`, the only one of a stream entry, in this order; the seventh is the payload, a JSON text. Entries of \
                        earlier builds have a field per line: `i`, `t`, `a`, `n`, `o`, `m` and `p`.",
        "required": ["i", "t", "a", "n", "o", "m"],
        "properties": {
            "i": { "type": "string", "format": "uuid", "description": "The event's id, unique for ever." },
            "t": { "type": "string", "description": "The wire name, such as `post.published.v1`." },
            "a": { "type": "string", "description": "`<category>:<aggregate id>`." },
            "n": { "type": "string", "pattern": "^[1-9][0-9]*$", "description": "The place in the aggregate, from 1." },
            "o": { "type": "string", "format": "date-time", "description": "When it happened, in microseconds." },
            "m": {
                "type": "string",
                "contentMediaType": "application/json",
                "description": "Who caused it: `actor`, `correlation_id`, `causation_id`, `traceparent`, each if there is one.",
            },
        },
    })
}

/// A JSON pointer (RFC 6901) inside the document.
fn reference(parts: &[&str]) -> Value {
    let parts: Vec<String> =
        parts.iter().map(|part| part.replace('~', "~0").replace('/', "~1")).collect();
    json!({ "$ref": format!("#/{}", parts.join("/")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::read;

    fn resolve<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
        document.pointer(reference.strip_prefix('#')?)
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_str() {
                        Some(target) if name == "$ref" => found.push(target.to_owned()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&read().unwrap());
        let mut found = Vec::new();
        references(&document, &mut found);

        assert!(found.len() > 100, "{}", found.len());
        for target in found {
            assert!(resolve(&document, &target).is_some(), "{target}");
        }
    }

    #[test]
    fn every_public_event_is_a_message_that_its_golden_files_fit_and_a_private_one_is_not() {
        let tree = read().unwrap();
        let document = document(&tree);
        let page = tree.file(catalogue::PATH).unwrap();
        let mut seen = 0;
        for heading in page.text.lines().filter_map(|line| line.strip_prefix("### `")) {
            let (name, rest) = heading.split_once('`').unwrap();
            let message = document.pointer(&format!("/components/messages/{name}"));
            assert_eq!(message.is_none(), rest.contains("private"), "{name}");
            let Some(message) = message else { continue };
            let mut schema = message["payload"].clone();
            schema["components"] = document["components"].clone();
            let validator = jsonschema::draft7::new(&schema).unwrap();
            let prefix = format!("shared-schemas/golden/{name}.");
            for golden in tree.files().filter(|file| file.path.starts_with(&prefix)) {
                let event: RawEvent = serde_json::from_str(&golden.text).unwrap();
                let errors: Vec<String> =
                    validator.iter_errors(&event.data).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {errors:?}", golden.path);
                seen += 1;
            }
            assert!(!validator.is_valid(&json!("no object")), "{name}");
        }
        assert!(seen >= 30, "{seen}");
    }

    #[test]
    fn a_document_that_is_not_current_is_found() {
        let contract = ("shared-schemas/src/lib.rs", "");

        assert_eq!(is_current(&Tree::of(&[contract, (PATH, "{}")])).len(), 1);
        assert_eq!(is_current(&Tree::of(&[contract])).len(), 1);
    }
}
