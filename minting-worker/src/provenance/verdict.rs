//! What the evidence comes to.

use poem_openapi::Enum;

/// What somebody is told of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename = "ProvenanceVerdict", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Every link holds: the text makes the document, the document is there, and the token names it.
    Match,
    /// The text changed after the token was made of it.
    EditedSinceMint,
    /// The token on the chain names another document.
    UriMismatch,
    /// No place gives the document back.
    NotPinned,
    /// The block with the token is not part of the chain any more.
    Reorged,
    /// Moderation has hidden the content since.
    ModeratedAfterMint,
}

/// Every link that can break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The CID that the token was made of.
    pub minted_cid: String,
    /// The CID of what the text makes now; `None` when there is no text or no salt any more.
    pub recomputed_cid: Option<String>,
    /// What the contract says; empty if it knows no such token.
    pub uri: String,
    /// The receipt is there, of a success, in the block where we saw it, and that block is part of the chain.
    pub is_in_chain: bool,
    /// Some place gave the document back and it hashes to its CID.
    pub is_fetched: bool,
    /// Moderation hides the content.
    pub is_moderated: bool,
}

impl Links {
    /// The first broken link: what is true of the chain comes before what is true of the content, and that before places.
    pub fn verdict(&self) -> Verdict {
        let is_other = !self.uri.is_empty() && self.uri != format!("ipfs://{}", self.minted_cid);
        let is_edited = self.recomputed_cid.as_ref().is_some_and(|cid| *cid != self.minted_cid);
        if is_other {
            Verdict::UriMismatch
        } else if self.uri.is_empty() || !self.is_in_chain {
            Verdict::Reorged
        } else if self.is_moderated {
            Verdict::ModeratedAfterMint
        } else if is_edited {
            Verdict::EditedSinceMint
        } else if !self.is_fetched || self.recomputed_cid.is_none() {
            Verdict::NotPinned
        } else {
            Verdict::Match
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Links {
        Links {
            minted_cid: "bafkone".to_owned(),
            recomputed_cid: Some("bafkone".to_owned()),
            uri: "ipfs://bafkone".to_owned(),
            is_in_chain: true,
            is_fetched: true,
            is_moderated: false,
        }
    }

    #[test]
    fn each_broken_link_gives_its_verdict() {
        let other = || "bafktwo".to_owned();

        assert_eq!(whole().verdict(), Verdict::Match);
        for (links, verdict) in [
            (Links { uri: "ipfs://bafktwo".to_owned(), ..whole() }, Verdict::UriMismatch),
            (Links { uri: String::new(), ..whole() }, Verdict::Reorged),
            (Links { is_in_chain: false, ..whole() }, Verdict::Reorged),
            (Links { is_moderated: true, ..whole() }, Verdict::ModeratedAfterMint),
            (Links { recomputed_cid: Some(other()), ..whole() }, Verdict::EditedSinceMint),
            (Links { is_fetched: false, ..whole() }, Verdict::NotPinned),
            (Links { recomputed_cid: None, ..whole() }, Verdict::NotPinned),
        ] {
            assert_eq!(links.verdict(), verdict, "{links:?}");
        }
    }
}
