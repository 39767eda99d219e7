//! Any bytes, any length.

use std::time::{Duration, Instant};

use content_analysis::{
    Analyser, Category, Scorer as _, near_copy::Signature, normalise::normalise,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_gets_probabilities(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let scores = Analyser::built_in().unwrap().scores(&text);
        for category in Category::ALL {
            prop_assert!((0.0..=1.0).contains(&scores.get(category)));
        }
        prop_assert_eq!(scores, Analyser::built_in().unwrap().scores(&text));
    }

    #[test]
    fn words_stand_where_they_are_said_to_and_in_order(text in "(\\PC|[a-z]{2}|\\.| |\u{200b}|\u{301}){0,80}") {
        let words = normalise(&text).words;
        for word in &words {
            prop_assert!(text.get(word.origin()).is_some_and(|part| !part.is_empty()));
        }
        for pair in words.windows(2) {
            // The parts of a link stand in one place, and one character may be the end of a word and another word.
            let (one, two) = (pair[0].origin(), pair[1].origin());
            prop_assert!(one.start <= two.start && one.end <= two.end, "{one:?} {two:?}");
        }
    }

    #[test]
    fn a_copy_is_as_alike_as_can_be(text in "[a-z ]{20,200}") {
        if let Some(signature) = Signature::of(&text) {
            prop_assert!((signature.similarity(&signature) - 1.0).abs() < f32::EPSILON);
            prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Some(signature));
        }
    }
}

/// Least of three, so that a neighbour on the machine is not measured.
fn time(text: &str) -> Duration {
    let run = || {
        let started = Instant::now();
        std::hint::black_box(Analyser::built_in().unwrap().analyse(text));
        started.elapsed()
    };
    let _ = run();
    (0..3).map(|_| run()).min().unwrap()
}

/// Texts that are as awkward as they can be take no more than some times as long when they are eight times as long.
#[test]
fn time_grows_with_the_length_and_no_faster() {
    for pattern in [
        "a",
        "ab ",
        "a.",
        "f*ck ",
        "asdfgh",
        "@@$",
        "http://x.y ",
        "1l",
        "x\u{301}",
        "aaaaab",
        "\u{200b}",
        "((((",
        "e e e ",
    ] {
        let short = pattern.repeat(20_000 / pattern.len());
        let long = short.repeat(8);
        let (one, eight) = (time(&short), time(&long));
        assert!(
            eight < one * 40 + Duration::from_millis(20),
            "{pattern:?}: {one:?} and {eight:?} for eight times as much"
        );
    }
}
