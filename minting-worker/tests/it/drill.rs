//! Lanes that are killed all the time, on a chain that forgets, reorganises and becomes dear: every content is minted exactly once.

use std::{io::Write as _, process::Stdio, time::Duration};

use sea_orm::{FromQueryResult, raw_sql};
use serde_json::json;
use test_kit::TestChain;
use tokio::process::{Child, Command};

use crate::chain::{ChainWorld, LATER, quick};

/// How many processes are killed at random; `cargo xtask drill mint --kills N` says it.
fn kills() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the launcher's command says how long the drill is"
    )]
    let kills = std::env::var("PEERLINK_DRILL_KILLS");
    kills.ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

struct Lanes<'a> {
    world: &'a ChainWorld,
    seed: u32,
}

impl Lanes<'_> {
    /// A process with one lane; it is killed when this is dropped.
    fn spawn(&mut self, key: &str, step: Option<(&str, u32)>) -> Child {
        self.seed += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_lane-worker"));
        command
            .arg(&self.world.world.database_url)
            .arg(self.world.chain.url())
            .arg(evm_chain::checksummed(self.world.contract.address))
            .arg(key)
            .arg(self.seed.to_string());
        if let Some((step, times)) = step {
            command.args([step, &times.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    }
}

#[derive(Debug, FromQueryResult)]
struct LaneTotals {
    all_slots: i64,
    nonces: i64,
    open: i64,
    foreign: i64,
    attempts: i64,
}

/// For who runs the drill by hand.
fn figure(text: std::fmt::Arguments<'_>) {
    std::io::stderr().lock().write_fmt(format_args!("{text}\n")).unwrap();
}

/// Nonces without a gap, none of somebody else, and nothing left open.
async fn slots_are_whole(world: &ChainWorld) {
    let rows = LaneTotals::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS all_slots, max(nonce) - min(nonce) + 1 AS nonces,
             count(*) FILTER (WHERE state NOT IN ('FINAL', 'FOREIGN')) AS open,
             count(*) FILTER (WHERE state = 'FOREIGN') AS foreign,
             CAST(sum((SELECT count(*) FROM lane_attempt a WHERE (a.lane, a.chain_id, a.nonce) = (s.lane, s.chain_id, s.nonce)))
               AS bigint) AS attempts
           FROM lane_slot s GROUP BY lane"
    ))
    .all(world.world.running.store.db())
    .await
    .unwrap();
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!((row.all_slots, row.open, row.foreign), (row.nonces, 0, 0), "{row:?}");
        figure(format_args!("a lane: {} nonces, {} transactions signed", row.nonces, row.attempts));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_killed_at_any_step_mints_everything_once() {
    let world = ChainWorld::start(&[], quick()).await;
    let mut lanes = Lanes { world: &world, seed: 0 };
    let key = TestChain::KEYS[0];
    let mut requested = 0;
    for step in ["signed", "kept", "sent", "noted", "mined", "final"] {
        // A quick chain may have a transaction in a block before anybody notes that a node has it.
        let blocks = json!([u8::from(step != "noted")]);
        world.chain.call("evm_setIntervalMining", blocks).await.unwrap();
        for _ in 0..2 {
            world.request(requested..requested + 5).await;
            requested += 5;
            dies(lanes.spawn(key, Some((step, 1))), step).await;
        }
    }

    // No blocks but those that are asked for, so that fees must be raised, and the newest block can go away.
    world.chain.call("evm_setIntervalMining", json!([0])).await.unwrap();
    world.request(requested..requested + 5).await;
    dies(lanes.spawn(key, Some(("bumped", 1))), "bumped").await;
    let lane = lanes.spawn(key, Some(("reorged", 1)));
    let newest = requested + 4;
    requested += 5;
    world.wait_for(newest, "BROADCAST").await;
    world.chain.mine(1).await.unwrap();
    world.wait_for(newest, "MINED").await;
    world.chain.reorganise(1).await.unwrap();
    world.chain.mine(1).await.unwrap();
    dies(lane, "reorged").await;
    world.chain.call("evm_setIntervalMining", json!([1])).await.unwrap();

    let _lane = lanes.spawn(key, None);
    world.all_final(0..requested).await;

    world.each_exactly_once(0..requested).await;
    slots_are_whole(&world).await;
}

/// Waits until a lane has killed itself.
async fn dies(mut lane: Child, step: &str) {
    let ended = tokio::time::timeout(LATER, lane.wait()).await;
    assert!(ended.is_ok_and(|ended| !ended.unwrap().success()), "it does not come to {step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_killed_at_random_on_a_faulty_chain_mint_everything_once() {
    let kills = kills();
    let mints = u128::from(kills.max(20)) * 3;
    let world = ChainWorld::start(&[], quick()).await;
    let mut lanes = Lanes { world: &world, seed: 0 };
    let keys = TestChain::KEYS;
    // Two rivals for one lane, and another lane beside them.
    let mut running: Vec<(&str, Child)> =
        [keys[0], keys[0], keys[1]].map(|key| (key, lanes.spawn(key, None))).into();
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let (mut requested, mut faults) = (0, 0);

    for kill in 0..kills {
        let due = mints * u128::from(kill + 1) / u128::from(kills);
        world.request(requested..due).await;
        requested = due;
        tokio::time::sleep(Duration::from_millis(random.u64(30..400))).await;
        let victim = random.usize(0..running.len());
        let (key, lane) = &mut running[victim];
        lane.kill().await.unwrap();
        let key = *key;
        running[victim].1 = lanes.spawn(key, None);
        let fault = match random.u32(0..12) {
            0 => world.chain.reorganise(1).await,
            1 => world.chain.reorganise(random.u64(2..4)).await,
            2 | 3 => world.chain.empty_the_pool().await,
            4 => world.chain.next_base_fee(random.u64(20..200) * 1_000_000_000).await,
            _ => continue,
        };
        // A chain that is younger than the reorganisation is deep refuses it.
        faults += u32::from(fault.is_ok());
    }

    world.all_final(0..mints).await;
    world.each_exactly_once(0..mints).await;
    slots_are_whole(&world).await;
    assert!(kills < 20 || faults > 0);
    figure(format_args!(
        "{mints} contents, {kills} kills, {faults} faults of the chain: each was minted once"
    ));
    world.world.audited().await;
}
