//! The endpoints of sessions.

use chrono::{DateTime, Utc};
use poem::{http::StatusCode, web::Data};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::{Form, Json},
    types::{Example, Password as Secret},
};
use serde::Deserialize;
use service_kit::{
    AnyCaller, Problem, caller::RequestContext, example, problem::ProblemDetails,
    trust::ACCESS_TOKEN_SECONDS,
};
use shared_schemas::{SessionId, UserId, session::RevocationReason, user::Role};

use super::sign_in::{Grant, SignInError};
use crate::{
    Tag,
    accounts::Accounts,
    credential::{api::throttled, password::Password},
};

/// The endpoints.
pub struct SessionApi {
    /// What they work with.
    pub accounts: Accounts,
}

/// An address and its password.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct SignInRequest {
    /// The address of a verified account.
    #[oai(validator(min_length = 1, max_length = 254))]
    email: String,
    /// Its password.
    #[oai(validator(min_length = 1, max_length = 256))]
    password: Secret,
}

impl Example for SignInRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Secret("copper lantern drifts north".to_owned()),
        }
    }
}

/// The password form of OAuth 2.0 (RFC 6749 §4.3.2).
#[derive(Object, Deserialize)]
#[oai(example)]
struct PasswordForm {
    /// `password`, if present.
    #[oai(skip_serializing_if_is_none)]
    grant_type: Option<String>,
    /// The e-mail address.
    username: String,
    /// The password.
    password: String,
    /// Ignored: an access token is for everything its owner may do.
    #[serde(default)]
    #[oai(skip_serializing_if_is_none)]
    scope: Option<String>,
    /// Ignored: there are no clients to tell apart.
    #[serde(default)]
    #[oai(skip_serializing_if_is_none)]
    client_id: Option<String>,
    /// Ignored, as `client_id`.
    #[serde(default)]
    #[oai(skip_serializing_if_is_none)]
    client_secret: Option<String>,
}

impl Example for PasswordForm {
    fn example() -> Self {
        Self {
            grant_type: Some("password".to_owned()),
            username: "ada@example.com".to_owned(),
            password: "copper lantern drifts north".to_owned(),
            scope: None,
            client_id: None,
            client_secret: None,
        }
    }
}

/// A refresh token.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct RefreshRequest {
    /// The newest one of the session.
    #[oai(validator(min_length = 1, max_length = 256))]
    refresh_token: Secret,
}

impl Example for RefreshRequest {
    fn example() -> Self {
        Self { refresh_token: Secret(Tokens::example().refresh_token) }
    }
}

/// What a client needs to act for a person.
#[derive(Object)]
#[oai(example)]
struct Tokens {
    /// Put it into the `Authorization` header of requests, after `Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: String,
    /// Seconds for which the access token is good.
    expires_in: i64,
    /// Good once, within seven days, for the next pair of tokens.
    refresh_token: String,
}

impl Example for Tokens {
    fn example() -> Self {
        Self {
            access_token: "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_TOKEN_SECONDS,
            refresh_token: "xVuqf0XOJX7wLB2_OsC8z8p6E610yjWbHnTyvQSdWBg".to_owned(),
        }
    }
}

impl From<Grant> for Tokens {
    fn from(grant: Grant) -> Self {
        Self {
            access_token: grant.access_token,
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_TOKEN_SECONDS,
            refresh_token: grant.refresh_token,
        }
    }
}

/// What an access token says.
#[derive(Object)]
#[oai(example)]
struct TokenDescription {
    /// Whose it is.
    user_id: UserId,
    /// The session it belongs to.
    session_id: SessionId,
    /// What its owner may do.
    roles: Vec<Role>,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
}

impl Example for TokenDescription {
    fn example() -> Self {
        Self {
            user_id: UserId(example::id(1)),
            session_id: SessionId(example::id(6)),
            roles: vec![Role::User],
            expires_at: example::moment(),
        }
    }
}

