//! What a lane asks of the chain: of whoever answers, or of more than half of the nodes.

use ethers_core::types::{Address, H256, U256};
use serde_json::{Value, json};

use crate::{
    answers::{Block, RawLog, Receipt},
    node::RpcError,
    nodes::{Nodes, NodesError},
    quantity::{Amount, Data, Quantity, data, quantity},
};

impl Nodes {
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
        let questions: Vec<_> = inputs.iter().map(|input| (input.clone(), height)).collect();
        self.read_agreed_at(contract, &questions).await
    }

    /// The same of questions each at a height of its own.
    ///
    /// # Errors
    ///
    /// [`NodesError::Disagreement`] if they do not.
    pub async fn read_agreed_at(
        &self,
        contract: Address,
        questions: &[(Vec<u8>, u64)],
    ) -> Result<Vec<Vec<u8>>, NodesError> {
        let call = |(input, height): &(Vec<u8>, u64)| {
            let call = json!({ "to": contract, "data": data(input) });
            ("eth_call", json!([call, quantity(*height)]))
        };
        let calls: Vec<_> = questions.iter().map(call).collect();
        let answers: Vec<Vec<Data>> = self.ask_all(&calls).await;
        let agreed = answers
            .iter()
            .find(|one| answers.iter().filter(|other| other == one).count() >= self.quorum());
        let agreed = agreed.ok_or(NodesError::Disagreement("the contract's answers"))?;
        Ok(agreed.iter().map(|data| data.0.clone()).collect())
    }

    /// The hashes of blocks by which more than half of the nodes know these heights; `None` where too few agree.
    pub async fn agreed_hashes(&self, heights: &[u64]) -> Vec<Option<H256>> {
        let call = |height: &u64| ("eth_getBlockByNumber", json!([quantity(*height), false]));
        let calls: Vec<_> = heights.iter().map(call).collect();
        let answers: Vec<Vec<Option<Block>>> = self.ask_all(&calls).await;
        let agreed = |at: usize| {
            let said: Vec<H256> = answers
                .iter()
                .filter_map(|one| one.get(at).copied().flatten().map(|block| block.hash))
                .collect();
            let is_agreed =
                |hash: &&H256| said.iter().filter(|other| other == hash).count() >= self.quorum();
            said.iter().find(is_agreed).copied()
        };
        (0..heights.len()).map(agreed).collect()
    }

    /// What calls would come to, each with the most gas that it may use; nobody pays. A call that is reverted is an error of its
    /// own.
    ///
    /// # Errors
    ///
    /// [`NodesError`].
    pub async fn try_calls(
        &self,
        from: Address,
        to: Address,
        calls: &[(Vec<u8>, u64)],
    ) -> Result<Vec<Result<(), RpcError>>, NodesError> {
        let call = |(input, gas): &(Vec<u8>, u64)| {
            let call =
                json!({ "from": from, "to": to, "data": data(input), "gas": quantity(*gas) });
            ("eth_call", json!([call, "latest"]))
        };
        let calls: Vec<_> = calls.iter().map(call).collect();
        let answers = self.ask_many::<Value>(&calls).await?;
        Ok(answers.into_iter().map(|answer| answer.map(|_| ())).collect())
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
}

fn reads<'a>(contract: Address, inputs: &[Vec<u8>], height: Option<u64>) -> Vec<(&'a str, Value)> {
    let at = height.map_or_else(|| json!("latest"), quantity);
    inputs
        .iter()
        .map(|input| ("eth_call", json!([{ "to": contract, "data": data(input) }, at])))
        .collect()
}
