//! The endpoints of people.

use chrono::{DateTime, Utc};
use event_runtime::{Expected, UnitOfWork};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::Example,
};
use sea_orm::ConnectionTrait;
use service_kit::{AnyCaller, Caller, Cursor, ETag, Identity, Limit, Page, Problem, example};
use shared_schemas::{
    UserId,
    envelope::Metadata,
    post::Category,
    user::{AccountStatus, Role},
};

use super::{
    aggregate::{User, UserError},
    view::{self, AccountRow},
};
use crate::{
    Tag,
    accounts::Accounts,
    credential::{aggregate::CredentialError, api::clean_name, event::field},
    secret::PersonalKey,
};

/// The endpoints.
pub struct UserApi {
    /// What they work with.
    pub accounts: Accounts,
}

/// A choice of a closed list.
#[derive(Object)]
#[oai(example, rename = "InterestChoice")]
struct Choice {
    /// The value to send.
    value: Category,
    /// The value in words.
    label: String,
}

impl Example for Choice {
    fn example() -> Self {
        Self { value: Category::Travel, label: Category::Travel.label() }
    }
}

/// What its owner may change of an account.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct UpdateUserRequest {
    /// 1 to 50 characters.
    #[oai(validator(min_length = 1, max_length = 50))]
    first_name: String,
    /// 1 to 50 characters.
    #[oai(validator(min_length = 1, max_length = 50))]
    last_name: String,
    /// What the person cares about.
    #[oai(validator(max_items = 22))]
    interests: Vec<Category>,
}

impl Example for UpdateUserRequest {
    fn example() -> Self {
        Self {
            first_name: "Ada".to_owned(),
            last_name: "King".to_owned(),
            interests: vec![Category::Scientific],
        }
    }
}

/// A person, as others see them.
#[derive(Object)]
#[oai(example)]
struct PublicUser {
    /// Who it is.
    id: UserId,
    /// What they are called.
    first_name: String,
    /// What they are called.
    last_name: String,
    /// What they care about.
    interests: Vec<Category>,
    /// Whether the account may act.
    status: AccountStatus,
    /// When they signed up.
    created_at: DateTime<Utc>,
}

impl Example for PublicUser {
    fn example() -> Self {
        Self {
            id: UserId(example::id(1)),
            first_name: "Ada".to_owned(),
            last_name: "King".to_owned(),
            interests: vec![Category::Travel, Category::Scientific],
            status: AccountStatus::Active,
            created_at: example::moment(),
        }
    }
}

impl From<AccountRow> for PublicUser {
    fn from(row: AccountRow) -> Self {
        Self {
            id: UserId(row.id),
            interests: row.interests(),
            status: row.status(),
            created_at: row.created_at,
            first_name: row.first_name,
            last_name: row.last_name,
        }
    }
}

/// A person, as they see themselves.
#[derive(Object)]
#[oai(example)]
struct Me {
    /// Who it is.
    id: UserId,
    /// What they are called.
    first_name: String,
    /// What they are called.
    last_name: String,
    /// What they care about.
    interests: Vec<Category>,
    /// Whether the account may act.
    status: AccountStatus,
    /// When they signed up.
    created_at: DateTime<Utc>,
    /// Where mail goes.
    email: String,
    /// What the account may do.
    roles: Vec<Role>,
    /// Whether the person proved to own the address.
    email_verified: bool,
}

impl Example for Me {
    fn example() -> Self {
        let PublicUser { id, first_name, last_name, interests, status, created_at } =
            PublicUser::example();
        Self {
            id,
            first_name,
            last_name,
            interests,
            status,
            created_at,
            email: "ada@example.com".to_owned(),
            roles: vec![Role::User],
            email_verified: true,
        }
    }
}

impl From<AccountRow> for Me {
    fn from(row: AccountRow) -> Self {
        let (email, roles, email_verified) = (row.email.clone(), row.roles(), row.email_verified);
        let PublicUser { id, first_name, last_name, interests, status, created_at } = row.into();
        Self {
            id,
            first_name,
            last_name,
            interests,
            status,
            created_at,
            email,
            roles,
            email_verified,
        }
    }
}

