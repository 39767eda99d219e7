//! A watch tells nobody who has an account.

use std::time::{Duration, Instant};

use crate::stage::{PASSWORD, Stage};

/// Medians of how long two questions take, asked in turns.
async fn medians(stage: &Stage, ask: impl AsyncFn(&Stage, usize, bool)) -> (Duration, Duration) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..9 {
        for (is_known, times) in [(true, &mut known), (false, &mut unknown)] {
            let started = Instant::now();
            ask(stage, round, is_known).await;
            times.push(started.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap()
    };
    (median(&mut known), median(&mut unknown))
}

fn assert_alike((known, unknown): (Duration, Duration)) {
    // Without a hash for the unknown address, one would take ten times as long as the other.
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "known {known:?}, unknown {unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_takes_as_long_for_an_address_without_an_account() {
    let stage = Stage::set().await;
    stage.join("ada@example.com").await;

    let times = medians(&stage, async |stage, _, known| {
        let email = if known { "ada@example.com" } else { "bob@example.com" };
        stage.sign_in(email, "not the password").await;
    });

    assert_alike(times.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_up_takes_as_long_for_an_address_with_an_account() {
    let stage = Stage::set().await;
    stage.join("ada@example.com").await;

    let times = medians(&stage, async |stage, round, known| {
        let unknown = format!("somebody{round}@example.com");
        stage.sign_up(if known { "ada@example.com" } else { &unknown }, PASSWORD).await;
    });

    assert_alike(times.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_takes_as_long_for_an_address_without_an_account() {
    let stage = Stage::set().await;
    stage.sign_up("ada@example.com", PASSWORD).await;
    stage.code("ada@example.com", 1).await;

    let times = medians(&stage, async |stage, _, known| {
        let email = if known { "ada@example.com" } else { "bob@example.com" };
        stage.verify(email, "00000000").await;
    });
    let times = times.await;

    // A ratio alone would not do: looking at an account takes a few milliseconds, and noise hides that from a test.
    assert!(times.1 >= Duration::from_millis(150), "{times:?}");
    assert_alike(times);
}
