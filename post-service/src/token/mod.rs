//! The token of a post: where it stands on its way to the chain, as the minting worker says.

pub mod projection;

use poem_openapi::{Object, types::Example};
use shared_schemas::mint::MintState;

/// The token of a post.
#[derive(Clone, Debug, Object)]
#[oai(example, rename = "PostToken")]
pub struct ShownToken {
    /// Where it stands.
    pub state: MintState,
    /// Which token of the contract: `0x` and 64 hexadecimal digits.
    #[oai(skip_serializing_if_is_none)]
    pub token_id: Option<String>,
    /// The CID of what it says.
    #[oai(skip_serializing_if_is_none)]
    pub cid: Option<String>,
    /// The transaction that minted it; absent again if a reorganisation of the chain took it back.
    #[oai(skip_serializing_if_is_none)]
    pub tx: Option<String>,
}

impl Example for ShownToken {
    fn example() -> Self {
        Self {
            state: MintState::MintingCompleted,
            token_id: Some(format!("0x{}", "1f".repeat(32))),
            cid: Some("bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e".to_owned()),
            tx: Some(format!("0x{}", "9a".repeat(32))),
        }
    }
}

/// The columns of a token beside those of its post; all of them are absent if there is none.
#[derive(Clone, Debug, Default, sea_orm::FromQueryResult)]
#[expect(clippy::struct_field_names, reason = "they are columns beside others")]
pub struct TokenColumns {
    token_state: Option<MintState>,
    token_id: Option<String>,
    token_cid: Option<String>,
    token_tx: Option<String>,
}

impl TokenColumns {
    /// The token, if there is one.
    pub fn shown(self) -> Option<ShownToken> {
        let Self { token_state, token_id, token_cid: cid, token_tx: tx } = self;
        Some(ShownToken { state: token_state?, token_id, cid, tx })
    }
}
