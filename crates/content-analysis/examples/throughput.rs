//! Texts per second on one core, beside the word filter rustrict in the same run: `cargo xtask bench moderation`.

use std::{
    hint::black_box,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use content_analysis::Analyser;
use rustrict::CensorStr as _;

/// Sentences of which texts are put together, plain and in disguise.
const PARTS: [&str; 16] = [
    "The train was late again, but the sunrise over the lake made up for it.",
    "Does anybody know a good recipe for lentil soup?",
    "Happy birthday to my sister, who taught me how to ride a bike! 🎉",
    "@anna thank you, see https://example.com/a/b?c=1 for the photos #garden",
    "Our team lost 3:2, what a game though!!!",
    "you are a st*pid idi0t and nobody likes you",
    "Rain all day, so we stayed in and played cards.",
    "I h-a-t-e waiting in line, sooooo boring",
    "click here to claim your free prize http://win-prize.example",
    "Das Wetter war heute wirklich schön, wir waren am See.",
    "My new kitchn is almost finshed, only the lamps are missing.",
    "Мы были вчера в парке, и было очень хорошо.",
    "The new library opens on Monday at nine.",
    "I don't know what to do any more, everything is too much",
    "what the h3ll is this sh1t, f u c k i n g slow again",
    "Congratulations on the new job, you have earned it.",
];

/// Texts of 40 to 300 bytes, always the same.
fn texts() -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0)
    };
    let text = |_| {
        let parts = 1 + next() % 4;
        let parts: Vec<&str> =
            (0..parts).filter_map(|_| PARTS.get(next() % PARTS.len())).copied().collect();
        parts.join(" ")
    };
    (0..20_000).map(text).collect()
}

/// Passes over the texts until a second has gone by; texts per second.
fn rate(texts: &[String], mut each: impl FnMut(&str)) -> f64 {
    for text in texts.iter().take(2_000) {
        each(text);
    }
    let (started, mut count) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(2) {
        for text in texts {
            each(text);
            count += 1;
        }
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let analyser = Analyser::built_in()?;
    let texts = texts();
    let bytes: usize = texts.iter().map(String::len).sum();
    let ours = rate(&texts, |text| {
        black_box(analyser.analyse(text));
    });
    let theirs = rate(&texts, |text| {
        black_box(text.is_inappropriate());
    });
    let long: Vec<&String> = texts.iter().filter(|text| text.len() > 200).collect();
    let mut times: Vec<Duration> = long
        .iter()
        .map(|text| {
            let started = Instant::now();
            black_box(analyser.analyse(text));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    let report = serde_json::json!({
        "texts_per_second_and_core": ours.round(),
        "rustrict_texts_per_second_and_core": theirs.round(),
        "ratio": ours / theirs,
        "p99_microseconds_of_200_to_300_bytes": p99.as_nanos() / 1_000,
        "mean_bytes": bytes / texts.len(),
        "model": analyser.model().version(),
    });
    writeln!(io::stdout(), "{report:#}")?;
    Ok(())
}
