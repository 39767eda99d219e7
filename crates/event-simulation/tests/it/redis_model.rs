//! The model of Redis against Redis.

use std::collections::BTreeMap;

use event_simulation::model::redis::{Redis, Stream};
use fred::{
    interfaces::LuaInterface,
    types::{Key, Value},
};
use proptest::{prelude::*, test_runner::TestRunner};
use test_kit::TestRedis;

const SCRIPT: &str = include_str!("../../../event-runtime/src/relay/publish.lua");
const KEY: &str = "ev:{post.p0}:e1";
const GROUPS: [&str; 2] = ["zero", "one"];

/// One thing done to a server.
#[derive(Clone, Debug)]
enum Step {
    /// A relay's batch of this many entries, which begins after the end that it expects. `Some` is a belief of its own.
    Append {
        expected: Option<u64>,
        count: u64,
    },
    /// The same batch again, as after a lost answer.
    AppendAgain,
    /// A batch whose numbers are not in order.
    AppendDisorder(Vec<u64>),
    Position {
        group: usize,
        at: u64,
    },
    Read {
        group: usize,
        count: usize,
    },
    Pending {
        group: usize,
        after: u64,
    },
    Acknowledge {
        group: usize,
        sequences: Vec<u64>,
    },
    Trim(u64),
    Delete(u64),
    Destroy(usize),
    Flush,
    /// All but so many entries are lost, and the groups.
    LoseTail(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let group = 0..GROUPS.len();
    prop_oneof![
        8 => (1..6_u64).prop_map(|count| Step::Append { expected: None, count }),
        3 => (0..12_u64, 1..6_u64)
            .prop_map(|(expected, count)| Step::Append { expected: Some(expected), count }),
        2 => Just(Step::AppendAgain),
        1 => prop::collection::vec(1..20_u64, 1..5).prop_map(Step::AppendDisorder),
        3 => (group.clone(), 0..12_u64).prop_map(|(group, at)| Step::Position { group, at }),
        5 => (group.clone(), 1..5_usize).prop_map(|(group, count)| Step::Read { group, count }),
        2 => (group.clone(), 0..12_u64).prop_map(|(group, after)| Step::Pending { group, after }),
        3 => (group.clone(), prop::collection::vec(0..15_u64, 0..6))
            .prop_map(|(group, sequences)| Step::Acknowledge { group, sequences }),
        1 => (0..12_u64).prop_map(Step::Trim),
        1 => (1..12_u64).prop_map(Step::Delete),
        1 => group.prop_map(Step::Destroy),
        1 => Just(Step::Flush),
        2 => (0..10_usize).prop_map(Step::LoseTail),
    ]
}

/// A real server beside its model.
struct Pair<'a> {
    real: &'a TestRedis,
    model: Redis,
    sent: Option<(u64, Vec<u64>)>,
}

