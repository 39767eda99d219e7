//! The endpoints of signing up and of passwords.

use poem::web::Data;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    payload::Json,
    types::{Example, Password as Secret},
};
use service_kit::{
    Caller, Problem,
    caller::RequestContext,
    problem::ProblemDetails,
    text::{self, TextError},
};
use shared_schemas::post::Category;

use super::{
    choose_password::choose,
    email::{Email, EmailError},
    password::{HashingError, WeakPassword},
    register::{RegisterError, SignUp},
    request_reset::Forgotten,
};
use crate::{Tag, accounts::Accounts, secret::SecretError, session::sign_in::SignInError};

/// Unicode scalar values of a first or last name.
const NAME: std::ops::RangeInclusive<usize> = 1..=50;

/// The endpoints.
pub struct CredentialApi {
    /// What they work with.
    pub accounts: Accounts,
}

/// Who signs up.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct SignUpRequest {
    /// The address that the code is mailed to.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// 12 to 256 characters that are not easy to guess, in any composition.
    #[oai(validator(min_length = 12, max_length = 256))]
    password: Secret,
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

impl Example for SignUpRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            password: Secret("copper lantern drifts north".to_owned()),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            interests: vec![Category::Scientific, Category::Books],
        }
    }
}

/// A code that came by mail.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct VerifyEmailRequest {
    /// The address that it was mailed to.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// Eight digits.
    #[oai(validator(pattern = "^[0-9]{8}$"))]
    code: String,
}

impl Example for VerifyEmailRequest {
    fn example() -> Self {
        Self { email: "ada@example.com".to_owned(), code: "12345678".to_owned() }
    }
}

/// The password as it is and as it shall be.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct ChangePasswordRequest {
    /// The password that the caller signs in with now.
    #[oai(validator(min_length = 1, max_length = 256))]
    current_password: Secret,
    /// 12 to 256 characters that are not easy to guess, in any composition.
    #[oai(validator(min_length = 12, max_length = 256))]
    new_password: Secret,
}

impl Example for ChangePasswordRequest {
    fn example() -> Self {
        Self {
            current_password: Secret("copper lantern drifts north".to_owned()),
            new_password: Secret("seven herons guard the ferry".to_owned()),
        }
    }
}

/// Whose password was forgotten.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct ForgotPasswordRequest {
    /// The address that the code is mailed to.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
}

impl Example for ForgotPasswordRequest {
    fn example() -> Self {
        Self { email: "ada@example.com".to_owned() }
    }
}

/// A code that came by mail, and the password that it allows to choose.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct ResetPasswordRequest {
    /// The address that the code was mailed to.
    #[oai(validator(min_length = 3, max_length = 254))]
    email: String,
    /// Eight digits.
    #[oai(validator(pattern = "^[0-9]{8}$"))]
    code: String,
    /// 12 to 256 characters that are not easy to guess, in any composition.
    #[oai(validator(min_length = 12, max_length = 256))]
    new_password: Secret,
}

impl Example for ResetPasswordRequest {
    fn example() -> Self {
        Self {
            email: "ada@example.com".to_owned(),
            code: "12345678".to_owned(),
            new_password: Secret("seven herons guard the ferry".to_owned()),
        }
    }
}

/// What happens next, for a person to read.
#[derive(Object)]
#[oai(example)]
struct Message {
    /// One sentence.
    message: String,
}

impl Example for Message {
    fn example() -> Self {
        Self { message: "The address is verified. You can sign in.".to_owned() }
    }
}

fn message(text: &str) -> Json<Message> {
    Json(Message { message: text.to_owned() })
}

#[derive(ApiResponse)]
enum Accepted {
    /// The mail tells the rest.
    #[oai(status = 202)]
    Accepted(Json<Message>),
}

