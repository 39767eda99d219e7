//! A private Redis Cluster per test.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fred::{
    clients::Client,
    types::{ClusterHash, FromValue, Value},
};
use local_stack::{ports::free_port, redis::RedisServer};
use tempfile::TempDir;

use crate::{
    eventually,
    redis::{connect, send},
};

/// How many nodes have slots.
const MASTERS: usize = 3;

/// All slots of a cluster.
const SLOTS: u16 = 16_384;

/// How long a cluster may take to agree.
const LIMIT: Duration = Duration::from_secs(30);

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

struct Node {
    server: RedisServer,
    /// To this node alone.
    client: Client,
    id: String,
    is_dead: bool,
    _directory: TempDir,
}

impl Node {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let bus = free_port()?.to_string();
        // A dead node is replaced after about two seconds.
        let more = [
            ["--cluster-enabled", "yes"],
            ["--cluster-port", &bus],
            ["--cluster-node-timeout", "1500"],
            ["--cluster-replica-validity-factor", "0"],
        ];
        let server = RedisServer::start_bare_with(directory.path(), more.as_flattened()).await?;
        let client = connect(&server.url()).await?;
        let id = ask(&client, &["CLUSTER", "MYID"]).await?;
        Ok(Self { server, client, id, is_dead: false, _directory: directory })
    }

    fn port(&self) -> u16 {
        self.server.port()
    }
}

async fn ask<R: FromValue>(client: &Client, words: &[&str]) -> Result<R> {
    let arguments = words.iter().map(|word| Value::from(*word)).collect();
    let asked = send(client, ClusterHash::FirstKey, arguments);
    let answer = tokio::time::timeout(PATIENCE, asked).await.context("no answer");
    answer.flatten().with_context(|| words.join(" "))
}

/// Three nodes with slots, each with a replica or none; they end when this is dropped.
pub struct TestRedisCluster {
    nodes: Vec<Node>,
}

