//! The published set of keys (RFC 7517).

use event_runtime::EventStore;
use poem::{
    IntoResponse, Response, handler,
    http::{StatusCode, header},
    web::Data,
};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    types::{Example, ToJSON},
};
use service_kit::{Problem, example};

use super::view::{self, SigningKeyRow};
use crate::Tag;

/// How long others may keep the set.
const CACHE: &str = "public, max-age=300";

/// The endpoint.
pub struct SigningKeyApi {
    /// Where the keys are.
    pub store: EventStore,
}

/// A set of JSON Web Keys.
#[derive(Debug, Object)]
pub struct KeySet {
    /// The keys whose tokens are good, newest first.
    keys: Vec<Key>,
}

/// An Ed25519 public key (RFC 8037 §2).
#[derive(Debug, Object)]
#[oai(example)]
pub struct Key {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// `sig`: it verifies signatures.
    #[oai(rename = "use")]
    usage: String,
    /// `EdDSA`.
    alg: String,
    /// The `kid` of its tokens.
    kid: String,
    /// The key, 32 bytes in base64url.
    x: String,
}

impl Example for Key {
    fn example() -> Self {
        Self::from(SigningKeyRow {
            id: example::id(7),
            public_key: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
        })
    }
}

impl From<SigningKeyRow> for Key {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            usage: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid: row.id.to_string(),
            x: row.public_key,
        }
    }
}

#[derive(ApiResponse)]
enum Published {
    /// The keys.
    #[oai(status = 200)]
    Keys(
        Json<KeySet>,
        /// How long the set may be kept.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

#[OpenApi(tag = "Tag::Keys")]
impl SigningKeyApi {
    /// List the keys that sign access tokens
    ///
    /// A JSON Web Key Set (RFC 7517), also at the root of the host. Needs no token.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "listSigningKeys")]
    async fn list_signing_keys(&self) -> Result<Published, Problem> {
        Ok(Published::Keys(Json(key_set(&self.store).await?), CACHE.to_owned()))
    }
}

async fn key_set(store: &EventStore) -> Result<KeySet, Problem> {
    let keys = view::active(store.db()).await?;
    Ok(KeySet { keys: keys.into_iter().map(Key::from).collect() })
}

/// The same set outside the API, where RFC 8615 has it.
#[handler]
pub(crate) async fn at_root(Data(store): Data<&EventStore>) -> Response {
    match key_set(store).await {
        Ok(keys) => Response::builder()
            .status(StatusCode::OK)
            .header(header::CONTENT_TYPE, "application/jwk-set+json")
            .header(header::CACHE_CONTROL, CACHE)
            .body(keys.to_json_string()),
        Err(problem) => problem.response().into_response(),
    }
}
