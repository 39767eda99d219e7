//! A chain with the contract on it.

use std::time::Duration;

use evm_chain::{
    Address, Call, ContentToken, LocalSigner, Market, Nodes, Signer as _, answers::Receipt,
    contract::Log, sign,
};
use test_kit::{TestChain, eventually};

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) chain: TestChain,
    pub(crate) nodes: Nodes,
    pub(crate) signer: LocalSigner,
    pub(crate) contract: ContentToken,
}

pub(crate) fn nodes_at(urls: &[String]) -> Nodes {
    let urls = urls.iter().map(|url| url.parse().unwrap());
    Nodes::new(TestChain::ID, urls, Duration::from_secs(5)).unwrap()
}

impl World {
    pub(crate) async fn start() -> Self {
        let chain = TestChain::start(Duration::from_millis(200)).await.unwrap();
        let nodes = nodes_at(&[chain.url()]);
        let signer = LocalSigner::from_hex(TestChain::KEYS[0]).unwrap();
        let mut world =
            Self { chain, nodes, signer, contract: ContentToken { address: Address::zero() } };
        let code = ContentToken::deployment(world.signer.address(), world.signer.address());
        world.contract.address = world.transact(None, code).await.contract_address.unwrap();
        world
    }

    /// Sends a transaction, and waits until it is in a block.
    pub(crate) async fn transact(&self, to: Option<Address>, input: Vec<u8>) -> Receipt {
        let gas = self.nodes.estimate(self.signer.address(), to, &input).await.unwrap();
        let fees = Market::read(&self.nodes).await.unwrap().offer(u64::MAX);
        let nonce = self.nodes.mined_nonce(self.signer.address()).await.unwrap();
        let call = Call { to, input, gas: gas + gas / 4 };
        let signed = sign(&self.signer, TestChain::ID, nonce, &call, fees).await.unwrap();
        assert!(self.nodes.send(&[&signed.raw]).await);
        let receipt = eventually(SOON, || async {
            let found = self.nodes.receipts(&[signed.hash]).await.unwrap();
            found.into_iter().flatten().next().ok_or("not in a block")
        })
        .await;
        assert_eq!(receipt.transaction_hash, signed.hash);
        receipt
    }

    pub(crate) async fn mint(&self, items: &[evm_chain::Item]) -> Receipt {
        self.transact(Some(self.contract.address), ContentToken::mint_many(items)).await
    }
}

pub(crate) fn logs(receipt: &Receipt) -> Vec<Log> {
    receipt.logs.iter().map(Log::from).collect()
}
