//! Which methods a path knows: what a 405 has to say (RFC 9110 §15.5.6).

use poem::{
    Endpoint, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::Value;

/// Paths and their methods, as the OpenAPI document has them.
#[derive(Clone, Debug, Default)]
pub struct Methods(Vec<(Vec<String>, String)>);

impl Methods {
    /// The methods of a document whose paths lie below `prefix`.
    pub fn of(document: &Value, prefix: &str) -> Self {
        let paths = document.get("paths").and_then(Value::as_object);
        let methods = paths.into_iter().flatten().map(|(path, operations)| {
            let names: Vec<String> = operations
                .as_object()
                .into_iter()
                .flat_map(|operations| operations.keys())
                .map(|name| name.to_ascii_uppercase())
                .collect();
            (segments(&format!("{prefix}{path}")), names.join(", "))
        });
        Self(methods.collect())
    }

    /// The methods of a path, in the form of an `Allow` header.
    pub fn for_path(&self, path: &str) -> Option<&str> {
        let path = segments(path);
        let matches = |template: &[String]| {
            template.len() == path.len()
                && template
                    .iter()
                    .zip(&path)
                    .all(|(part, found)| part.starts_with('{') || part == found)
        };
        self.0.iter().find(|(template, _)| matches(template)).map(|(_, methods)| methods.as_str())
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Adds `Allow` to responses that refuse a method.
///
/// # Errors
///
/// None of its own: what `next` fails with becomes a response.
pub async fn allow<E: Endpoint<Output = Response>>(
    methods: &Methods,
    next: &E,
    request: Request,
) -> poem::Result<Response> {
    let path = request.uri().path().to_owned();
    let mut response = next.get_response(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allowed) =
            methods.for_path(&path).and_then(|allowed| HeaderValue::try_from(allowed).ok())
    {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    Ok(response)
}
