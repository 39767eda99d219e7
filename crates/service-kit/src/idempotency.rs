//! Idempotency keys: a request that is repeated because its answer was lost has its effect once.
//!
//! After draft-ietf-httpapi-idempotency-key-header. The key and the answer are written in the transaction of the effect:
//! either all of them exist or none.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use event_runtime::UnitOfWork;
use poem_openapi::{
    NewType,
    types::{ParseFromJSON, ToJSON},
};
use sea_orm::{ConnectionTrait, FromQueryResult, raw_sql};
use serde_json::Value;
use shared_schemas::UserId;

use crate::Problem;

/// The value of an `Idempotency-Key` header: 1 to 128 visible characters, such as a UUID.
#[derive(Clone, Debug, NewType)]
pub struct IdempotencyKey(String);

/// The place of one request among those that carried a key.
pub struct Once {
    user_id: UserId,
    key: String,
}

/// What is known of a request.
pub enum Known<T> {
    /// It was answered before; this is the answer.
    Answered(T),
    /// It is new. Have the effect, then [`Once::remember`] the answer in the same transaction.
    New(Once),
    /// It carries no key: it has its effect each time.
    Unkeyed,
}

#[derive(FromQueryResult)]
struct Row {
    fingerprint: String,
    response: Option<Value>,
}

/// Looks a request up, and takes its key if it is new. Of two that arrive at once, the second waits for the first.
///
/// `operation` and `request` make the fingerprint.
///
/// # Errors
///
/// 400 if the key is too long, 422 if it was used for another request.
pub async fn lookup<T: ParseFromJSON + ToJSON>(
    work: &UnitOfWork,
    user_id: UserId,
    key: Option<&IdempotencyKey>,
    operation: &str,
    request: &impl ToJSON,
) -> Result<Known<T>, Problem> {
    let Some(IdempotencyKey(key)) = key else { return Ok(Known::Unkeyed) };
    let key = key.trim_matches('"').to_owned();
    if !(1..=128).contains(&key.len()) || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Problem::bad_request(
            "invalid-idempotency-key",
            "Idempotency-Key holds 1 to 128 visible ASCII characters",
        ));
    }
    let fingerprint = fingerprint(operation, request);
    let taken = work
        .txn()
        .execute_raw(raw_sql!(
            Postgres,
            "INSERT INTO idempotency_key (user_id, key, fingerprint) VALUES ({user_id}, {key}, {fingerprint})
               ON CONFLICT ON CONSTRAINT idempotency_key_pkey DO NOTHING"
        ))
        .await?;
    if taken.rows_affected() == 1 {
        return Ok(Known::New(Once { user_id, key }));
    }
    let row = Row::find_by_statement(raw_sql!(
        Postgres,
        "SELECT fingerprint, response FROM idempotency_key WHERE user_id = {user_id} AND key = {key}"
    ))
    .one(work.txn())
    .await?;
    match row {
        Some(row) if row.fingerprint != fingerprint => Err(Problem::unprocessable(
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request",
        )),
        Some(Row { response: Some(response), .. }) => match T::parse_from_json(Some(response)) {
            Ok(answer) => Ok(Known::Answered(answer)),
            Err(error) => Err(Problem::internal(
                &*Box::<dyn std::error::Error + Send + Sync>::from(error.into_message()),
            )),
        },
        // The row and its answer are committed together; without one the key was swept in this very moment.
        Some(Row { response: None, .. }) | None => Err(Problem::conflict(
            "idempotency-key-in-use",
            "a request with this key is under way; try again",
        )),
    }
}

impl Once {
    /// Writes the answer next to the key.
    ///
    /// # Errors
    ///
    /// 500 or 503 if the database fails.
    pub async fn remember(&self, work: &UnitOfWork, answer: &impl ToJSON) -> Result<(), Problem> {
        let (user_id, key) = (self.user_id, self.key.as_str());
        let response = answer.to_json().unwrap_or(Value::Null);
        work.txn()
            .execute_raw(raw_sql!(
                Postgres,
                "UPDATE idempotency_key SET response = {response} WHERE user_id = {user_id} AND key = {key}"
            ))
            .await?;
        Ok(())
    }
}

fn fingerprint(operation: &str, request: &impl ToJSON) -> String {
    let request = request.to_json_string();
    let hash = digest(&SHA256, format!("{operation}\n{request}").as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}
