//! Several nodes of one chain: whoever answers is asked, and what must be true is asked of all.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use ethers_core::types::{Address, H256, U256};
use futures_util::future::join_all;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::{
    contract::Log,
    node::{Node, RpcError},
    quantity::{Amount, Data, Quantity, data, quantity},
};

/// How long a node that gave no answer is asked last.
const REST: Duration = Duration::from_secs(5);

/// How long a chain id that a node told is believed.
const IDENTITY: Duration = Duration::from_mins(1);

/// Why the chain says nothing.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// Nobody answers, or everybody refuses; this is what the last one said.
    #[error("none of {nodes} node(s) answers")]
    Unanswered {
        /// How many were asked.
        nodes: usize,
        /// What the last of them said.
        source: RpcError,
    },
    /// Every node that answers is one of another chain.
    #[error("no node of chain {0} answers")]
    WrongChain(u64),
    /// Too few nodes say the same.
    #[error("too few nodes agree on {0}")]
    Disagreement(&'static str),
    /// The chain has no fee market (EIP-1559).
    #[error("the chain does not say what gas costs")]
    NoMarket,
}

/// A block, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Block {
    /// Its height.
    pub number: Quantity,
    /// Its hash.
    pub hash: H256,
}

/// What became of a transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Which one.
    pub transaction_hash: H256,
    /// The height of its block.
    pub block_number: Quantity,
    /// The hash of its block.
    pub block_hash: H256,
    /// 1 if it did what it was to do, 0 if it was reverted.
    pub status: Quantity,
    /// What it used up.
    pub gas_used: Quantity,
    /// What it paid for a unit of it, in wei.
    pub effective_gas_price: Quantity,
    /// Where a contract was made.
    #[serde(default)]
    pub contract_address: Option<Address>,
    /// What contracts wrote.
    pub logs: Vec<RawLog>,
}

/// An entry of a log, as nodes write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawLog {
    /// Who wrote it.
    pub address: Address,
    /// What kind, and its indexed fields.
    pub topics: Vec<H256>,
    /// The other fields.
    pub data: Data,
    /// The height of its block.
    pub block_number: Quantity,
    /// The hash of its block.
    pub block_hash: H256,
    /// The transaction that wrote it.
    pub transaction_hash: H256,
}

impl From<&RawLog> for Log {
    fn from(log: &RawLog) -> Self {
        Self { address: log.address, topics: log.topics.clone(), data: log.data.0.clone() }
    }
}

/// How a node fares.
#[derive(Clone, Debug)]
pub struct Health {
    /// Which one.
    pub name: String,
    /// It answered when it was asked last, and is of the right chain.
    pub is_well: bool,
    /// What it said last when it was not.
    pub complaint: Option<String>,
}

#[derive(Default)]
struct Standing {
    resting_until: Option<Instant>,
    complaint: Option<String>,
    identified: Option<Instant>,
}

/// All nodes that are known of one chain.
pub struct Nodes {
    chain_id: u64,
    nodes: Vec<(Node, Mutex<Standing>)>,
}

impl Nodes {
    /// The nodes at these addresses, each with this long to answer.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if this machine cannot do TLS.
    pub fn new(
        chain_id: u64,
        urls: impl IntoIterator<Item = Url>,
        timeout: Duration,
    ) -> Result<Self, RpcError> {
        let nodes = urls
            .into_iter()
            .map(|url| Ok((Node::new(url, timeout)?, Mutex::default())))
            .collect::<Result<_, RpcError>>()?;
        Ok(Self { chain_id, nodes })
    }

    /// Which chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// How many nodes must say the same: more than half.
    pub fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// How each of them fares.
    pub fn health(&self) -> Vec<Health> {
        let health = |(node, standing): &(Node, Mutex<Standing>)| {
            let standing = lock(standing);
            let complaint = standing.complaint.clone();
            Health { name: node.name(), is_well: complaint.is_none(), complaint }
        };
        self.nodes.iter().map(health).collect()
    }

