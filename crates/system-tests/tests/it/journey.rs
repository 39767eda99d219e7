//! The main journey.

use std::{sync::Mutex, time::Duration};

use system_tests::journey;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_walk_the_whole_journey() {
    let world = World::start().await;
    let steps = Mutex::new(Vec::new());
    let report = |step: &str, outcome: &str, _: Duration| {
        steps.lock().unwrap().push(format!("{step}: {outcome}"));
    };

    let walked = Box::pin(journey::walk(&world.client, &report)).await;

    let steps = steps.into_inner().unwrap();
    assert!(walked.is_ok(), "after {steps:#?}: {:?}", walked.err());
    assert!(steps.len() >= 15, "{steps:#?}");
    world.stack.stop().await.unwrap();
}