impl Pair<'_> {
    async fn words<R: fred::types::FromValue>(&self, words: &[&str]) -> anyhow::Result<R> {
        self.real.command(words).await
    }

    /// Every event is at its own number: what an entry holds tells whether it is the right one.
    async fn append(&mut self, expected: u64, sequences: &[u64]) {
        let mut arguments: Vec<String> = sequences
            .iter()
            .flat_map(|sequence| [sequence.to_string(), sequence.to_string()])
            .collect();
        arguments.push(expected.to_string());
        let client = self.real.client();
        let real: Result<String, _> = client.eval(SCRIPT, Key::from(KEY), arguments).await;
        let entries: Vec<(u64, usize)> = sequences
            .iter()
            .map(|sequence| (*sequence, usize::try_from(*sequence).unwrap()))
            .collect();
        let model = self.model.append(expected, &entries);
        // Numbers out of order end the script with an error; what it wrote before stays.
        if let Ok(real) = real {
            assert_eq!(real, model.to_string());
        }
        self.sent = Some((expected, sequences.to_vec()));
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append { expected, count } => {
                let expected = expected.unwrap_or_else(|| self.model.last());
                let sequences: Vec<u64> = (expected + 1..=expected + count).collect();
                self.append(expected, &sequences).await;
            }
            Step::AppendAgain => {
                if let Some((expected, sequences)) = self.sent.clone() {
                    self.append(expected, &sequences).await;
                }
            }
            Step::AppendDisorder(sequences) => {
                let expected = self.model.last();
                self.append(expected, &sequences).await;
                // What a relay never sends can leave holes: begin anew.
                self.take_flush().await;
            }
            Step::Position { group, at } => {
                let (id, read) = (format!("{at}-0"), at.to_string());
                let name = GROUPS[group];
                let create = ["XGROUP", "CREATE", KEY, name, &id, "MKSTREAM", "ENTRIESREAD", &read];
                if self.words::<Value>(&create).await.is_err() {
                    let set = ["XGROUP", "SETID", KEY, name, &id, "ENTRIESREAD", &read];
                    let _: Value = self.words(&set).await.unwrap();
                }
                self.model.position(group, at);
            }
            Step::Read { group, count } => {
                let given = self.read(group, count, ">").await;
                assert_eq!(given, self.model.read(group, count).ok());
            }
            Step::Pending { group, after } => {
                let given = self.read(group, 3, &format!("{after}-0")).await;
                assert_eq!(given, self.model.pending(group, after, 3).ok());
            }
            Step::Acknowledge { group, sequences } => {
                if sequences.is_empty() {
                    return;
                }
                let ids: Vec<String> =
                    sequences.iter().map(|number| format!("{number}-0")).collect();
                let mut words = vec!["XACK", KEY, GROUPS[group]];
                words.extend(ids.iter().map(String::as_str));
                let real: usize = self.words(&words).await.unwrap();
                assert_eq!(real, self.model.acknowledge(group, &sequences).len());
            }
            Step::Trim(limit) => {
                let id = format!("{}-0", limit + 1);
                let real: usize = self.words(&["XTRIM", KEY, "MINID", &id]).await.unwrap();
                assert_eq!(real, self.model.trim_anyway(limit));
            }
            Step::Delete(sequence) => {
                let _: u64 = self.words(&["XDEL", KEY, &format!("{sequence}-0")]).await.unwrap();
                self.model.delete(sequence);
            }
            Step::Destroy(group) => {
                let gone: Result<Value, _> =
                    self.words(&["XGROUP", "DESTROY", KEY, GROUPS[group]]).await;
                assert_eq!(gone.is_ok(), self.model.stream.is_some());
                self.model.destroy(group);
            }
            Step::Flush => self.take_flush().await,
            Step::LoseTail(keep) => self.lose_tail(keep).await,
        }
    }

    /// What a read by a group brought; `None` if there is no such group.
    async fn read(&self, group: usize, count: usize, after: &str) -> Option<Vec<u64>> {
        let (name, count) = (GROUPS[group], count.to_string());
        let words = ["XREADGROUP", "GROUP", name, "owner", "COUNT", &count, "STREAMS", KEY, after];
        self.words::<Value>(&words).await.ok().map(|reply| sequences(&reply))
    }

    async fn lose_tail(&mut self, keep: usize) {
        let entries = self.model.stream.iter().flat_map(|stream| &stream.entries);
        let kept: Vec<(u64, usize)> =
            entries.take(keep).map(|(sequence, event)| (*sequence, *event)).collect();
        self.take_flush().await;
        for (sequence, event) in &kept {
            let (id, event) = (format!("{sequence}-0"), event.to_string());
            let _: String = self.words(&["XADD", KEY, &id, "e", &event]).await.unwrap();
        }
        self.model.append_anyway(&kept);
    }

    async fn take_flush(&mut self) {
        self.real.flushall().await.unwrap();
        self.model.flush();
    }

    /// Entries, last id, and every group with what it was given and what is pending.
    async fn compare(&self) {
        let entries: Vec<Value> = self.words(&["XRANGE", KEY, "-", "+"]).await.unwrap();
        let mut real = Stream::default();
        for entry in entries {
            let (id, fields): (String, BTreeMap<String, String>) = entry.convert().unwrap();
            real.entries.insert(number(&id), fields["e"].parse().unwrap());
        }
        let exists: bool = self.words(&["EXISTS", KEY]).await.unwrap();
        if exists {
            let info: BTreeMap<String, Value> =
                self.words(&["XINFO", "STREAM", KEY]).await.unwrap();
            real.last = number(&info["last-generated-id"].as_string().unwrap());
            let groups: Vec<BTreeMap<String, Value>> =
                self.words(&["XINFO", "GROUPS", KEY]).await.unwrap();
            for group in groups {
                let name = group["name"].as_string().unwrap();
                let index = GROUPS.iter().position(|known| **known == name).unwrap();
                let delivered = number(&group["last-delivered-id"].as_string().unwrap());
                let pending: Vec<(String, String, Value, u64)> =
                    self.words(&["XPENDING", KEY, &name, "-", "+", "1000"]).await.unwrap();
                let pending = pending.iter().map(|(id, ..)| number(id)).collect();
                real.groups
                    .insert(index, event_simulation::model::redis::Group { delivered, pending });
            }
        }
        assert_eq!(exists.then_some(real), self.model.stream);
    }
}