#[derive(ApiResponse)]
enum Found {
    /// The person.
    #[oai(status = 200)]
    User(
        Json<PublicUser>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum FoundMe {
    /// The caller.
    #[oai(status = 200)]
    Me(
        Json<Me>,
        /// Its version, for the next `If-Match`.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The account is closed.
    #[oai(status = 204)]
    Gone,
}

#[OpenApi(tag = "Tag::People")]
impl UserApi {
    /// List interests
    ///
    /// What a person can care about. Needs no token and never fails.
    #[oai(path = "/users/interests-choices", method = "get", operation_id = "listInterests")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn list_interests(&self) -> Json<Vec<Choice>> {
        let choice = |category: &Category| Choice { value: *category, label: category.label() };
        Json(Category::ALL.iter().map(choice).collect())
    }

    /// List people
    ///
    /// Everybody whose address is verified, newest first. Fails with 400 for a malformed parameter and 401 without a token.
    #[oai(path = "/users", method = "get", operation_id = "listUsers")]
    async fn list_users(
        &self,
        _caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<PublicUser>>, Problem> {
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(self.accounts.store().db(), after, limit).await?;
        Ok(Json(Page::of(rows, limit, AccountRow::cursor, PublicUser::from)))
    }

    /// Read one's own account
    ///
    /// For the suspended and the banned, too. Fails with 401 without a token, and 404 in the moment after it was closed.
    #[oai(path = "/users/me", method = "get", operation_id = "getMe")]
    async fn get_me(&self, caller: AnyCaller) -> Result<FoundMe, Problem> {
        let row = self.find(self.accounts.store().db(), caller.user_id()).await?;
        let version = row.version();
        Ok(FoundMe::Me(Json(row.into()), version.into()))
    }

    /// Read a person
    ///
    /// Fails with 400 for a malformed id, 401 without a token and 404 if there is no such person.
    #[oai(path = "/users/:user_id", method = "get", operation_id = "getUser")]
    async fn get_user(&self, _caller: Caller, user_id: Path<UserId>) -> Result<Found, Problem> {
        let row = self.find(self.accounts.store().db(), user_id.0).await?;
        let version = row.version();
        Ok(Found::User(Json(row.into()), version.into()))
    }

    /// Change one's own account
    ///
    /// Replaces names and interests; repeating what holds changes nothing. Fails with 400 for a malformed request, 401 without
    /// a token, 403 for anybody else's account or while muted, 412 if it is not at the version of `If-Match` and 422 for a
    /// name that is not acceptable.
    #[oai(path = "/users/:user_id", method = "put", operation_id = "updateUser")]
    async fn update_user(
        &self,
        caller: Caller,
        user_id: Path<UserId>,
        #[oai(name = "If-Match")] if_match: Header<Option<ETag>>,
        request: Json<UpdateUserRequest>,
    ) -> Result<Found, Problem> {
        caller.may_write()?;
        own(&caller, user_id.0)?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        let first_name = clean_name(&request.first_name)?;
        let last_name = clean_name(&request.last_name)?;
        let accounts = &self.accounts;
        let (user_id, metadata) = (caller.user_id(), caller.metadata());

        let work = accounts.store().begin().await?;
        accounts.expect(&work, user_id, expected).await?;
        accounts
            .users
            .execute_in(&work, user_id, Expected::Any, &metadata, |user| {
                user.change_interests(&request.interests)
            })
            .await?;
        let before = self.find(work.txn(), user_id).await?;
        if (&before.first_name, &before.last_name) != (&first_name, &last_name) {
            let key = PersonalKey::load(work.txn(), &accounts.keyring, user_id).await?;
            let key = key.ok_or(UserError::NotFound)?;
            let first_name = key.seal(field::FIRST_NAME, &first_name)?;
            let last_name = key.seal(field::LAST_NAME, &last_name)?;
            accounts
                .credentials
                .execute_in(&work, user_id, Expected::Any, &metadata, |credential| {
                    credential.rename(first_name.clone(), last_name.clone())
                })
                .await?;
        }
        let row = self.find(work.txn(), user_id).await?;
        work.commit().await?;
        let version = row.version();
        Ok(Found::User(Json(row.into()), version.into()))
    }

    /// Close one's own account
    ///
    /// For good: sessions and connections end, and address and names are erased. For the suspended and the banned, too. Fails with 400 for a malformed id, 401
    /// without a token, 403 for anybody else's account and 412 if it is not at the version of `If-Match`.
    #[oai(path = "/users/:user_id", method = "delete", operation_id = "deleteUser")]
    async fn delete_user(
        &self,
        caller: AnyCaller,
        user_id: Path<UserId>,
        #[oai(name = "If-Match")] if_match: Header<Option<ETag>>,
    ) -> Result<Deleted, Problem> {
        own(&caller, user_id.0)?;
        let expected = ETag::expected_or_any(if_match.0.as_ref())?;
        self.accounts.delete(&caller, expected).await?;
        Ok(Deleted::Gone)
    }
}

impl UserApi {
    async fn find(
        &self,
        connection: &impl ConnectionTrait,
        user_id: UserId,
    ) -> Result<AccountRow, Problem> {
        let row = view::find(connection, user_id).await?.filter(|row| row.email_verified);
        row.ok_or_else(|| UserError::NotFound.into())
    }
}

impl Accounts {
    /// Locks account and credential, and refuses unless the account is at the version that is shown.
    pub(super) async fn expect(
        &self,
        work: &UnitOfWork,
        user_id: UserId,
        expected: Expected,
    ) -> Result<(), Problem> {
        let (nobody, any) = (Metadata::default(), Expected::Any);
        self.users.execute_in(work, user_id, any, &nobody, User::sign_in).await?;
        self.credentials
            .execute_in(work, user_id, any, &nobody, |_| Ok::<_, CredentialError>(vec![]))
            .await?;
        let Expected::Exactly(version) = expected else { return Ok(()) };
        let row = view::find(work.txn(), user_id).await?.ok_or(UserError::NotFound)?;
        if row.version() == version { Ok(()) } else { Err(Problem::precondition_failed()) }
    }
}

fn own(caller: &Identity, user_id: UserId) -> Result<(), Problem> {
    if caller.user_id() == user_id {
        Ok(())
    } else {
        Err(Problem::forbidden("not-own-account", "only its owner may change an account"))
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found("user"),
            UserError::Exists | UserError::AlreadyVerified => {
                Self::conflict("account-state", error.to_string())
            }
            UserError::MayNotSignIn => Self::unauthorized("the account is closed or not verified"),
        }
    }
}
