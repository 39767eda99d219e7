//! The endpoints of connections.

use chrono::{DateTime, Utc};
use event_runtime::Expected;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};
use service_kit::{
    Caller, Cursor, IdempotencyKey, Limit, Page, Problem, example,
    idempotency::{self, Known},
};
use shared_schemas::{ConnectionId, UserId};

use super::{
    aggregate::ConnectionError,
    view::{self, ConnectionRow},
};
use crate::{Tag, accounts::Accounts, user::aggregate::User};

/// The endpoints.
pub struct ConnectionApi {
    /// What they work with.
    pub accounts: Accounts,
}

/// A connection that was just established.
#[derive(Object)]
#[oai(example)]
struct NewConnection {
    /// The connection, the same from both ends.
    connection_id: ConnectionId,
    /// The other person.
    user_id: UserId,
    /// Since when it holds.
    connected_at: DateTime<Utc>,
}

impl Example for NewConnection {
    fn example() -> Self {
        let (one, other) = (UserId(example::id(1)), UserId(example::id(2)));
        Self {
            connection_id: ConnectionId::between(one, other),
            user_id: other,
            connected_at: example::moment(),
        }
    }
}

/// Somebody whom the caller is connected with.
#[derive(Object)]
#[oai(example)]
struct ConnectedUser {
    /// Who it is.
    user_id: UserId,
    /// What they are called.
    first_name: String,
    /// What they are called.
    last_name: String,
    /// Since when.
    connected_at: DateTime<Utc>,
}

impl Example for ConnectedUser {
    fn example() -> Self {
        Self {
            user_id: UserId(example::id(2)),
            first_name: "Mary".to_owned(),
            last_name: "Somerville".to_owned(),
            connected_at: example::moment(),
        }
    }
}

impl From<ConnectionRow> for ConnectedUser {
    fn from(row: ConnectionRow) -> Self {
        Self {
            user_id: UserId(row.other_id),
            first_name: row.first_name,
            last_name: row.last_name,
            connected_at: row.connected_at,
        }
    }
}

#[derive(ApiResponse)]
enum Connected {
    /// The two are connected.
    #[oai(status = 201)]
    Connection(Json<NewConnection>),
}

#[derive(ApiResponse)]
enum Disconnected {
    /// The two are no longer connected.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(tag = "Tag::Connections")]
impl ConnectionApi {
    /// Connect with somebody
    ///
    /// It holds in both directions. With an `Idempotency-Key`, repeating the request returns the first answer. Fails with 400
    /// for a malformed id, 401 without a token, 403 while muted, 404 if there is no such user, 409 if the two are connected
    /// already and 422 for oneself.
    #[oai(path = "/users/:user_id/connect", method = "post", operation_id = "connect")]
    async fn connect(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
        #[oai(name = "Idempotency-Key")] key: Header<Option<IdempotencyKey>>,
    ) -> Result<Connected, Problem> {
        caller.may_write()?;
        let (me, other, metadata) = (caller.user_id(), user_id.0, caller.metadata());
        if me == other {
            return Err(ConnectionError::WithOneself.into());
        }
        let work = self.accounts.store().begin().await?;
        let request = other.to_string();
        let once = match idempotency::lookup(&work, me, key.0.as_ref(), "connect", &request).await?
        {
            Known::Answered(connection) => {
                return Ok(Connected::Connection(Json(connection)));
            }
            Known::New(once) => Some(once),
            Known::Unkeyed => None,
        };
        // Both stay as they are until the connection is recorded: neither can be deleted in between.
        let (low, high) = if me <= other { (me, other) } else { (other, me) };
        for user_id in [low, high] {
            self.accounts
                .users
                .execute_in(&work, user_id, Expected::Any, &metadata, User::be_seen)
                .await?;
        }
        let connection_id = ConnectionId::between(me, other);
        self.accounts
            .connections
            .execute_in(&work, connection_id, Expected::Any, &metadata, |connection| {
                connection.establish(me, other)
            })
            .await?;
        let connected_at = view::connected_at(work.txn(), me, other).await?;
        let connection = NewConnection { connection_id, user_id: other, connected_at };
        if let Some(once) = once {
            once.remember(&work, &connection).await?;
        }
        work.commit().await?;
        Ok(Connected::Connection(Json(connection)))
    }

    /// End a connection
    ///
    /// For both. Fails with 400 for a malformed id, 401 without a token, 403 while muted and 404 if the two are not connected.
    #[oai(path = "/users/:user_id/disconnect", method = "delete", operation_id = "disconnect")]
    async fn disconnect(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
    ) -> Result<Disconnected, Problem> {
        caller.may_write()?;
        let me = caller.user_id();
        let connection_id = ConnectionId::between(me, user_id.0);
        self.accounts
            .connections
            .execute(connection_id, Expected::Any, &caller.metadata(), |connection| {
                connection.end(me)
            })
            .await?;
        Ok(Disconnected::Done)
    }

    /// List connections
    ///
    /// The people whom the caller is connected with, latest first. Fails with 400 for a malformed parameter and 401 without a
    /// token.
    #[oai(path = "/users/me/connections", method = "get", operation_id = "listConnections")]
    async fn list_connections(
        &self,
        caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ConnectedUser>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let db = self.accounts.store().db();
        let rows = view::list(db, caller.user_id(), after, limit).await?;
        Ok(Json(Page::of(rows, limit, ConnectionRow::cursor, ConnectedUser::from)))
    }
}

impl From<ConnectionError> for Problem {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::AlreadyConnected => {
                Self::conflict("already-connected", error.to_string())
            }
            ConnectionError::NotConnected => Self::not_found("connection"),
            ConnectionError::WithOneself => Self::unprocessable("with-oneself", error.to_string()),
        }
    }
}
