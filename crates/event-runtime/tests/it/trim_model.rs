//! The trim script on a real server, against what it should do, in every order that chance finds.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use event_runtime::{
    rules::{Required, trim_limit},
    stream::StreamKey,
    trim::{Plan, Trimmed, execute},
};
use fred::{interfaces::ClientLike, types::Value};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use shared_schemas::Service;
use test_kit::TestRedis;

use crate::trim::{BLOCK, small_blocks};

/// Something that happens to a stream or to one of its groups.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// A group is made, at what it has made durable.
    Join(usize),
    /// Redis loses a group.
    Lose(usize),
    /// A group is handed entries.
    Read(usize, usize),
    /// A group makes entries durable that it was handed, and acknowledges some of them.
    Finish(usize, usize, usize),
    /// The producer learns how far a group is.
    Report(usize),
    Register(usize, bool),
    Trim(u64),
}

const GROUPS: [&str; 3] = ["a", "b", "c"];

fn step() -> impl Strategy<Value = Step> {
    let group = || 0..GROUPS.len();
    prop_oneof![
        3 => (1..12_usize).prop_map(Step::Append),
        2 => group().prop_map(Step::Join),
        1 => group().prop_map(Step::Lose),
        3 => (group(), 1..12_usize).prop_map(|(group, count)| Step::Read(group, count)),
        3 => (group(), 1..12_usize, 0..12_usize).prop_map(|(group, count, acks)| Step::Finish(group, count, acks)),
        2 => group().prop_map(Step::Report),
        1 => (group(), any::<bool>()).prop_map(|(group, active)| Step::Register(group, active)),
        3 => (0..8_u64).prop_map(Step::Trim),
    ]
}

/// A group as it should be.
#[derive(Clone, Debug, Default)]
struct Group {
    /// Whether Redis has it, and up to where it was handed entries there.
    delivered: Option<u64>,
    pending: BTreeSet<u64>,
    /// What took effect in its own database.
    durable: u64,
    reported: u64,
    /// Registered: active or retired. `None`: nobody knows it.
    is_active: Option<bool>,
}

struct Model<'a> {
    redis: &'a TestRedis,
    key: StreamKey,
    entries: Vec<u64>,
    last: u64,
    groups: [Group; 3],
}

