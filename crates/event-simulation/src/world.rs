//! The scheduler: whose turn it is, what fails, and when it is over.

use fastrand::Rng;

use crate::{
    Sabotage, Violation,
    consumer::Consumer,
    model::{EventId, GroupId, ProcessId, Time, postgres::Postgres, redis::Redis},
    network::Servers,
    oracle::{Invariant, Oracle},
    relay::Relay,
    scenario::{Fault, Scenario},
};

/// Consumer groups of the world; the second one starts late in some worlds.
const GROUPS: [GroupId; 2] = [0, 1];

/// Rounds after the faults in which everything has to come about. Each gives every actor a step.
const ROUNDS: usize = 3_000;

/// How long a process that died may keep others from its partition: a lease, and half a second to notice.
const TAKEOVER: Time = 3_500;

/// What a world was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps until everything was in place.
    pub steps: usize,
    /// Events recorded.
    pub events: usize,
    /// Faults that happened.
    pub faults: usize,
}

/// Runs the world of a seed.
///
/// # Errors
///
/// The first violation.
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Report, Violation> {
    World::new(seed, sabotage, false).run()
}

/// Runs it again and tells what happened, line by line.
pub fn replay(seed: u64, sabotage: Option<Sabotage>) -> (Vec<String>, Result<Report, Violation>) {
    let mut world = World::new(seed, sabotage, true);
    world.servers.note(|| format!("seed {seed}"));
    let scenario = format!("{:?}", world.servers.scenario);
    world.servers.note(|| scenario);
    let result = world.run_in_place();
    let mut trace = world.servers.trace.take().unwrap_or_default();
    if let Err(violation) = &result {
        trace.push(format!("{:>7} ms  VIOLATION  {violation}", world.servers.now));
    }
    (trace, result)
}

struct World {
    servers: Servers,
    relays: Vec<Relay>,
    consumers: Vec<Consumer>,
    /// Events whose transactions are open.
    open: Vec<EventId>,
    next_process: ProcessId,
    /// What Redis had on its disk earlier.
    snapshot: Redis,
    report: Report,
}

impl World {
    fn new(seed: u64, sabotage: Option<Sabotage>, traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let scenario = Scenario::new(&mut rng);
        let relays = (0..scenario.relays).map(|number| Relay::new(format!("relay {number}")));
        let relays = relays.collect();
        let processes = scenario.processes;
        let servers = Servers {
            rng,
            now: 0,
            scenario,
            sabotage,
            redis: Redis::default(),
            postgres: Postgres::default(),
            oracle: Oracle::default(),
            late: Vec::new(),
            redis_down_until: 0,
            postgres_down_until: 0,
            reliable: false,
            trace: traced.then(Vec::new),
        };
        let mut world = Self {
            servers,
            relays,
            consumers: Vec::new(),
            open: Vec::new(),
            next_process: 0,
            snapshot: Redis::default(),
            report: Report::default(),
        };
        for _ in 0..processes {
            for group in GROUPS {
                let process = world.process();
                world.consumers.push(Consumer::new(group, process));
            }
        }
        world
    }

    fn process(&mut self) -> ProcessId {
        self.next_process += 1;
        self.next_process
    }

    fn run(mut self) -> Result<Report, Violation> {
        self.run_in_place()
    }

    fn run_in_place(&mut self) -> Result<Report, Violation> {
        for _ in 0..self.servers.scenario.steps {
            self.step();
            self.servers.oracle.check(&self.servers.redis, &self.servers.postgres)?;
        }
        self.settle()?;
        self.report.events = self.servers.postgres.events.len();
        Ok(self.report)
    }

    /// One thing happens.
    fn step(&mut self) {
        self.report.steps += 1;
        self.servers.now += self.servers.rng.u64(0..60);
        let (writes, faults) = (self.servers.scenario.writes, self.servers.scenario.faults);
        if self.servers.chance(faults) {
            self.fault();
        } else if self.servers.chance(writes) {
            self.write();
        } else if self.servers.chance(60) {
            self.servers.arrive();
        } else if self.servers.chance(20) {
            self.snapshot = self.servers.redis.clone();
        } else {
            self.act();
        }
    }

    /// Somebody who is not stopped does the next thing.
    fn act(&mut self) {
        let now = self.servers.now;
        let actors = self.relays.len() + self.consumers.len();
        let chosen = self.servers.rng.usize(..actors);
        let consumer = chosen.checked_sub(self.relays.len());
        if let Some(consumer) = consumer.and_then(|index| self.consumers.get_mut(index)) {
            if consumer.stopped_until <= now {
                consumer.step(&mut self.servers);
                consumer.tick(&mut self.servers);
            }
        } else if let Some(relay) = self.relays.get_mut(chosen)
            && relay.stopped_until <= now
        {
            relay.step(&mut self.servers);
        }
    }

    /// A transaction of a writer begins, commits or rolls back.
    fn write(&mut self) {
        let servers = &mut self.servers;
        if !servers.postgres_answers() {
            return;
        }
        if self.open.len() < 3 && servers.rng.bool() {
            let aggregate = servers.rng.u8(..servers.scenario.aggregates);
            let poison = servers.scenario.poison;
            let poison = servers.chance(poison);
            if let Some(event) = servers.postgres.append(aggregate, poison) {
                self.open.push(event);
            }
        } else if !self.open.is_empty() {
            let index = servers.rng.usize(..self.open.len());
            let event = self.open.swap_remove(index);
            if servers.chance(100) {
                servers.postgres.roll_back_append(event);
            } else {
                servers.postgres.commit_append(event);
                let recorded = servers.postgres.events.get(event).copied();
                servers.note(|| format!("writer: event {event} is {recorded:?}"));
            }
        }
    }

