//! Why a text got its score.

use content_analysis::{Analyser, Category, normalise::part};
use proptest::prelude::*;

const TEXTS: [&str; 4] = [
    "you are a stupid idiot, go away http://a.example",
    "I will k1ll you",
    "win a free prize now, click here",
    "The train was late again.",
];

fn assert_sums(text: &str) {
    let analyser = Analyser::built_in().unwrap();
    for category in Category::ALL {
        let explanation = analyser.explain(text, category);
        let words: f32 = explanation.contributions.iter().map(|one| one.weight).sum();
        let sum = explanation.bias + explanation.whole + words;
        assert!((sum - explanation.logit).abs() < 1e-3, "{category:?} {sum} {}", explanation.logit);
    }
}

#[test]
fn contributions_add_up_to_the_logit() {
    for text in TEXTS {
        assert_sums(text);
    }
}

#[test]
fn the_span_that_weighs_most_is_the_word_that_offends() {
    let text = "dear Mr. Smith, you are a sťupid i.d.i.o.t and I like the weather";
    let explanation = Analyser::built_in().unwrap().explain(text, Category::Toxicity);

    let heaviest: Vec<&str> =
        explanation.contributions.iter().take(2).map(|one| part(text, one.span.clone())).collect();

    assert!(heaviest.contains(&"i.d.i.o.t") && heaviest.contains(&"sťupid"), "{heaviest:?}");
}

#[test]
fn without_its_heaviest_spans_a_text_is_no_longer_found() {
    for (category, text) in [
        (Category::Toxicity, "shut up you stupid idiot, the bus leaves at nine"),
        (
            Category::Spam,
            "we met at school yesterday and my aunt bought a bicycle, click here to claim your prize",
        ),
        (Category::Threat, "the weather is nice, I will kill you"),
    ] {
        let analyser = Analyser::built_in().unwrap();
        let before = analyser.analyse(text).scores.get(category);
        let mut spans: Vec<_> = analyser.explain(text, category).contributions;
        spans.truncate(3);
        spans.sort_by_key(|one| std::cmp::Reverse(one.span.start));
        let mut left = text.to_owned();
        for one in spans {
            left.replace_range(one.span, "");
        }
        let after = analyser.analyse(&left).scores.get(category);
        assert!(before > 0.5 && after < 0.5, "{category:?} {before} {after}: {left}");
    }
}

proptest! {
    #[test]
    fn contributions_add_up_for_any_text(text in "(\\PC| |[a-z]{1,6}){0,60}") {
        assert_sums(&text);
    }

    #[test]
    fn spans_are_parts_of_the_text(text in "(\\PC| |http://[a-z]{1,4}\\.com|@[a-z]{3}){0,40}") {
        for one in Analyser::built_in().unwrap().explain(&text, Category::Hate).contributions {
            prop_assert!(text.get(one.span.clone()).is_some_and(|part| !part.is_empty()), "{:?}", one.span);
        }
    }
}