    /// Asks one after the other until one answers; a node that refuses has answered.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn ask<R: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<R, NodesError> {
        let mut last = None;
        for at in self.order() {
            let Some((node, _)) = self.nodes.get(at) else { continue };
            match self.identified(at).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            }
            match node.call(method, params.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error @ RpcError::Refused(_)) => {
                    // A call that is reverted is reverted everywhere.
                    if error.revert_data().is_some() {
                        return Err(NodesError::Unanswered {
                            nodes: self.nodes.len(),
                            source: error,
                        });
                    }
                    last = Some(error);
                }
                Err(error) => {
                    self.rest(at, &error);
                    last = Some(error);
                }
            }
        }
        Err(self.unanswered(last))
    }

    /// Asks one after the other until one answers all calls of a batch, each by itself.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn ask_many<R: DeserializeOwned>(
        &self,
        calls: &[(&str, Value)],
    ) -> Result<Vec<Result<R, RpcError>>, NodesError> {
        let mut last = None;
        for at in self.order() {
            let Some((node, _)) = self.nodes.get(at) else { continue };
            match self.identified(at).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            }
            match node.batch(calls).await {
                Ok(answers) => return Ok(answers),
                Err(error) => {
                    self.rest(at, &error);
                    last = Some(error);
                }
            }
        }
        Err(self.unanswered(last))
    }

    /// Asks everybody the same; what nobody answers is left out.
    pub async fn ask_all<R: DeserializeOwned>(&self, calls: &[(&str, Value)]) -> Vec<Vec<R>> {
        let ask = async |at: usize| {
            let (node, _) = self.nodes.get(at)?;
            if !self.identified(at).await.unwrap_or(false) {
                return None;
            }
            match node.batch::<R>(calls).await {
                Ok(answers) => answers.into_iter().collect::<Result<Vec<R>, _>>().ok(),
                Err(error) => {
                    self.rest(at, &error);
                    None
                }
            }
        };
        join_all((0..self.nodes.len()).map(ask)).await.into_iter().flatten().collect()
    }

    /// Gives transactions to everybody. What a node says to it is no proof of anything: the chain is asked afterwards.
    pub async fn send(&self, transactions: &[&[u8]]) -> bool {
        let calls: Vec<(&str, Value)> =
            transactions.iter().map(|raw| ("eth_sendRawTransaction", json!([data(raw)]))).collect();
        let send = async |at: usize| {
            let Some((node, _)) = self.nodes.get(at) else { return false };
            if !self.identified(at).await.unwrap_or(false) {
                return false;
            }
            match node.batch::<Value>(&calls).await {
                Ok(_) => true,
                Err(error) => {
                    self.rest(at, &error);
                    false
                }
            }
        };
        join_all((0..self.nodes.len()).map(send)).await.contains(&true)
    }

    /// The highest number of transactions that more than half of the nodes count for an account.
    ///
    /// # Errors
    ///
    /// [`NodesError::Disagreement`] if too few answer.
    pub async fn mined_nonce(&self, account: Address) -> Result<u64, NodesError> {
        let call = ("eth_getTransactionCount", json!([account, "latest"]));
        self.agreed_height("the nonce", call).await
    }

    /// The same at a height.
    ///
    /// # Errors
    ///
    /// [`NodesError::Disagreement`] if too few answer.
    pub async fn nonce_at(&self, account: Address, height: u64) -> Result<u64, NodesError> {
        let call = ("eth_getTransactionCount", json!([account, quantity(height)]));
        self.agreed_height("the nonce", call).await
    }

    /// Whether any node has a receipt of any of these transactions.
    pub async fn anybody_has_receipt(&self, hashes: &[H256]) -> bool {
        let calls: Vec<_> =
            hashes.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))).collect();
        self.ask_all::<Value>(&calls).await.iter().flatten().any(|receipt| !receipt.is_null())
    }

    /// The height that more than half of the nodes have reached.
    ///
    /// # Errors
    ///
    /// [`NodesError::Disagreement`] if too few answer.
    pub async fn height(&self) -> Result<u64, NodesError> {
        self.agreed_height("the height", ("eth_blockNumber", json!([]))).await
    }

    async fn agreed_height(
        &self,
        what: &'static str,
        call: (&str, Value),
    ) -> Result<u64, NodesError> {
        let mut answers: Vec<u64> =
            self.ask_all::<Quantity>(&[call]).await.into_iter().flatten().map(|q| q.0).collect();
        answers.sort_unstable_by(|a, b| b.cmp(a));
        answers.get(self.quorum() - 1).copied().ok_or(NodesError::Disagreement(what))
    }

    /// The height up to which the chain calls itself final; `None` if it does not say.
    pub async fn finalized(&self) -> Option<u64> {
        let call = ("eth_getBlockByNumber", json!(["finalized", false]));
        let mut answers: Vec<u64> = self
            .ask_all::<Block>(&[call])
            .await
            .into_iter()
            .flatten()
            .map(|b| b.number.0)
            .collect();
        answers.sort_unstable_by(|a, b| b.cmp(a));
        answers.get(self.quorum() - 1).copied()
    }

    /// The hashes of blocks at these heights, by whoever answers first; `None` for a height that is not reached.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn block_hashes(&self, heights: &[u64]) -> Result<Vec<Option<H256>>, NodesError> {
        let calls: Vec<_> = heights
            .iter()
            .map(|height| ("eth_getBlockByNumber", json!([quantity(*height), false])))
            .collect();
        let answers = self.ask_many::<Option<Block>>(&calls).await?;
        answers
            .into_iter()
            .map(|answer| Ok(answer.map_err(|e| self.unanswered(Some(e)))?.map(|b| b.hash)))
            .collect()
    }

    /// The receipts of transactions, by whoever answers first; `None` for one that is in no block.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn receipts(&self, hashes: &[H256]) -> Result<Vec<Option<Receipt>>, NodesError> {
        let calls: Vec<_> =
            hashes.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))).collect();
        let answers = self.ask_many::<Option<Receipt>>(&calls).await?;
        answers
            .into_iter()
            .map(|answer| answer.map_err(|error| self.unanswered(Some(error))))
            .collect()
    }

    /// Which of these transactions somebody has, in a block or waiting for one.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn known(&self, hashes: &[H256]) -> Result<Vec<bool>, NodesError> {
        let calls: Vec<_> =
            hashes.iter().map(|hash| ("eth_getTransactionByHash", json!([hash]))).collect();
        let answers = self.ask_many::<Value>(&calls).await?;
        Ok(answers.into_iter().map(|answer| answer.is_ok_and(|found| !found.is_null())).collect())
    }

    /// What contracts would answer, at a height or now. A call that is reverted is an error of its own.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn read(
        &self,
        contract: Address,
        inputs: &[Vec<u8>],
        height: Option<u64>,
    ) -> Result<Vec<Result<Vec<u8>, RpcError>>, NodesError> {
        let answers = self.ask_many::<Data>(&reads(contract, inputs, height)).await?;
        Ok(answers.into_iter().map(|answer| answer.map(|data| data.0)).collect())
    }

    /// What more than half of the nodes say that contracts answer at a height.
    ///
    /// # Errors
    ///
    /// [`NodesError::Disagreement`] if they do not.
    pub async fn read_agreed(
        &self,
        contract: Address,
        inputs: &[Vec<u8>],
        height: u64,
    ) -> Result<Vec<Vec<u8>>, NodesError> {
        let answers: Vec<Vec<Data>> = self.ask_all(&reads(contract, inputs, Some(height))).await;
        let agreed = answers
            .iter()
            .find(|one| answers.iter().filter(|other| other == one).count() >= self.quorum());
        let agreed = agreed.ok_or(NodesError::Disagreement("the contract's answers"))?;
        Ok(agreed.iter().map(|data| data.0.clone()).collect())
    }

    /// The hash of a block by which more than half of the nodes know a height; `None` if too few agree.
    pub async fn agreed_hash(&self, height: u64) -> Option<H256> {
        let call = ("eth_getBlockByNumber", json!([quantity(height), false]));
        let answers: Vec<H256> =
            self.ask_all::<Block>(&[call]).await.into_iter().flatten().map(|b| b.hash).collect();
        let is_agreed =
            |hash: &&H256| answers.iter().filter(|other| other == hash).count() >= self.quorum();
        answers.iter().find(is_agreed).copied()
    }

    /// How much gas a call would use, before anybody pays for it.
    ///
    /// # Errors
    ///
    /// [`NodesError`]; with [`RpcError::revert_data`] if it would be reverted.
    pub async fn estimate(
        &self,
        from: Address,
        to: Option<Address>,
        input: &[u8],
    ) -> Result<u64, NodesError> {
        let mut call = json!({ "from": from, "data": data(input) });
        if let (Some(to), Some(fields)) = (to, call.as_object_mut()) {
            fields.insert("to".to_owned(), json!(to));
        }
        self.ask::<Quantity>("eth_estimateGas", json!([call])).await.map(|gas| gas.0)
    }

    /// What an account has, in wei.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn balance(&self, account: Address) -> Result<U256, NodesError> {
        let balance = self.ask::<Amount>("eth_getBalance", json!([account, "latest"])).await?;
        Ok(balance.0)
    }

    /// Whether there is code at these addresses.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn have_code(&self, addresses: &[Address]) -> Result<Vec<bool>, NodesError> {
        let calls: Vec<_> =
            addresses.iter().map(|address| ("eth_getCode", json!([address, "latest"]))).collect();
        let answers = self.ask_many::<Data>(&calls).await?;
        let code = answers.into_iter().map(|answer| answer.map(|code| !code.0.is_empty()));
        code.map(|answer| answer.map_err(|error| self.unanswered(Some(error)))).collect()
    }

    /// The log of a contract between two heights, both included, narrowed to some topics.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn logs(
        &self,
        contract: Address,
        topics: Value,
        (from, to): (u64, u64),
    ) -> Result<Vec<RawLog>, NodesError> {
        let filter = json!({
            "address": contract, "topics": topics,
            "fromBlock": quantity(from), "toBlock": quantity(to),
        });
        self.ask("eth_getLogs", json!([filter])).await
    }

    /// Nodes in the order in which they are asked: those that answer, and then those that did not.
    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let is_resting = |at: &usize| {
            self.nodes.get(*at).is_some_and(|(_, standing)| {
                lock(standing).resting_until.is_some_and(|until| until > now)
            })
        };
        let (resting, well): (Vec<usize>, Vec<usize>) = (0..self.nodes.len()).partition(is_resting);
        well.into_iter().chain(resting).collect()
    }

    /// Whether the node is of this chain; asked anew once a minute.
    async fn identified(&self, at: usize) -> Result<bool, RpcError> {
        let Some((node, standing)) = self.nodes.get(at) else { return Ok(false) };
        if lock(standing).identified.is_some_and(|since| since.elapsed() < IDENTITY) {
            return Ok(true);
        }
        match node.call::<Quantity>("eth_chainId", json!([])).await {
            Ok(chain_id) if chain_id.0 == self.chain_id => {
                *lock(standing) =
                    Standing { identified: Some(Instant::now()), ..Standing::default() };
                Ok(true)
            }
            Ok(chain_id) => {
                let complaint = format!("is of chain {}", chain_id.0);
                if lock(standing).complaint.as_ref() != Some(&complaint) {
                    tracing::error!(node = node.name(), expected = self.chain_id, "{complaint}");
                }
                lock(standing).complaint = Some(complaint);
                Ok(false)
            }
            Err(error) => {
                self.rest(at, &error);
                Err(error)
            }
        }
    }

    fn rest(&self, at: usize, error: &RpcError) {
        let Some((node, standing)) = self.nodes.get(at) else { return };
        let mut standing = lock(standing);
        if standing.complaint.is_none() {
            tracing::warn!(
                node = node.name(),
                error = error as &dyn std::error::Error,
                "a node gives no answer"
            );
        }
        let resting_until = Some(Instant::now() + REST);
        let complaint = Some(error.to_string());
        *standing = Standing { resting_until, complaint, identified: None };
    }

    fn unanswered(&self, last: Option<RpcError>) -> NodesError {
        let nodes = self.nodes.len();
        last.map_or(NodesError::WrongChain(self.chain_id), |source| NodesError::Unanswered {
            nodes,
            source,
        })
    }
}

impl NodesError {
    /// What the contract returned when a call was reverted; `None` if this is about something else.
    pub fn revert_data(&self) -> Option<Vec<u8>> {
        match self {
            Self::Unanswered { source, .. } => source.revert_data(),
            Self::WrongChain(_) | Self::Disagreement(_) | Self::NoMarket => None,
        }
    }
}

fn reads<'a>(contract: Address, inputs: &[Vec<u8>], height: Option<u64>) -> Vec<(&'a str, Value)> {
    let at = height.map_or_else(|| json!("latest"), quantity);
    inputs
        .iter()
        .map(|input| ("eth_call", json!([{ "to": contract, "data": data(input) }, at])))
        .collect()
}

fn lock(standing: &Mutex<Standing>) -> std::sync::MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