impl Model<'_> {
    async fn redis<R: fred::types::FromValue>(&self, words: &[&str]) -> R {
        self.redis.command(words).await.unwrap()
    }

    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let key = self.key.to_string();
        match step {
            Step::Append(count) => {
                for _ in 0..count {
                    self.last += 1;
                    let id = format!("{}-0", self.last);
                    let _: String = self.redis(&["XADD", &key, &id, "f", "v"]).await;
                    self.entries.push(self.last);
                }
            }
            Step::Join(group) => {
                if self.groups[group].delivered.is_none() {
                    let id = format!("{}-0", self.groups[group].durable);
                    let words = ["XGROUP", "CREATE", &key, GROUPS[group], &id, "MKSTREAM"];
                    let _: String = self.redis(&words).await;
                    self.groups[group].delivered = Some(self.groups[group].durable);
                }
            }
            Step::Lose(group) => {
                if self.groups[group].delivered.take().is_some() {
                    let _: u64 = self.redis(&["XGROUP", "DESTROY", &key, GROUPS[group]]).await;
                    self.groups[group].pending.clear();
                }
            }
            Step::Read(group, count) => {
                if let Some(delivered) = self.groups[group].delivered {
                    let count_text = count.to_string();
                    let words = [
                        "XREADGROUP",
                        "GROUP",
                        GROUPS[group],
                        "m",
                        "COUNT",
                        &count_text,
                        "STREAMS",
                        &key,
                        ">",
                    ];
                    let _: Value = self.redis(&words).await;
                    let new: Vec<u64> = self
                        .entries
                        .iter()
                        .copied()
                        .filter(|entry| *entry > delivered)
                        .take(count)
                        .collect();
                    if let Some(last) = new.last() {
                        self.groups[group].delivered = Some(*last);
                    }
                    self.groups[group].pending.extend(new);
                }
            }
            Step::Finish(group, count, acks) => {
                let delivered = self.groups[group].delivered.unwrap_or(0);
                let group_name = GROUPS[group];
                let group = &mut self.groups[group];
                group.durable = group.durable.max(delivered.min(group.durable + count as u64));
                let done: Vec<u64> = group
                    .pending
                    .iter()
                    .copied()
                    .filter(|entry| *entry <= group.durable)
                    .take(acks)
                    .collect();
                group.pending.retain(|entry| !done.contains(entry));
                for entry in done {
                    let _: u64 =
                        self.redis(&["XACK", &key, group_name, &format!("{entry}-0")]).await;
                }
            }
            Step::Report(group) => self.groups[group].reported = self.groups[group].durable,
            Step::Register(group, active) => self.groups[group].is_active = Some(active),
            Step::Trim(retention) => self.trim(retention).await?,
        }
        Ok(())
    }

    async fn trim(&mut self, retention: u64) -> Result<(), TestCaseError> {
        let named = |wanted: bool| {
            let groups = GROUPS.iter().zip(&self.groups);
            groups.filter(move |(_, group)| group.is_active == Some(wanted))
        };
        let required: Vec<Required> = named(true)
            .map(|(name, group)| Required { group: (*name).to_owned(), sequence: group.reported })
            .collect();
        let plan = Plan {
            limit: trim_limit(self.last, retention, &required).sequence,
            required: required.iter().map(|required| required.group.clone()).collect(),
            retired: named(false).map(|(name, _)| (*name).to_owned()).collect(),
        };
        let missing: BTreeMap<&str, &Group> = named(true)
            .filter(|(_, group)| group.delivered.is_none())
            .map(|(name, group)| (*name, group))
            .collect();

        let trimmed = execute(self.redis.client(), self.key, &plan, 1_000, false).await.unwrap();

        let left: Vec<Vec<Value>> = self.redis(&["XRANGE", &self.key.to_string(), "-", "+"]).await;
        let left: Vec<u64> = left
            .into_iter()
            .map(|entry| entry[0].as_string().unwrap().trim_end_matches("-0").parse().unwrap())
            .collect();
        prop_assert!(self.entries.ends_with(&left), "a hole: {:?} became {left:?}", self.entries);
        let gone = &self.entries[..self.entries.len() - left.len()];
        match &trimmed {
            Trimmed::GroupMissing(group) => {
                prop_assert!(missing.contains_key(group.as_str()), "{group} is not missing");
                prop_assert!(gone.is_empty(), "trimmed without a group: {gone:?}");
            }
            Trimmed::NoStream => prop_assert!(self.entries.is_empty() && gone.is_empty()),
            Trimmed::Entries { count, first, through, .. } => {
                prop_assert!(missing.is_empty(), "trimmed although {missing:?} are missing");
                prop_assert_eq!(*count, gone.len() as u64);
                prop_assert_eq!(*first, left.first().copied());
                let late = left.iter().filter(|entry| **entry <= *through).count();
                prop_assert!(late < BLOCK, "{late} entries stayed that may go");
            }
        }
        for entry in gone {
            prop_assert!(*entry + retention <= self.last, "{entry} is one of the last {retention}");
            for (name, group) in GROUPS.iter().zip(&self.groups) {
                if group.is_active == Some(false) {
                    continue;
                }
                if group.is_active == Some(true) {
                    prop_assert!(*entry <= group.durable, "{name} has not finished {entry}");
                }
                prop_assert!(!group.pending.contains(entry), "{entry} is pending in {name}");
                if let Some(delivered) = group.delivered {
                    prop_assert!(*entry <= delivered, "{name} was not handed {entry}");
                }
            }
        }
        // What a retired group had pending is gone for it too.
        self.entries = left;
        Ok(())
    }
}

#[test]
fn trimming_never_removes_what_a_registered_group_has_not_finished() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = runtime.block_on(async {
        let redis = TestRedis::start().await.unwrap();
        small_blocks(&redis).await;
        redis
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&vec(step(), 1..60), |steps| {
        runtime.block_on(async {
            redis.flushall().await.unwrap();
            let mut model = Model {
                redis: &redis,
                key: StreamKey::new(Service::Post, 0),
                entries: Vec::new(),
                last: 0,
                groups: Default::default(),
            };
            for step in steps {
                model.take(step).await?;
            }
            Ok(())
        })
    });
    drop(runtime.block_on(redis.client().quit()));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