    fn fault(&mut self) {
        let servers = &mut self.servers;
        let Some(fault) = servers.rng.choice(servers.scenario.kinds.clone()) else { return };
        self.report.faults += 1;
        servers.note(|| format!("{fault:?}"));
        let consumer = servers.rng.usize(..self.consumers.len());
        let relay = servers.rng.usize(..self.relays.len());
        let group = servers.rng.usize(..GROUPS.len());
        let while_ = servers.now + servers.rng.u64(100..6_000);
        match fault {
            Fault::KillConsumer => self.kill(consumer),
            Fault::KillRelay => {
                if let Some(relay) = self.relays.get_mut(relay) {
                    relay.restart();
                }
            }
            Fault::StopConsumer => {
                if let Some(consumer) = self.consumers.get_mut(consumer) {
                    consumer.stopped_until = while_;
                }
            }
            Fault::StopRelay => {
                if let Some(relay) = self.relays.get_mut(relay) {
                    relay.stopped_until = while_;
                }
            }
            Fault::Flush => servers.redis.flush(),
            Fault::LoseTail => servers.redis = self.snapshot.clone(),
            Fault::DestroyGroup => servers.redis.destroy(group),
            Fault::DeleteEntry => {
                let sequence = servers.rng.u64(1..=servers.redis.last().max(1));
                servers.redis.delete(sequence);
                servers.oracle.deleted.insert(sequence);
            }
            Fault::Rewind => {
                let exists =
                    servers.redis.stream.as_ref().is_some_and(|s| s.groups.contains_key(&group));
                if exists {
                    servers.redis.position(group, 0);
                }
            }
            Fault::RedisDown => servers.redis_down_until = while_,
            Fault::PostgresDown => servers.postgres_down_until = while_,
            Fault::Trim => Relay::trim(servers),
            Fault::Wait => servers.now += 3_100,
            Fault::Redrive => {
                let aggregate = servers.rng.u8(..servers.scenario.aggregates);
                let most = servers.rng.usize(1..4);
                let applied = servers.postgres.redrive(group, aggregate, most, servers.now);
                servers.note(|| format!("{applied} of aggregate {aggregate} in group {group}"));
            }
            Fault::Repair => servers.postgres.repaired = !servers.postgres.repaired,
        }
    }

    /// A process dies, and another one comes.
    fn kill(&mut self, index: usize) {
        let process = self.process();
        if let Some(consumer) = self.consumers.get_mut(index) {
            consumer.die(&mut self.servers);
            *consumer = Consumer::new(consumer.group, process);
        }
    }

    /// The faults are over, but for one process of each group, which is dead. Everything has to come about.
    fn settle(&mut self) -> Result<(), Violation> {
        let servers = &mut self.servers;
        servers.note(|| "the faults are over".to_owned());
        servers.reliable = true;
        (servers.redis_down_until, servers.postgres_down_until) = (0, 0);
        servers.postgres.repaired = true;
        while !servers.late.is_empty() {
            servers.arrive();
        }
        for event in std::mem::take(&mut self.open) {
            servers.postgres.commit_append(event);
        }
        for relay in &mut self.relays {
            relay.stopped_until = 0;
        }
        for consumer in &mut self.consumers {
            consumer.stopped_until = 0;
        }
        if self.consumers.len() > GROUPS.len() {
            for consumer in self.consumers.drain(..GROUPS.len()) {
                let mut consumer = consumer;
                consumer.die(servers);
            }
        }
        self.come_about()
    }

    fn come_about(&mut self) -> Result<(), Violation> {
        let ended = self.servers.now;
        for _ in 0..ROUNDS {
            self.report.steps += 1;
            self.servers.now += 10;
            for relay in &mut self.relays {
                relay.step(&mut self.servers);
            }
            for consumer in &mut self.consumers {
                consumer.step(&mut self.servers);
                consumer.tick(&mut self.servers);
            }
            self.servers.oracle.check(&self.servers.redis, &self.servers.postgres)?;
            let late = self.servers.now > ended + TAKEOVER;
            if late
                && let Some(group) = self.consumers.iter().find(|group| !self.is_owned(group.group))
            {
                let what = format!("group {} has no owner", group.group);
                return Err(Violation { invariant: Invariant::Liveness, what });
            }
            if Oracle::missing(&self.servers.redis, &self.servers.postgres).is_none() {
                return self.redrive();
            }
        }
        let what = Oracle::missing(&self.servers.redis, &self.servers.postgres).unwrap_or_default();
        Err(Violation { invariant: Invariant::Liveness, what })
    }

    fn is_owned(&self, group: GroupId) -> bool {
        self.consumers.iter().any(|consumer| consumer.group == group && consumer.is_owner())
    }

    /// What is parked takes effect now that the handlers are repaired.
    fn redrive(&mut self) -> Result<(), Violation> {
        for group in GROUPS {
            for aggregate in 0..self.servers.scenario.aggregates {
                self.servers.postgres.redrive(group, aggregate, usize::MAX, Time::MAX);
            }
        }
        self.servers.oracle.check(&self.servers.redis, &self.servers.postgres)?;
        let left = self
            .servers
            .postgres
            .rows
            .values()
            .find(|row| !row.parked.is_empty() || row.effects.len() as u64 != row.watermark);
        match left {
            None => Ok(()),
            Some(row) => Err(Violation {
                invariant: Invariant::Liveness,
                what: format!("{} of {} took effect", row.effects.len(), row.watermark),
            }),
        }
    }
}
