//! Several nodes of one chain: whoever answers is asked, and what must be true is asked of all.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::{
    node::{Node, RpcError},
    quantity::{Quantity, data},
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

    /// What each node by itself says, of whatever chain it is, with its name: for who checks the settings.
    pub async fn each<R: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Vec<(String, Result<R, RpcError>)> {
        let ask =
            async |(node, _): &(Node, _)| (node.name(), node.call(method, params.clone()).await);
        join_all(self.nodes.iter().map(ask)).await
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

    pub(crate) fn unanswered(&self, last: Option<RpcError>) -> NodesError {
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

fn lock(standing: &Mutex<Standing>) -> std::sync::MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