#[derive(ApiResponse)]
enum Changed {
    /// The password is the new one.
    #[oai(status = 204)]
    Done,
    /// Too many wrong passwords.
    #[oai(status = 429, content_type = "application/problem+json")]
    Throttled(
        Json<ProblemDetails>,
        /// Seconds until the next attempt.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

#[derive(ApiResponse)]
enum Reset {
    /// The password is the new one.
    #[oai(status = 204)]
    Done,
}

#[OpenApi(prefix_path = "/auth", tag = "Tag::Accounts")]
impl CredentialApi {
    /// Sign up
    ///
    /// Mails a code to the address; with it, `verify-email` makes the account active. The answer is the same whether the
    /// address is known or not: the owner of a known one is told by mail. Signing up again before verification replaces what
    /// was given before and mails another code, once a minute at most. Fails with 400 for a malformed request, 422 for an
    /// address, a name or a password that is not acceptable, and 503 while too many others sign up.
    #[oai(path = "/signup", method = "post", operation_id = "signUp")]
    async fn sign_up(
        &self,
        context: Data<&RequestContext>,
        request: Json<SignUpRequest>,
    ) -> Result<Accepted, Problem> {
        let request = request.0;
        let email = Email::parse_new(&request.email, self.accounts.demo_accounts)?;
        let first_name = clean_name(&request.first_name)?;
        let last_name = clean_name(&request.last_name)?;
        let password = choose(&request.password, email.key(), &[&first_name, &last_name])?;
        let hash = self.accounts.passwords.hash(password).await?;
        let sign_up = SignUp {
            email: email.written().to_owned(),
            password: hash.to_string(),
            first_name,
            last_name,
            interests: request.interests,
            metadata: context.metadata(),
        };
        sign_up.enqueue(&self.accounts).await?;
        Ok(Accepted::Accepted(message(
            "We have sent a mail to this address; it says how to go on.",
        )))
    }

    /// Verify the address
    ///
    /// Makes the account active, so that its owner can sign in. Fails with 400 `invalid-code` if the code is wrong, older than
    /// ten minutes, used, or was entered wrongly five times; also if the address is unknown or verified already.
    #[oai(path = "/verify-email", method = "post", operation_id = "verifyEmail")]
    async fn verify_email(
        &self,
        context: Data<&RequestContext>,
        request: Json<VerifyEmailRequest>,
    ) -> Result<Json<Message>, Problem> {
        self.accounts.verify_email(&request.email, &request.code, context.metadata()).await?;
        Ok(message("The address is verified; you can sign in."))
    }

    /// Change the password
    ///
    /// All other sessions end. Fails with 400 for a malformed request, 401 without a token, 403 `wrong-password` if the
    /// current password is another one, 422 for a new password that is not acceptable, 429 after ten wrong ones and 503 while
    /// too many others wait.
    #[oai(path = "/change-password", method = "post", operation_id = "changePassword")]
    async fn change_password(
        &self,
        caller: Caller,
        request: Json<ChangePasswordRequest>,
    ) -> Result<Changed, Problem> {
        let (current, new) = (&request.current_password, &request.new_password);
        match self.accounts.change_password(&caller, current, new).await? {
            Ok(()) => Ok(Changed::Done),
            Err(SignInError::InvalidCredentials) => {
                Err(Problem::forbidden("wrong-password", "the current password is another one"))
            }
            Err(SignInError::Throttled { retry_after }) => {
                Ok(Changed::Throttled(Json(throttled().details().clone()), retry_after))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ask for a code to choose a new password
    ///
    /// Mails a code to the address if it belongs to a verified account, once a minute at most. The answer is the same in any
    /// case. Fails with 400 for a malformed request and 422 for what is no address.
    #[oai(path = "/forgot-password", method = "post", operation_id = "forgotPassword")]
    async fn forgot_password(
        &self,
        context: Data<&RequestContext>,
        request: Json<ForgotPasswordRequest>,
    ) -> Result<Accepted, Problem> {
        let email = Email::parse(&request.email)?;
        let forgotten =
            Forgotten { email: email.written().to_owned(), metadata: context.metadata() };
        forgotten.enqueue(&self.accounts).await?;
        Ok(Accepted::Accepted(message("If this address has an account, a code is on its way.")))
    }

    /// Choose a new password
    ///
    /// All sessions end; sign in with the new password. Fails with 400 `invalid-code` as `verify-email` does, 422 for a
    /// password that is not acceptable and 503 while too many others wait.
    #[oai(path = "/reset-password", method = "post", operation_id = "resetPassword")]
    async fn reset_password(
        &self,
        context: Data<&RequestContext>,
        request: Json<ResetPasswordRequest>,
    ) -> Result<Reset, Problem> {
        let metadata = context.metadata();
        self.accounts
            .reset_password(&request.email, &request.code, &request.new_password, metadata)
            .await?;
        Ok(Reset::Done)
    }
}

/// What a person is called, on one line.
///
/// # Errors
///
/// 422 says what is wrong with it.
pub fn clean_name(name: &str) -> Result<String, Problem> {
    let unacceptable =
        |what: String| Problem::unprocessable("invalid-name", format!("the name {what}"));
    let name =
        text::clean(name, &NAME).map_err(|error: TextError| unacceptable(error.to_string()))?;
    if name.contains(['\n', '\r', '\t']) {
        return Err(unacceptable("is not on one line".to_owned()));
    }
    Ok(name)
}

/// What is answered after too many failures, next to `Retry-After`.
pub fn throttled() -> Problem {
    Problem::new(
        poem::http::StatusCode::TOO_MANY_REQUESTS,
        "too-many-failures",
        "Too many failed attempts",
        Some("wait, or choose a new password with a code by mail".to_owned()),
    )
}

impl From<EmailError> for Problem {
    fn from(error: EmailError) -> Self {
        Self::unprocessable("invalid-email", format!("the e-mail address {error}"))
    }
}

impl From<WeakPassword> for Problem {
    fn from(error: WeakPassword) -> Self {
        Self::unprocessable("weak-password", format!("the password {error}"))
    }
}

impl From<HashingError> for Problem {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::unavailable("too many people sign in; try again"),
            HashingError::Hash(_) | HashingError::Stored(_) | HashingError::Task(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Storage(error) => error.into(),
            SecretError::NoRandomness | SecretError::DoesNotOpen | SecretError::Unexpected => {
                Self::internal(&error)
            }
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Secret(error) => error.into(),
            RegisterError::Email(error) => error.into(),
            RegisterError::AddressTaken
            | RegisterError::Payload(_)
            | RegisterError::User(_)
            | RegisterError::Credential(_) => Self::internal(&error),
        }
    }
}
