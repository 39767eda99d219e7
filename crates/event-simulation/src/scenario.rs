//! How a seed shapes its world: which faults there are at all, and how often.

use fastrand::Rng;

/// One world. Most of them have few kinds of faults: a world where everything fails at once gets nowhere, and hides much.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// How many steps the faults last.
    pub(crate) steps: usize,
    /// How many aggregates there are.
    pub(crate) aggregates: u8,
    /// Most events of one batch of a relay, and of one read of an owner.
    pub(crate) batch: usize,
    /// How many processes relay and consume.
    pub(crate) relays: usize,
    pub(crate) processes: usize,
    /// Of a thousand events, how many are rejected by the handlers.
    pub(crate) poison: u16,
    /// Of a thousand steps, how many let something fail.
    pub(crate) faults: u16,
    /// Of a thousand requests, how many are lost or late, half of them after they took effect.
    pub(crate) unreliable: u16,
    /// What can fail.
    pub(crate) kinds: Vec<Fault>,
    /// Of a thousand steps, how many record an event.
    pub(crate) writes: u16,
}

/// What the world does to the actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A process dies, with everything in its memory; another takes its place.
    KillConsumer,
    KillRelay,
    /// A process is stopped for a while, in the middle of whatever it does.
    StopConsumer,
    StopRelay,
    /// Redis forgets everything.
    Flush,
    /// Redis goes back to an earlier moment.
    LoseTail,
    DestroyGroup,
    DeleteEntry,
    /// Somebody moves a group back to the beginning.
    Rewind,
    RedisDown,
    PostgresDown,
    /// The stream is trimmed now.
    Trim,
    /// Time passes, more than a lease lives.
    Wait,
    /// Somebody tries the parked events of an aggregate again.
    Redrive,
    /// The handlers are repaired, or broken again.
    Repair,
}

const ALL: [Fault; 15] = [
    Fault::KillConsumer,
    Fault::KillRelay,
    Fault::StopConsumer,
    Fault::StopRelay,
    Fault::Flush,
    Fault::LoseTail,
    Fault::DestroyGroup,
    Fault::DeleteEntry,
    Fault::Rewind,
    Fault::RedisDown,
    Fault::PostgresDown,
    Fault::Trim,
    Fault::Wait,
    Fault::Redrive,
    Fault::Repair,
];

impl Scenario {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let share = rng.f32();
        let mut kinds: Vec<Fault> = ALL.into_iter().filter(|_| rng.f32() < share).collect();
        // Trimming is no fault: it is there in most worlds.
        if rng.u8(..4) > 0 && !kinds.contains(&Fault::Trim) {
            kinds.push(Fault::Trim);
        }
        Self {
            steps: rng.usize(100..600),
            aggregates: rng.u8(1..6),
            batch: rng.usize(1..8),
            relays: rng.usize(1..=2),
            processes: rng.usize(1..=3),
            poison: if rng.bool() { rng.u16(0..150) } else { 0 },
            faults: rng.u16(0..120),
            unreliable: if rng.bool() { rng.u16(0..300) } else { 0 },
            kinds,
            writes: rng.u16(50..500),
        }
    }
}
