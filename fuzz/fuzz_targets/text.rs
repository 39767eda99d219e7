//! Any bytes as a text: it is scored and explained, spans are parts of it, and contributions add up.

#![no_main]

use content_analysis::{Analyser, Category, near_copy::Signature, normalise::normalise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let analyser = Analyser::built_in().expect("the model is sound");
    let scores = analyser.analyse(&text).scores;
    for word in normalise(&text).words {
        assert!(text.get(word.origin()).is_some());
    }
    for category in Category::ALL {
        assert!((0.0..=1.0).contains(&scores.get(category)));
        let explanation = analyser.explain(&text, category);
        let words: f32 = explanation.contributions.iter().map(|one| one.weight).sum();
        let sum = explanation.bias + explanation.whole + words;
        assert!((sum - explanation.logit).abs() < 1e-2);
    }
    if let Some(signature) = Signature::of(&text) {
        assert!(signature.similarity(&signature) >= 1.0);
    }
});