fn number(id: &str) -> u64 {
    id.split_once('-').unwrap().0.parse().unwrap()
}

/// The numbers in the answer of a read on one stream.
fn sequences(reply: &Value) -> Vec<u64> {
    let Value::Array(streams) = reply else { return Vec::new() };
    let Value::Array(stream) = &streams[0] else { panic!("{reply:?}") };
    let Value::Array(entries) = &stream[1] else { panic!("{reply:?}") };
    entries
        .iter()
        .map(|entry| {
            let Value::Array(entry) = entry else { panic!("{reply:?}") };
            number(&entry[0].as_string().unwrap())
        })
        .collect()
}

fn try_all(cases: u32, property: &impl AsyncFn(&TestRedis, Vec<Step>)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let redis = runtime.block_on(TestRedis::start()).unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let steps = prop::collection::vec(step(), 0..30);
    let tried = runner.run(&steps, |steps| {
        runtime.block_on(async {
            redis.flushall().await.unwrap();
            property(&redis, steps).await;
        });
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_model_does_what_redis_does() {
    try_all(150, &async |real, steps| {
        let mut pair = Pair { real, model: Redis::default(), sent: None };
        for step in steps {
            pair.take(step).await;
            pair.compare().await;
        }
    });
}

/// Whatever relays send and however often, and whatever Redis forgets.
#[test]
fn a_stream_is_always_an_interval_of_the_store() {
    try_all(150, &async |real, steps| {
        let mut pair = Pair { real, model: Redis::default(), sent: None };
        for step in steps {
            let changes_entries = matches!(
                step,
                Step::Append { expected: None | Some(0), .. }
                    | Step::AppendAgain
                    | Step::Flush
                    | Step::LoseTail(_)
                    | Step::Append { .. }
            );
            if !changes_entries {
                continue;
            }
            pair.take(step).await;
            let entries: Vec<Value> = pair.words(&["XRANGE", KEY, "-", "+"]).await.unwrap();
            let entries: Vec<(u64, u64)> = entries
                .into_iter()
                .map(|entry| {
                    let (id, fields): (String, BTreeMap<String, String>) = entry.convert().unwrap();
                    (number(&id), fields["e"].parse().unwrap())
                })
                .collect();
            let first = entries.first().map_or(1, |(sequence, _)| *sequence);
            let interval: Vec<(u64, u64)> =
                (first..).take(entries.len()).map(|sequence| (sequence, sequence)).collect();
            assert_eq!(entries, interval);
        }
    });
}
