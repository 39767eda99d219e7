//! A worker, a chain with the contract on it, and what was minted there.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use event_runtime::{Expected, Streams};
use evm_chain::{
    Address, Call, ContentToken, Item, LocalSigner, Market, Nodes, Signer as _, U256,
    contract::{Log, Outcome},
    sign,
};
use minting_worker::{
    lane::context::token_of,
    mint::{
        aggregate::{Mint, Pin},
        projection::MintReadModel,
    },
};
use sea_orm::{ConnectionTrait as _, FromQueryResult, raw_sql};
use serde_json::json;
use shared_schemas::{MintId, envelope::Metadata, moderation::Subject};
use test_kit::{TestChain, eventually};

use crate::support::{World, person, post, published};

/// How long many mints may take on a busy machine.
pub(crate) const LATER: Duration = Duration::from_mins(2);

/// A person who administers nothing of it: the key that has the contract.
pub(crate) const ADMIN: &str = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

pub(crate) struct ChainWorld {
    pub(crate) world: World,
    pub(crate) chain: TestChain,
    pub(crate) contract: ContentToken,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) mints: Streams<Mint>,
}

/// How a mint stands.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Standing {
    pub(crate) state: String,
    pub(crate) stage: String,
    pub(crate) park_reason: Option<String>,
    pub(crate) tombstoned: bool,
}

