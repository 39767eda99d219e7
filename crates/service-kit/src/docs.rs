//! The OpenAPI document and its page.

use poem::{
    IntoResponse, Response, Route,
    endpoint::make_sync,
    get,
    http::{HeaderValue, header},
    web::Html,
};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Value, json};

/// The security scheme of [`Caller`](crate::Caller) in every document.
const BEARER: &str = "access_token";

/// The scheme by which the page signs people in with address and password.
const PASSWORD: &str = "sign_in";

/// The document of an API, as JSON that can be changed.
pub fn document<A: OpenApi, W: poem_openapi::Webhook>(service: &OpenApiService<A, W>) -> Value {
    serde_json::from_str(&service.spec()).expect("poem-openapi writes JSON")
}

/// Lets the page's *Authorize* dialog sign in: wherever an access token will do, so will the password form (RFC 6749 §4.3)
/// at `token_url`.
pub fn offer_password_form(document: &mut Value, token_url: &str) {
    let Some(schemes) =
        document.pointer_mut("/components/securitySchemes").and_then(Value::as_object_mut)
    else {
        return;
    };
    schemes.insert(
        PASSWORD.to_owned(),
        json!({
            "type": "oauth2",
            "description": "Sign in with e-mail address and password.",
            "flows": { "password": { "tokenUrl": token_url, "scopes": {} } }
        }),
    );
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths
        .into_iter()
        .flat_map(|paths| paths.values_mut())
        .filter_map(Value::as_object_mut)
        .flat_map(|path| path.values_mut());
    for operation in operations {
        if let Some(security) = operation.get_mut("security").and_then(Value::as_array_mut)
            && security.iter().any(|one| one.get(BEARER).is_some())
            && security.iter().all(|one| one.get(PASSWORD).is_none())
        {
            security.push(json!({ PASSWORD: [] }));
        }
    }
}

/// Adds `/docs` and `/openapi.json` for a document.
pub fn routes(routes: Route, document: &Value) -> Route {
    let page = page(document);
    let text = document.to_string();
    routes
        .at("/docs", get(make_sync(move |_| page_response(page.clone()))))
        .at("/openapi.json", get(make_sync(move |_| document_response(text.clone()))))
}

/// A response with the text of a document.
pub fn document_response(text: String) -> Response {
    text.with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .into_response()
}

/// A response with a page that [`page`] made.
pub fn page_response(page: String) -> Response {
    // The page is made of inline scripts and styles; it may talk to its own origin and nobody else.
    let policy = HeaderValue::from_static(
        "default-src 'self'; script-src 'unsafe-inline' 'self'; style-src 'unsafe-inline' 'self'; \
         img-src 'self' data:; frame-ancestors 'none'",
    );
    Html(page).with_header(header::CONTENT_SECURITY_POLICY, policy).into_response()
}

/// Swagger UI, with the document inside.
pub fn page(document: &Value) -> String {
    let empty = OpenApiService::new((), "", "");
    // `</script>` inside a description must not end the script.
    let text = document.to_string().replace("</", "<\\/");
    empty
        .swagger_ui_html()
        .replace(&empty.spec(), &text)
        .replace("deepLinking: true,", "deepLinking: true, persistAuthorization: true,")
}
