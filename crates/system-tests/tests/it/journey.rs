//! The main journey.

use std::{sync::Mutex, time::Duration};

use local_stack::foundry::Foundry;
use system_tests::{journey, token};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_walk_the_whole_journey_to_a_token_that_another_program_reads() {
    let world = World::start_on_chain().await;
    let steps = Mutex::new(Vec::new());
    let report = |step: &str, outcome: &str, _: Duration| {
        steps.lock().unwrap().push(format!("{step}: {outcome}"));
    };

    let walked = Box::pin(journey::walk(&world.client, &report)).await;

    let steps = steps.into_inner().unwrap();
    assert!(walked.is_ok(), "after {steps:#?}: {:?}", walked.err());
    assert!(steps.len() >= 15, "{steps:#?}");

    let token = token::minted(&world.client, &walked.unwrap(), |_: &str| ()).await.unwrap();
    assert_eq!(token.verdict, "MATCH");
    let document = token::document(&world.client, &token).await.unwrap();
    assert!(document["name"].is_string(), "{document}");
    let rpc = world.client.endpoints().chain.clone().unwrap();
    // Where npm cannot bring `cast`, the chain was still read by ourselves.
    if let Some(cast) = Foundry::Cast.locate() {
        let read = token::read_by_cast(&cast, &rpc, &token).await.unwrap();
        assert_eq!(read, (token.uri, "1".to_owned()));
    }
    world.stack.stop().await.unwrap();
}
