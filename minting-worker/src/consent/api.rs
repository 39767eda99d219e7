//! Consent over HTTP.

use event_runtime::{Expected, Streams};
use poem_openapi::{Object, OpenApi, Tags, payload::Json, types::Example};
use service_kit::{Caller, Problem};
use shared_schemas::consent::{MintingWish, TextWish};

use super::{aggregate::Consent, view};
use crate::content;

#[derive(Tags)]
enum Tag {
    /// What people let be minted.
    Consent,
}

/// What the caller lets be minted.
#[derive(Clone, Copy, Debug, Object)]
#[oai(example, deny_unknown_fields, rename = "MintConsent")]
pub struct ShownConsent {
    /// Which posts and comments become tokens.
    pub minting: MintingWish,
    /// What a token says of the text.
    pub text: TextWish,
}

impl Example for ShownConsent {
    fn example() -> Self {
        Self { minting: MintingWish::Ask, text: TextWish::Commitment }
    }
}

/// The endpoints of consent.
pub struct ConsentApi {
    /// What people agreed to.
    pub consents: Streams<Consent>,
}

#[OpenApi(tag = "Tag::Consent")]
impl ConsentApi {
    /// Read what is minted
    ///
    /// What the caller lets be minted: nothing, unless the caller has said so. Fails with 401 without a token.
    #[oai(path = "/mints/consent", method = "get", operation_id = "getMintConsent")]
    async fn get_consent(&self, caller: Caller) -> Result<Json<ShownConsent>, Problem> {
        let given = view::find(self.consents.store().db(), caller.user_id()).await?;
        Ok(Json(given.map_or(
            ShownConsent { minting: MintingWish::Nothing, text: TextWish::Commitment },
            |given| ShownConsent { minting: given.minting, text: given.text },
        )))
    }

    /// Decide what is minted
    ///
    /// Holds for what is not signed yet: what the caller does not want any more is withdrawn. `EVERYTHING` is about what is
    /// published from now on. A token cannot be taken back, and the full text of one stays for ever. Repeating the request
    /// changes nothing. Fails with 400 for a malformed request and 401 without a token.
    #[oai(path = "/mints/consent", method = "put", operation_id = "setMintConsent")]
    async fn set_consent(
        &self,
        caller: Caller,
        request: Json<ShownConsent>,
    ) -> Result<Json<ShownConsent>, Problem> {
        let ShownConsent { minting, text } = request.0;
        let store = self.consents.store();
        let work = store.begin().await?;
        self.consents
            .execute_in(&work, caller.user_id(), Expected::Any, &caller.metadata(), |consent| {
                Ok::<_, std::convert::Infallible>(consent.set(minting, text))
            })
            .await
            .map_err(crate::unrefused)?;
        content::view::wake_author(work.txn(), caller.user_id(), store.clock().now()).await?;
        work.commit().await?;
        Ok(request)
    }
}
