//! The consumers of a process: one per group and partition, as the layouts of the services they read say.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::{Consumer, Handler};
use crate::{
    EventStore,
    layout::Watch,
    lease::{Leases, Subscription},
    redis,
    stream::StreamKey,
};

/// Makes consumers for what there is to consume.
pub(crate) struct Roster {
    parts: Parts,
    sources: Vec<Source>,
    consumers: Vec<Arc<Consumer>>,
}

/// What all consumers of a process share.
pub(crate) struct Parts {
    pub(crate) store: EventStore,
    pub(crate) leases: Arc<Leases>,
    pub(crate) commands: Arc<redis::Shared>,
    pub(crate) redis_url: String,
    pub(crate) tasks: TaskTracker,
}

/// One group and one service that it reads.
struct Source {
    handler: Arc<dyn Handler>,
    turn: Arc<Mutex<()>>,
    layout: Watch,
    partitions: u16,
}

impl Roster {
    /// Nobody, until the layouts are known.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, sources: Vec::new(), consumers: Vec::new() }
    }

    /// Adds a group, with the layout of each service that it reads.
    pub(crate) fn add(&mut self, handler: &Arc<dyn Handler>, layouts: Vec<Watch>) {
        let turn = Arc::new(Mutex::new(()));
        self.sources.extend(layouts.into_iter().map(|layout| Source {
            handler: Arc::clone(handler),
            turn: Arc::clone(&turn),
            layout,
            partitions: 0,
        }));
    }

    /// The consumers by now. Where a service has more partitions than before, in any generation, there are more of them;
    /// one whose partition has ended has nothing to do, and goes with the process.
    pub(crate) fn consumers(&mut self) -> &[Arc<Consumer>] {
        for source in &mut self.sources {
            let Some(layout) = source.layout.get() else { continue };
            let partitions = layout.generations().map(|generation| generation.partitions).max();
            let partitions = partitions.unwrap_or(0);
            for partition in source.partitions..partitions {
                let Parts { store, leases, commands, redis_url, tasks } = &self.parts;
                let group = source.handler.group();
                leases.share_one_more(group);
                self.consumers.push(Arc::new(Consumer {
                    subscription: Subscription {
                        group,
                        key: StreamKey::new(source.layout.service(), partition),
                    },
                    handler: Arc::clone(&source.handler),
                    store: store.clone(),
                    leases: Arc::clone(leases),
                    layout: source.layout.clone(),
                    commands: Arc::clone(commands),
                    redis_url: redis_url.clone(),
                    turn: Arc::clone(&source.turn),
                    tasks: tasks.clone(),
                }));
            }
            source.partitions = source.partitions.max(partitions);
        }
        &self.consumers
    }
}