impl TestRedisCluster {
    /// Starts a cluster without data.
    ///
    /// # Errors
    ///
    /// When Redis is not installed or does not start, or the nodes do not agree.
    pub async fn start(with_replicas: bool) -> Result<Self> {
        let count = if with_replicas { 2 * MASTERS } else { MASTERS };
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Node::start().await?);
        }
        let (masters, replicas) = nodes.split_at(MASTERS);
        let step = usize::from(SLOTS).div_ceil(MASTERS);
        let first = masters.first().context("no node")?;
        for (index, master) in masters.iter().enumerate() {
            let from = (index * step).to_string();
            let to = ((index + 1) * step - 1).min(usize::from(SLOTS) - 1).to_string();
            let epoch = (index + 1).to_string();
            let () = ask(&master.client, &["CLUSTER", "ADDSLOTSRANGE", &from, &to]).await?;
            let () = ask(&master.client, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
        }
        let port = first.port().to_string();
        // The bus of the first node is not at its port plus 10 000, so it has to be said.
        let bus: String = ask::<Vec<String>>(&first.client, &["CONFIG", "GET", "cluster-port"])
            .await?
            .into_iter()
            .nth(1)
            .context("no cluster port")?;
        for node in nodes.iter().skip(1) {
            let () = ask(&node.client, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
        }
        eventually(LIMIT, || agreed(&nodes, count)).await;
        for (master, replica) in masters.iter().zip(replicas) {
            let () = ask(&replica.client, &["CLUSTER", "REPLICATE", &master.id]).await?;
        }
        for replica in replicas {
            eventually(LIMIT, || follows(replica)).await;
        }
        Ok(Self { nodes })
    }

    /// Its URL, which names one of the nodes.
    pub fn url(&self) -> String {
        let mut ports = self.nodes.iter().map(Node::port);
        let first = ports.next().unwrap_or(0);
        let others: Vec<String> = ports.map(|port| format!("node=127.0.0.1:{port}")).collect();
        format!("{}?{}", url(first), others.join("&"))
    }

    /// Sends a command about one key to whichever node has it; the key is the second word.
    ///
    /// # Errors
    ///
    /// What Redis answers, or when it does not.
    pub async fn command<R: FromValue>(&self, words: &[&str]) -> Result<R> {
        let key = words.get(1).copied().unwrap_or_default();
        let slot = fred::util::redis_keyslot(key.as_bytes()).to_string();
        ask(&self.owner_of(&slot).await?.client, words).await
    }

    /// Moves the slot of a key, and everything in it, to another node, key by key while the cluster works. Returns how many
    /// keys were moved.
    ///
    /// # Errors
    ///
    /// What Redis answers, or when it does not.
    pub async fn move_slot_of(&self, key: &str) -> Result<usize> {
        let slot = fred::util::redis_keyslot(key.as_bytes()).to_string();
        let from = self.owner_of(&slot).await?;
        let index = self.nodes.iter().position(|node| node.id == from.id).context("no owner")?;
        let to = self.nodes.get((index + 1) % MASTERS).context("no other node")?;
        let () = ask(&to.client, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from.id]).await?;
        let () = ask(&from.client, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to.id]).await?;
        let mut moved = 0;
        loop {
            let keys: Vec<String> =
                ask(&from.client, &["CLUSTER", "GETKEYSINSLOT", &slot, "1"]).await?;
            let Some(key) = keys.first() else { break };
            let port = to.port().to_string();
            let _: String =
                ask(&from.client, &["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await?;
            moved += 1;
        }
        let () = ask(&to.client, &["CLUSTER", "SETSLOT", &slot, "NODE", &to.id]).await?;
        let () = ask(&from.client, &["CLUSTER", "SETSLOT", &slot, "NODE", &to.id]).await?;
        Ok(moved)
    }

    /// Kills the node that has the slot of a key (SIGKILL), and waits until another one has it.
    ///
    /// # Errors
    ///
    /// When nobody has it, or the system refuses.
    pub async fn kill_owner_of(&mut self, key: &str) -> Result<()> {
        let slot = fred::util::redis_keyslot(key.as_bytes()).to_string();
        let id = self.owner_of(&slot).await?.id.clone();
        let dead = self.nodes.iter_mut().find(|node| node.id == id).context("no owner")?;
        dead.is_dead = true;
        dead.server.kill().await?;
        let alive: Vec<&Node> = self.nodes.iter().filter(|node| !node.is_dead).collect();
        eventually(LIMIT, || async {
            for node in &alive {
                let owner = owner(&node.client, &slot).await?;
                ensure!(owner != id, "{} knows no other owner", node.port());
            }
            Ok(())
        })
        .await;
        Ok(())
    }

    async fn owner_of(&self, slot: &str) -> Result<&Node> {
        let mut asked = self.nodes.iter().filter(|node| !node.is_dead);
        loop {
            let node = asked.next().context("nobody knows the owner")?;
            let Ok(id) = owner(&node.client, slot).await else { continue };
            return self.nodes.iter().find(|node| node.id == id).context("an unknown owner");
        }
    }
}

fn url(port: u16) -> String {
    format!("redis-cluster://127.0.0.1:{port}")
}

/// The id of the node that has a slot, as one node knows it.
async fn owner(client: &Client, slot: &str) -> Result<String> {
    let slot: u64 = slot.parse()?;
    let ranges: Vec<Vec<Value>> = ask(client, &["CLUSTER", "SLOTS"]).await?;
    let range = ranges.into_iter().find(|range| {
        let bound = |index: usize| range.get(index).and_then(Value::as_u64);
        bound(0).is_some_and(|from| from <= slot) && bound(1).is_some_and(|to| slot <= to)
    });
    let master = range.and_then(|range| range.into_iter().nth(2)).context("nobody has the slot")?;
    let Value::Array(master) = master else { return Err(anyhow::anyhow!("no master")) };
    master.get(2).and_then(Value::as_string).context("no id")
}

/// Everybody knows everybody, and all slots are served.
async fn agreed(nodes: &[Node], count: usize) -> Result<()> {
    for node in nodes {
        let info: String = ask(&node.client, &["CLUSTER", "INFO"]).await?;
        let knows = format!("cluster_known_nodes:{count}\r\n");
        ensure!(info.contains("cluster_state:ok") && info.contains(&knows), "{info}");
    }
    Ok(())
}

async fn follows(replica: &Node) -> Result<()> {
    let info: String = ask(&replica.client, &["INFO", "replication"]).await?;
    ensure!(info.contains("role:slave") && info.contains("master_link_status:up"), "{info}");
    Ok(())
}