/// Settings of a lane that waits for little.
pub(crate) fn quick() -> Vec<(&'static str, String)> {
    [
        ("MINT_BATCH_ITEMS", "5"),
        ("MINT_BATCH_AGE_MS", "100"),
        ("MINT_CONFIRMATIONS", "3"),
        ("MINT_TRUST_FINALIZED", "false"),
        ("MINT_FEE_CAP_GWEI", "10000"),
        ("MINT_BUMP_AFTER_MS", "1500"),
        ("MINT_POLL_MS", "50"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

impl ChainWorld {
    /// A worker whose lanes have these keys; none if minting is off.
    pub(crate) async fn start(keys: &[&str], settings: Vec<(&'static str, String)>) -> Self {
        let chain = TestChain::start(Duration::from_millis(200)).await.unwrap();
        let urls = vec![chain.url()];
        Self::start_on(chain, &urls, keys, settings).await
    }

    /// The same, with these nodes.
    pub(crate) async fn start_on(
        chain: TestChain,
        urls: &[String],
        keys: &[&str],
        mut settings: Vec<(&'static str, String)>,
    ) -> Self {
        let nodes = nodes(&[chain.url()]);
        let contract = deploy(&nodes).await;
        if !keys.is_empty() {
            settings.extend([
                ("CHAIN_RPC_URLS", urls.join(",")),
                ("CHAIN_ID", TestChain::ID.to_string()),
                ("MINT_CONTRACT", evm_chain::checksummed(contract.address)),
                ("MINT_DEV_KEYS", keys.join(",")),
            ]);
        }
        let world = World::start_with(&settings).await;
        let mints = Streams::new(world.running.store.clone(), MintReadModel);
        Self { world, chain, contract, nodes, mints }
    }

    /// Waits until the worker has heard of a post. Its author agreed to nothing, so the worker does nothing about it by itself.
    async fn known(&self, number: u128) {
        let id = post(number);
        eventually(LATER, || async {
            let row = self.world.running.store.db().query_one_raw(raw_sql!(
                Postgres,
                "SELECT 1 AS known FROM content WHERE id = {id}"
            ));
            row.await.unwrap().ok_or("not heard of")
        })
        .await;
    }

    /// Publishes posts with these numbers, and has them requested and pinned: by the test, which chooses owners and digests.
    pub(crate) async fn request(&self, numbers: std::ops::Range<u128>) {
        for number in numbers.clone() {
            self.world.happen_unscreened(post(number), &published(person(1))).await;
        }
        for number in numbers {
            self.pin(number, &owner_of(number)).await;
        }
    }

    /// Has one requested and pinned, as soon as the worker has heard of it.
    pub(crate) async fn pin(&self, number: u128, owner: &str) {
        self.known(number).await;
        let subject = Subject::Post(post(number));
        let (id, metadata) = (mint_id(number), Metadata::default());
        self.mints
            .execute(id, Expected::Any, &metadata, |mint| {
                Ok::<_, Infallible>(mint.request(subject, person(1)))
            })
            .await
            .unwrap();
        let pin = Pin {
            cid: format!("cid-{number}"),
            digest: evm_chain::word(digest_of(number)),
            owner: owner.to_owned(),
        };
        eventually(LATER, || async {
            let (id, metadata) = (mint_id(number), Metadata::default());
            self.mints
                .execute(id, Expected::Any, &metadata, |mint| Ok::<_, Infallible>(mint.pin(&pin)))
                .await
                .unwrap();
            let (mint, _) = self.mints.state(id).await.unwrap();
            if mint.pin.is_some() { Ok(()) } else { Err(mint) }
        })
        .await;
    }

    /// How one stands.
    pub(crate) async fn standing(&self, number: u128) -> Standing {
        let id = mint_id(number);
        Standing::find_by_statement(raw_sql!(
            Postgres,
            "SELECT state, stage, park_reason, tombstoned FROM mint WHERE id = {id}"
        ))
        .one(self.world.running.store.db())
        .await
        .unwrap()
        .unwrap()
    }

    /// Waits until one is at a stage.
    pub(crate) async fn wait_for(&self, number: u128, stage: &str) -> Standing {
        eventually(LATER, || async {
            let standing = self.standing(number).await;
            if standing.stage == stage { Ok(standing) } else { Err(standing) }
        })
        .await
    }

    /// Waits until all are final.
    pub(crate) async fn all_final(&self, numbers: std::ops::Range<u128>) {
        #[derive(Debug, FromQueryResult)]
        struct Stage {
            stage: String,
            mints: i64,
        }
        let wanted = i64::try_from(numbers.end - numbers.start).unwrap();
        eventually(LATER, || async {
            let stages = Stage::find_by_statement(raw_sql!(
                Postgres,
                "SELECT stage, count(*) AS mints FROM mint GROUP BY stage"
            ))
            .all(self.world.running.store.db())
            .await
            .unwrap();
            let done: i64 =
                stages.iter().filter(|row| row.stage == "FINAL").map(|row| row.mints).sum();
            if done == wanted { Ok(()) } else { Err(stages) }
        })
        .await;
    }

    /// How often each token was minted, by the chain's whole log.
    pub(crate) async fn minted(&self) -> HashMap<U256, usize> {
        let height = self.nodes.height().await.unwrap();
        let logs = self.nodes.logs(self.contract.address, json!([]), (0, height)).await.unwrap();
        let logs: Vec<Log> = logs.iter().map(Log::from).collect();
        let mut minted = HashMap::new();
        for (id, outcome) in self.contract.outcomes(&logs) {
            if outcome == Outcome::Minted {
                *minted.entry(id).or_default() += 1;
            }
        }
        minted
    }

    /// Every one of these was minted exactly once, and nothing else was.
    pub(crate) async fn each_exactly_once(&self, numbers: std::ops::Range<u128>) {
        let minted = self.minted().await;
        for number in numbers.clone() {
            assert_eq!(minted.get(&token(number)), Some(&1), "the token of post {number}");
        }
        assert_eq!(minted.len(), numbers.count());
    }

    /// Sends a transaction of a key that is not a lane's, or of one that is, behind its back.
    pub(crate) async fn transact(
        &self,
        key: &str,
        to: Option<Address>,
        input: Vec<u8>,
    ) -> Option<Address> {
        transact(&self.nodes, key, to, input).await
    }

    /// Stops the contract, or lets it go on.
    pub(crate) async fn set_paused(&self, paused: bool) {
        let to = Some(self.contract.address);
        self.transact(ADMIN, to, ContentToken::set_paused(paused)).await;
    }

    /// Mints something directly, as another worker with the same rights would have.
    pub(crate) async fn mint_elsewhere(&self, key: &str, number: u128, digest: [u8; 32]) {
        let owner = owner_of(number).parse().unwrap();
        let item = Item { owner, token_id: token(number), digest };
        self.transact(key, Some(self.contract.address), ContentToken::mint_many(&[item])).await;
    }
}

pub(crate) fn nodes(urls: &[String]) -> Arc<Nodes> {
    let urls = urls.iter().map(|url| url.parse().unwrap());
    Arc::new(Nodes::new(TestChain::ID, urls, Duration::from_secs(5)).unwrap())
}

/// Puts the contract on the chain, in which the accounts of [`TestChain::KEYS`] may mint.
async fn deploy(nodes: &Nodes) -> ContentToken {
    let admin = LocalSigner::from_hex(ADMIN).unwrap().address();
    let [first, second] = TestChain::KEYS.map(|key| LocalSigner::from_hex(key).unwrap().address());
    let code = ContentToken::deployment(admin, first);
    let address = transact(nodes, ADMIN, None, code).await.unwrap();
    transact(nodes, ADMIN, Some(address), ContentToken::allow_minter(second)).await;
    ContentToken { address }
}

async fn transact(
    nodes: &Nodes,
    key: &str,
    to: Option<Address>,
    input: Vec<u8>,
) -> Option<Address> {
    let account = LocalSigner::from_hex(key).unwrap();
    let gas = nodes.estimate(account.address(), to, &input).await.unwrap();
    let fees = Market::read(nodes).await.unwrap().offer(u64::MAX);
    let nonce = nodes.mined_nonce(account.address()).await.unwrap();
    let call = Call { to, input, gas: gas + gas / 4 };
    let signed = sign(&account, TestChain::ID, nonce, &call, fees).await.unwrap();
    nodes.send(&[&signed.raw]).await;
    let receipt = eventually(LATER, || async {
        let found = nodes.receipts(&[signed.hash]).await.unwrap();
        found.into_iter().flatten().next().ok_or("not in a block")
    })
    .await;
    assert_eq!(receipt.status.0, 1);
    receipt.contract_address
}

pub(crate) fn mint_id(number: u128) -> MintId {
    MintId::of(Subject::Post(post(number)))
}

pub(crate) fn token(number: u128) -> U256 {
    token_of(Subject::Post(post(number)))
}

pub(crate) fn digest_of(number: u128) -> [u8; 32] {
    evm_chain::contract::id_bytes(U256::from(number) + U256::from(0x1000))
}

pub(crate) fn owner_of(number: u128) -> String {
    let low = u64::try_from(number % 3).unwrap() + 0x5000;
    evm_chain::checksummed(Address::from_low_u64_be(low))
}