#[derive(ApiResponse)]
enum SignedIn {
    /// The person is signed in.
    #[oai(status = 200)]
    Tokens(Json<Tokens>),
    /// Too many failures.
    #[oai(status = 429, content_type = "application/problem+json")]
    Throttled(
        Json<ProblemDetails>,
        /// Seconds until the next attempt.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

#[derive(ApiResponse)]
enum SignedOut {
    /// The session has ended.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Sessions")]
impl SessionApi {
    /// Sign in
    ///
    /// Begins a session. Whoever is suspended or banned gets one to read what is held against them, to appeal and to close the account;
    /// everything else answers 403 with the end of the sanction. Fails with 400 for a malformed request, 401 `invalid-credentials` if
    /// the address is unknown or not verified or the password another one, all alike; 429 after ten failures within ten minutes, and 503
    /// while too many others sign in.
    #[oai(path = "/signin", method = "post", operation_id = "signIn")]
    async fn sign_in(
        &self,
        context: Data<&RequestContext>,
        request: Json<SignInRequest>,
    ) -> Result<SignedIn, Problem> {
        self.begin(&request.email, &request.password, &context).await
    }

    /// Sign in with the OAuth 2.0 password form
    ///
    /// The same as `signin`, in the form that API tools send (RFC 6749 §4.3.2); `username` is the e-mail address. Fails as
    /// `signin` does, and with 400 for another `grant_type`.
    #[oai(path = "/token", method = "post", operation_id = "signInWithForm")]
    async fn sign_in_with_form(
        &self,
        context: Data<&RequestContext>,
        request: Form<PasswordForm>,
    ) -> Result<SignedIn, Problem> {
        if request.grant_type.as_ref().is_some_and(|grant_type| grant_type != "password") {
            return Err(Problem::bad_request(
                "unsupported-grant-type",
                "the only grant_type is password",
            ));
        }
        self.begin(&request.username, &request.password, &context).await
    }

    /// Continue a session
    ///
    /// Exchanges a refresh token for the next pair of tokens. A repetition within ten seconds, for a client that lost the
    /// answer, gets the same refresh token. Any later use of a token that was used ends the session, since two parties hold
    /// it. Fails with 400 for a malformed request and 401 `invalid-refresh-token`.
    #[oai(path = "/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        context: Data<&RequestContext>,
        request: Json<RefreshRequest>,
    ) -> Result<Json<Tokens>, Problem> {
        let grant = self.accounts.refresh(&request.refresh_token, context.metadata()).await?;
        Ok(Json(grant.into()))
    }

    /// Sign out
    ///
    /// Ends the session of the access token everywhere, within a second. Fails with 401 without a token.
    #[oai(path = "/signout", method = "post", operation_id = "signOut")]
    async fn sign_out(&self, caller: AnyCaller) -> Result<SignedOut, Problem> {
        let work = self.accounts.store().begin().await?;
        let reason = RevocationReason::SignedOut;
        self.accounts.revoke(&work, caller.session_id(), reason, &caller.metadata()).await?;
        work.commit().await?;
        Ok(SignedOut::Done)
    }

    /// Describe the access token
    ///
    /// Fails with 401 if it is not good.
    #[oai(path = "/verify-token", method = "get", operation_id = "verifyToken")]
    #[expect(clippy::unused_async, reason = "every operation is awaited")]
    async fn verify_token(&self, caller: AnyCaller) -> Result<Json<TokenDescription>, Problem> {
        let claims = caller.claims();
        Ok(Json(TokenDescription {
            user_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles.clone(),
            expires_at: DateTime::from_timestamp(claims.exp, 0).unwrap_or_default(),
        }))
    }
}

impl SessionApi {
    async fn begin(
        &self,
        email: &str,
        password: &str,
        context: &RequestContext,
    ) -> Result<SignedIn, Problem> {
        let password = Password::typed(password);
        match self.accounts.sign_in(email, password, context.metadata()).await {
            Ok(grant) => Ok(SignedIn::Tokens(Json(grant.into()))),
            Err(SignInError::Throttled { retry_after }) => {
                Ok(SignedIn::Throttled(Json(throttled().details().clone()), retry_after))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        let unauthorized = |kind: &str, title: &str| {
            Self::new(StatusCode::UNAUTHORIZED, kind, title, Some(error.to_string()))
        };
        match error {
            SignInError::InvalidCredentials => {
                unauthorized("invalid-credentials", "The credentials are not good")
            }
            SignInError::InvalidRefreshToken => {
                unauthorized("invalid-refresh-token", "Sign in again")
            }
            SignInError::Throttled { .. } => throttled(),
            SignInError::Hashing(error) => error.into(),
            SignInError::Secret(error) => error.into(),
            SignInError::Storage(error) => error.into(),
            SignInError::Sign(_) | SignInError::Record(_) => Self::internal(&error),
        }
    }
}
