//! The forms in which events are shown.

use event_runtime::{RecordedEvent, history::Cursor};
use poem::{
    Request,
    http::{StatusCode, header},
};
use serde::Serialize;
use shared_schemas::envelope::Envelope;

use super::token;
use crate::Problem;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/json`: a page.
    Page,
    /// `text/event-stream` (WHATWG HTML §9.2).
    ServerSentEvents,
    /// `application/x-ndjson`: one document per line.
    Lines,
}

/// An event with the place after it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    envelope: Envelope,
    cursor: &'a str,
}

impl Form {
    /// What the client asks for first, among what there is.
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        let accept = request.headers().get_all(header::ACCEPT).iter();
        let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
        Self::accepted(&accept.join(",")).ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "Not acceptable",
                Some(
                    "events come as application/json, text/event-stream or application/x-ndjson"
                        .to_owned(),
                ),
            )
        })
    }

    fn accepted(accept: &str) -> Option<Self> {
        if accept.trim().is_empty() {
            return Some(Self::Page);
        }
        // Those of one weight in the order in which they are named.
        let mut found: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "text/event-stream" | "text/*" => Self::ServerSentEvents,
                "application/x-ndjson" => Self::Lines,
                "application/json" | "application/*" | "*/*" => Self::Page,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight: f32 = weight.map_or(Some(1.0), |weight| weight.parse().ok()).unwrap_or(0.0);
            if weight > 0.0 && found.is_none_or(|(best, _)| weight > best) {
                found = Some((weight, form));
            }
        }
        found.map(|(_, form)| form)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Page => "application/json",
            Self::ServerSentEvents => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// What a stream begins with.
    pub(super) fn prologue(self) -> &'static str {
        match self {
            // When the connection is lost, try again after a second.
            Self::ServerSentEvents => "retry: 1000\n\n",
            Self::Page | Self::Lines => "",
        }
    }

    /// One event of a stream, and the place after it.
    pub(super) fn event(
        self,
        event: &RecordedEvent,
        cursor: &Cursor,
        text: &mut String,
    ) -> Result<(), serde_json::Error> {
        let (envelope, cursor) = (event.envelope(), token(cursor));
        // JSON text has no line breaks: one `data:` line is enough.
        match self {
            Self::ServerSentEvents => {
                let document = serde_json::to_string(&envelope)?;
                text.extend(["id: ", &cursor, "\ndata: ", &document, "\n\n"]);
            }
            Self::Page | Self::Lines => {
                text.push_str(&serde_json::to_string(&Line { envelope, cursor: &cursor })?);
                text.push('\n');
            }
        }
        Ok(())
    }

    /// A sign of life; where the form can say so, with the place that was reached.
    pub(super) fn heartbeat(self, cursor: &Cursor) -> String {
        match self {
            // An id without data is remembered and not dispatched.
            Self::ServerSentEvents => format!(": alive\nid: {}\n\n", token(cursor)),
            Self::Page | Self::Lines => "\n".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_asked_for_first() {
        for (accept, form) in [
            ("", Some(Form::Page)),
            ("*/*", Some(Form::Page)),
            ("application/json", Some(Form::Page)),
            ("text/event-stream", Some(Form::ServerSentEvents)),
            ("text/event-stream, */*", Some(Form::ServerSentEvents)),
            ("application/json;q=0.5, application/x-ndjson", Some(Form::Lines)),
            ("text/html, application/x-ndjson;q=0.9, */*;q=0.1", Some(Form::Lines)),
            ("text/event-stream;q=0, application/json", Some(Form::Page)),
            ("image/png", None),
        ] {
            assert_eq!(Form::accepted(accept), form, "{accept}");
        }
    }
}
