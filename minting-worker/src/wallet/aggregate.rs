//! The rules of a wallet.

use chrono::{DateTime, Utc};
use event_runtime::Aggregate;
use shared_schemas::{UserId, wallet::WalletEvent};

use super::address::Address;

/// What a command needs to know about a person's wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    /// The proven address.
    pub address: Option<String>,
    /// What the person is to sign.
    pub challenge: Option<Challenge>,
}

/// What a person is to sign, to prove that an address is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The address with its checksum.
    pub address: String,
    /// What makes the text the only one of its kind.
    pub nonce: String,
    /// When it is too late.
    pub expires_at: DateTime<Utc>,
}

/// Why a wallet refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// There is nothing to prove, or it was proven already.
    #[error("ask for a text to sign first")]
    NotChallenged,
    /// The text to sign is too old.
    #[error("the text to sign has expired; ask for a new one")]
    Expired,
    /// No signature at all.
    #[error("a signature is `0x` and 130 hexadecimal digits")]
    NoSignature,
    /// Somebody else's signature, or one of another text.
    #[error("the text was signed by {0}")]
    OtherSigner(String),
}

impl Challenge {
    /// The text to sign. It names the person, so that a signature for one account is none for another.
    pub fn text(&self, user_id: UserId) -> String {
        let Self { address, nonce, expires_at } = self;
        let expires_at = expires_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        format!(
            "PeerLink asks whether this wallet is yours. Signing costs nothing and sends nothing.\n\n\
             Account: {user_id}\nAddress: {address}\nNonce: {nonce}\nExpires: {expires_at}"
        )
    }
}

impl Aggregate for Wallet {
    type Id = UserId;
    type Event = WalletEvent;

    fn evolve(self, event: &WalletEvent) -> Self {
        match event {
            WalletEvent::Challenged { account, nonce, expires_at } => {
                let (address, nonce) = (account.clone(), nonce.clone());
                let challenge = Some(Challenge { address, nonce, expires_at: *expires_at });
                Self { challenge, ..self }
            }
            WalletEvent::Proven { account } => {
                Self { address: Some(account.clone()), challenge: None }
            }
            WalletEvent::Removed {} => Self::default(),
        }
    }
}

impl Wallet {
    /// The person names an address. A challenge before it counts no more.
    pub fn challenge(&self, challenge: Challenge) -> Vec<WalletEvent> {
        let Challenge { address: account, nonce, expires_at } = challenge;
        vec![WalletEvent::Challenged { account, nonce, expires_at }]
    }

    /// The person has signed. The proven address takes the place of another; a challenge is good for one proof.
    ///
    /// # Errors
    ///
    /// [`WalletError`], with what is wrong.
    pub fn prove(
        &self,
        user_id: UserId,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<WalletEvent>, WalletError> {
        let challenge = self.challenge.as_ref().ok_or(WalletError::NotChallenged)?;
        if now >= challenge.expires_at {
            return Err(WalletError::Expired);
        }
        let signer = Address::of_signer(&challenge.text(user_id), signature)
            .ok_or(WalletError::NoSignature)?
            .to_string();
        if signer != challenge.address {
            return Err(WalletError::OtherSigner(signer));
        }
        Ok(vec![WalletEvent::Proven { account: signer }])
    }

    /// The person takes the address back; nothing if there is none.
    pub fn remove(&self) -> Vec<WalletEvent> {
        if *self == Self::default() { Vec::new() } else { vec![WalletEvent::Removed {}] }
    }
}

#[cfg(test)]
mod tests {
    use ethers_signers::{LocalWallet, Signer};
    use uuid::Uuid;

    use super::*;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const BERT: UserId = UserId(Uuid::from_u128(2));

    fn key() -> LocalWallet {
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse().unwrap()
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap()
    }

    fn challenged(address: &str) -> Wallet {
        let challenge = Challenge {
            address: address.to_owned(),
            nonce: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
            expires_at: at(10),
        };
        Wallet::default().challenge(challenge).iter().fold(Wallet::default(), Wallet::evolve)
    }

    fn mine() -> Wallet {
        challenged("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    }

    async fn signed(wallet: &Wallet, user_id: UserId) -> String {
        let text = wallet.challenge.as_ref().unwrap().text(user_id);
        format!("0x{}", key().sign_message(text).await.unwrap())
    }

    #[tokio::test]
    async fn the_owner_of_an_address_proves_it_once() {
        let wallet = mine();
        let signature = signed(&wallet, ANNA).await;

        let proven = wallet.prove(ANNA, &signature, at(9)).unwrap();
        let wallet = proven.iter().fold(wallet, Wallet::evolve);

        assert_eq!(wallet.address.as_deref(), Some("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(wallet.prove(ANNA, &signature, at(9)), Err(WalletError::NotChallenged));
        assert_eq!(wallet.remove(), [WalletEvent::Removed {}]);
        assert_eq!(Wallet::default().remove(), []);
    }

    #[tokio::test]
    async fn a_signature_is_good_for_one_person_one_text_and_some_minutes() {
        let wallet = mine();
        let signature = signed(&wallet, ANNA).await;

        assert!(matches!(wallet.prove(BERT, &signature, at(1)), Err(WalletError::OtherSigner(_))));
        assert_eq!(wallet.prove(ANNA, &signature, at(10)), Err(WalletError::Expired));
        assert_eq!(wallet.prove(ANNA, "0x1234", at(1)), Err(WalletError::NoSignature));
        let other = challenged("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
        let refused = other.prove(ANNA, &signed(&other, ANNA).await, at(1));
        assert!(matches!(refused, Err(WalletError::OtherSigner(_))), "{refused:?}");
    }
}
