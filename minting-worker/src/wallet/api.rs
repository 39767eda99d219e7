//! Wallets over HTTP.

use aws_lc_rs::rand;
use chrono::{DateTime, Duration, Utc};
use event_runtime::{Expected, Streams};
use poem_openapi::{ApiResponse, Object, OpenApi, Tags, payload::Json, types::Example};
use service_kit::{Caller, Problem, example};

use super::{
    address::Address,
    aggregate::{Challenge, Wallet, WalletError},
    view::{self, Proven},
};
use crate::content;

/// How long a text to sign is good.
const MINUTES: i64 = 10;

const EXAMPLE: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

#[derive(Tags)]
enum Tag {
    /// Where people's tokens go.
    Wallets,
}

/// An address that the caller claims.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct ClaimAddress {
    /// `0x` and 40 hexadecimal digits; with capitals, they are those of EIP-55.
    #[oai(validator(pattern = "^0x[0-9a-fA-F]{40}$"))]
    address: String,
}

impl Example for ClaimAddress {
    fn example() -> Self {
        Self { address: EXAMPLE.to_owned() }
    }
}

/// What to sign.
#[derive(Object)]
#[oai(example, rename = "WalletChallenge")]
struct ShownChallenge {
    /// The text, to be signed as it is by `personal_sign` (EIP-191).
    message: String,
    /// The address that is to sign it, with its checksum.
    address: String,
    /// When a signature comes too late.
    expires_at: DateTime<Utc>,
}

impl ShownChallenge {
    fn of(challenge: Challenge, user_id: shared_schemas::UserId) -> Self {
        let message = challenge.text(user_id);
        Self { message, address: challenge.address, expires_at: challenge.expires_at }
    }
}

impl Example for ShownChallenge {
    fn example() -> Self {
        let challenge = Challenge {
            address: EXAMPLE.to_owned(),
            nonce: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
            expires_at: example::moment(),
        };
        Self::of(challenge, shared_schemas::UserId(example::id(1)))
    }
}

/// A signature of the text.
#[derive(Object)]
#[oai(example, deny_unknown_fields)]
struct ProveAddress {
    /// `0x` and 130 hexadecimal digits: r, s and v.
    #[oai(validator(pattern = "^0x[0-9a-fA-F]{130}$"))]
    signature: String,
}

impl Example for ProveAddress {
    fn example() -> Self {
        Self { signature: format!("0x{}1b", "5a".repeat(64)) }
    }
}

/// Where the caller's tokens go.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "Wallet")]
pub struct ShownWallet {
    /// With its EIP-55 checksum.
    pub address: String,
    /// When it was proven.
    pub proven_at: DateTime<Utc>,
}

impl From<Proven> for ShownWallet {
    fn from(Proven { address, proven_at }: Proven) -> Self {
        Self { address, proven_at }
    }
}

impl Example for ShownWallet {
    fn example() -> Self {
        Self { address: EXAMPLE.to_owned(), proven_at: example::moment() }
    }
}

#[derive(ApiResponse)]
enum Removed {
    /// There is no address any more.
    #[oai(status = 204)]
    Gone,
}

/// The endpoints of wallets.
pub struct WalletApi {
    /// The wallets.
    pub wallets: Streams<Wallet>,
}

#[OpenApi(tag = "Tag::Wallets")]
impl WalletApi {
    /// Read the own wallet
    ///
    /// Fails with 401 without a token and 404 if the caller has proven no address.
    #[oai(path = "/mints/wallet", method = "get", operation_id = "getWallet")]
    async fn get_wallet(&self, caller: Caller) -> Result<Json<ShownWallet>, Problem> {
        let proven = view::find(self.wallets.store().db(), caller.user_id()).await?;
        proven.map(|proven| Json(proven.into())).ok_or_else(|| Problem::not_found("wallet"))
    }

    /// Ask for a text to sign
    ///
    /// Only its last one counts, for 10 minutes. Fails with 400 for a malformed request, 401 without a token and 422 for an
    /// address whose capitals do not fit or that nobody owns.
    #[oai(path = "/mints/wallet/challenge", method = "post", operation_id = "challengeWallet")]
    async fn challenge(
        &self,
        caller: Caller,
        request: Json<ClaimAddress>,
    ) -> Result<Json<ShownChallenge>, Problem> {
        let address: Address =
            request.address.parse().map_err(|error: super::address::AddressError| {
                Problem::unprocessable("invalid-address", error.to_string())
            })?;
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|error| Problem::internal(&error))?;
        let challenge = Challenge {
            address: address.to_string(),
            nonce: format!("{:032x}", u128::from_be_bytes(nonce)),
            // In whole seconds: it stands in the text.
            expires_at: DateTime::from_timestamp(self.now().timestamp(), 0).unwrap_or_default()
                + Duration::minutes(MINUTES),
        };
        self.wallets
            .execute(caller.user_id(), Expected::Any, &caller.metadata(), |wallet| {
                Ok::<_, WalletError>(wallet.challenge(challenge.clone()))
            })
            .await?;
        Ok(Json(ShownChallenge::of(challenge, caller.user_id())))
    }

    /// Prove an address
    ///
    /// By a signature of the text; it takes the place of the address before it, for whatever is not signed yet. Fails with 400
    /// for a malformed request, 401 without a token, 409 if there is no text to sign or it has expired, and 422 if somebody
    /// else has signed, or another text. An account that is a contract cannot sign and is refused.
    #[oai(path = "/mints/wallet", method = "put", operation_id = "proveWallet")]
    async fn prove(
        &self,
        caller: Caller,
        request: Json<ProveAddress>,
    ) -> Result<Json<ShownWallet>, Problem> {
        let (user_id, now) = (caller.user_id(), self.now());
        let work = self.wallets.store().begin().await?;
        self.wallets
            .execute_in(&work, user_id, Expected::Any, &caller.metadata(), |wallet| {
                wallet.prove(user_id, &request.signature, now)
            })
            .await?;
        content::view::wake_author(work.txn(), user_id, now).await?;
        let proven = view::find(work.txn(), user_id).await?;
        work.commit().await?;
        proven.map(|proven| Json(proven.into())).ok_or_else(|| Problem::not_found("wallet"))
    }

    /// Remove the own wallet
    ///
    /// What is not signed yet is withdrawn. Repeating the request changes nothing. Fails with 401 without a token.
    #[oai(path = "/mints/wallet", method = "delete", operation_id = "removeWallet")]
    async fn remove(&self, caller: Caller) -> Result<Removed, Problem> {
        let work = self.wallets.store().begin().await?;
        self.wallets
            .execute_in(&work, caller.user_id(), Expected::Any, &caller.metadata(), |wallet| {
                Ok::<_, WalletError>(wallet.remove())
            })
            .await?;
        content::view::wake_author(work.txn(), caller.user_id(), self.now()).await?;
        work.commit().await?;
        Ok(Removed::Gone)
    }
}

impl WalletApi {
    fn now(&self) -> DateTime<Utc> {
        self.wallets.store().clock().now()
    }
}

impl From<WalletError> for Problem {
    fn from(error: WalletError) -> Self {
        match &error {
            WalletError::NotChallenged => {
                Self::conflict("wallet-not-challenged", error.to_string())
            }
            WalletError::Expired => Self::conflict("wallet-challenge-expired", error.to_string()),
            WalletError::NoSignature => Self::bad_request("invalid-signature", error.to_string()),
            WalletError::OtherSigner(_) => Self::unprocessable("other-signer", error.to_string()),
        }
    }
}
