use event_simulation::{replay, run};

/// As many as take a few seconds.
pub(crate) const SEEDS: u64 = 2_000;

#[test]
fn every_promise_is_kept_in_two_thousand_worlds() {
    for seed in 0..SEEDS {
        if let Err(violation) = run(seed, None) {
            let (trace, _) = replay(seed, None);
            panic!(
                "seed {seed}: {violation}\n{}\ncargo run -p event-simulation -- --replay {seed}",
                trace.join("\n")
            );
        }
    }
}

#[test]
fn a_seed_is_always_the_same_world() {
    for seed in 0..50 {
        let (trace, result) = replay(seed, None);

        assert_eq!(replay(seed, None), (trace, result.clone()));
        assert_eq!(run(seed, None), result);
    }
}
