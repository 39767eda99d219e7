//! What the analyser promises, end to end.

use proptest::prelude::*;
use shared_schemas::moderation::ModerationReason;

use super::*;

fn analyser() -> &'static RuleAnalyser {
    static ANALYSER: std::sync::OnceLock<RuleAnalyser> = std::sync::OnceLock::new();
    ANALYSER.get_or_init(|| RuleAnalyser::embedded().unwrap())
}

fn post(text: &str) -> Analysis {
    analyser().analyse(&Content { text, kind: ContentKind::Post }, &Behaviour::default())
}

fn comment(text: &str) -> Analysis {
    analyser().analyse(&Content { text, kind: ContentKind::Comment }, &Behaviour::default())
}

fn flooding_author() -> Behaviour {
    Behaviour {
        published_last_minute: 12,
        published_last_hour: 60,
        same_text_last_day: 5,
        same_link_last_day: 12,
        near_copies_last_day: 0,
        near_copy_authors_last_day: 0,
        account_age_seconds: Some(300),
        ..Behaviour::default()
    }
}

fn link_farm() -> String {
    (0..10)
        .map(|n| format!("buy followers now https://bit.ly/offer{n}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Varied everyday texts, with words that careless filters trip over.
const ORDINARY: [&str; 44] = [
    "Good morning everyone! The sun is finally out and the whole street smells of fresh bread.",
    "Does anybody know a good dentist near the main station? Mine has just retired.",
    "We moved to Scunthorpe last year and the neighbours could not be nicer.",
    "The class action lawsuit was settled on Tuesday, according to the local paper.",
    "I have been wearing this smartwatch for 4 weeks and the battery still lasts three days.",
    "Tickets are $5.00 for children and $12.50 for adults, free for members.",
    "My assistant passed the assessment with distinction, I am so proud of her.",
    "Посоветуйте, пожалуйста, хороший рецепт борща без мяса.",
    "Как дела? Сегодня весь день идёт дождь, сидим дома и пьём чай.",
    "Just finished the marathon in 4:12:35. My legs are killing me, but what a day!",
    "This new album kills it, the drummer is a beast.",
    "I could murder a curry right now.",
    "Can someone shoot me an email with the slides from yesterday's talk?",
    "The blue tits have come back to the nest box in our garden.",
    "Maine Coon kittens looking for a loving home, vaccinated and chipped.",
    "He graduated magna cum laude and went on to study law.",
    "Moby Dick is a slow read, but the chapter on the whiteness of the whale is wonderful.",
    "The chicken breast should rest for ten minutes before you cut it.",
    "Our analysis shows that grape harvests come earlier every decade.",
    "I disagree with the author: the second argument does not follow from the data at all.",
    "What a terrible referee, that was never a penalty.",
    "Please do not feed the ducks bread, peas are much better for them.",
    "Version 2.1.0 fixes the crash on start; see https://example.org/changelog for the rest.",
    "Here are two good articles: https://example.org/a and https://example.com/b, both on soil health and worth a slow read.",
    "El tren llega con media hora de retraso, como siempre los lunes.",
    "Le train de huit heures a encore du retard, quelle surprise, bonne journée à tous.",
    "Slut på mjölk igen, jag springer till affären innan den stänger i kväll.",
    "Heute war der erste Schultag meiner Tochter, sie hat sich riesig gefreut.",
    "The suicide prevention hotline is open day and night; please call if you need somebody to talk to.",
    "I was stupid to forget the umbrella, now I am soaked.",
    "Grandma's apple pie recipe: 4 apples, 200g flour, 100g butter, a pinch of salt.",
    "Anyone up for chess tonight? I will kill you in chess, you know that.",
    "The firefighters use a flame retardant foam that smells awful.",
    "Is it normal that a 3rd gen iPad takes 5h to charge?",
    "Happy birthday to my best friend! Love you to the moon and back.",
    "Lost dog near the river, brown, answers to Bella. Please share.",
    "Our cat knocked over the vase again, what a little criminal.",
    "The bank raised its rates by 0.25 percent, which nobody had expected.",
    "I cut myself shaving before the interview, of course.",
    "Damn, that was close. The bus nearly left without me.",
    "Queer history month starts with a reading at the library on Friday.",
    "A.M. or P.M.? The invitation from the U.S.A. embassy does not say.",
    "The committee will analyse the cocktail menu, the Essex branch and the arsenal of Saxon tools.",
    "これはとても美味しいラーメンです。また食べに来ます。",
];

#[test]
fn the_embedded_rules_are_sound() {
    let version = RuleAnalyser::embedded().unwrap_or_else(|e| panic!("{e}")).version().clone();

    assert_eq!(version.rules_sha256.len(), 64);
    assert_ne!(version.rules_sha256, version.policy_sha256);
}

#[test]
fn ordinary_texts_are_allowed() {
    for text in ORDINARY {
        for analysis in [post(text), comment(text)] {
            assert_eq!(analysis.verdict, Verdict::Allow, "{text}: {analysis:#?}");
            assert!(analysis.reasons.is_empty());
        }
    }
}

#[test]
fn harmless_look_alikes_are_not_even_noticed() {
    for text in [
        "Scunthorpe",
        "a class action",
        "smartwatch",
        "Как дела, сосед?",
        "that is $5.00",
        "for 4 weeks",
        "a glass of grapes",
        "Penistone and Sussex",
    ] {
        assert_eq!(post(text).findings, [], "{text}");
    }
}

#[test]
fn an_obfuscated_insult_is_found_with_its_span_in_the_original() {
    for written in [
        "idiot",
        "1d10t",
        "іdіоt",
        "i d i o t",
        "IDI\u{200B}OOOOT",
        "ï.d.ï.o.t",
        "id**t",
        "ｉｄｉｏｔ",
        "i\u{AD}diot",
        "🅸🅳🅸🅾🆃",
    ] {
        let text = format!("Naïve — oh, you are such an {written}, sir.");

        let analysis = post(&text);

        let finding = analysis
            .findings
            .iter()
            .find(|f| f.rule == "lexicon.insult.directed")
            .unwrap_or_else(|| panic!("{written}: {analysis:?}"));
        let (start, end) = finding.span.unwrap();
        assert_eq!(text.get(start..end).unwrap(), written);
        assert_eq!(analysis.verdict, Verdict::Hold, "{written}");
        assert_eq!(analysis.reasons, [ModerationReason::Harassment]);
    }
}

#[test]
fn letters_set_apart_are_read_together_with_the_words_in_front() {
    assert_eq!(comment("u r a i d i o t").verdict, Verdict::Hold);
    assert_eq!(comment("C L A S S and G L A S S").findings, []);
}

#[test]
fn a_stretched_word_is_found_and_its_shorter_neighbour_is_not() {
    assert_eq!(comment("you asssshole").verdict, Verdict::Hold);
    assert_eq!(comment("as good as it gets, as ever").findings, []);
}

#[test]
fn an_insult_weighs_more_when_aimed_at_a_person() {
    let score = |text| post(text).scores[&ModerationReason::Harassment];

    assert!(score("You are an idiot") > score("only an idiot would park there"));
    assert!(score("@marie is such an idiot") > score("only an idiot would park there"));
    assert!(score("idiots like you ruin everything") > score("idiots ruin everything"));
}

#[test]
fn quotation_report_denial_and_own_use_weigh_less() {
    let score = |text| post(text).scores[&ModerationReason::Harassment];
    let plain = score("Well then, you are an idiot and that is that");

    assert!(
        score(
            "Yesterday he wrote \"you are an idiot\" under my picture, and I blocked him for good"
        ) < plain
    );
    assert!(score("On the bus a stranger called me an idiot for no reason at all") < plain);
    assert!(score("you are not an idiot, you were only tired") < plain);
    assert!(score("I am such an idiot, I locked myself out") < plain);
    assert_eq!(
        post("A man called me a faggot on the bus yesterday. I am still shaking.").verdict,
        Verdict::Allow
    );
    assert_eq!(post("As a proud fag myself I loved the parade.").verdict, Verdict::Allow);
}

#[test]
fn a_threat_is_held_and_one_that_names_a_way_is_removed() {
    assert_eq!(comment("I will kill you").verdict, Verdict::Hold);

    let explicit = comment("I know where you live and I'm going to k1ll you");

    assert_eq!(explicit.verdict, Verdict::Remove, "{explicit:#?}");
    assert_eq!(explicit.reasons[0], ModerationReason::Threat);
}

#[test]
fn a_slur_at_a_person_is_removed_and_elsewhere_held_at_most() {
    assert_eq!(comment("you are a filthy k1ke").verdict, Verdict::Remove);
    assert_eq!(post("there goes another kike").verdict, Verdict::Hold);
    assert_eq!(comment("kike").verdict, Verdict::Hold);
    assert_ne!(
        post("It is never fine that somebody wrote \"you are a kike\" on that wall").verdict,
        Verdict::Remove
    );
}

#[test]
fn sexual_solicitation_illegal_trade_and_urging_to_self_harm_are_held() {
    for (text, reason) in [
        ("hot singles in your area, send nudes", ModerationReason::Nudity),
        ("fake passports for sale, worldwide shipping", ModerationReason::RulesViolation),
        ("nobody likes you, just k y s", ModerationReason::Harassment),
        ("all immigrants are vermin", ModerationReason::Racism),
    ] {
        let analysis = post(text);
        assert_eq!(
            (analysis.verdict, analysis.reasons.first()),
            (Verdict::Hold, Some(&reason)),
            "{text}: {analysis:#?}"
        );
    }
}

#[test]
fn self_harm_is_held_for_help_and_never_removed() {
    let text = "I want to kill myself. I want to die, no reason to live, better off dead, i wish i was dead, feeling suicidal";

    let analysis =
        analyser().analyse(&Content { text, kind: ContentKind::Post }, &Behaviour::default());

    assert_eq!(analysis.verdict, Verdict::Hold);
    assert_eq!(analysis.reasons, [ModerationReason::SelfHarm]);
    assert!(analysis.scores[&ModerationReason::SelfHarm] > 95);
}

#[test]
fn a_policy_that_removes_self_harm_is_refused() {
    let policy = RuleFiles::EMBEDDED
        .policy
        .replace("[thresholds.SELF_HARM]\n", "[thresholds.SELF_HARM]\nremove = { score = 99, support = \"directed\", support_weight = 90 }\n");

    let error = RuleAnalyser::from_files(RuleFiles { policy: &policy, ..RuleFiles::EMBEDDED })
        .err()
        .unwrap();

    assert!(error.to_string().contains("SELF_HARM must not remove"), "{error}");
}

#[test]
fn all_problems_of_all_files_are_reported_together() {
    let lexicon = RuleFiles::EMBEDDED
        .lexicon
        .replace("\"son of a bitch\"", "\"son {of a bitch\"")
        .replace("quoted_percent = 60", "quoted_percent = 160");
    let signals = RuleFiles::EMBEDDED.signals.replace("share_weight = 25", "share_weight = 0");
    let files = RuleFiles { lexicon: &lexicon, signals: &signals, policy: "thresholds = {}" };

    let error = RuleAnalyser::from_files(files).err().unwrap();

    for problem in
        ["son {of a bitch", "quoted_percent", "links.share_weight", "SPAM has no thresholds"]
    {
        assert!(error.to_string().contains(problem), "{problem} in {error}");
    }
}

#[test]
fn another_scorer_can_give_the_probabilities_and_the_version_names_it() {
    struct Stern;
    impl content_analysis::Scorer for Stern {
        fn scores(&self, text: &str) -> content_analysis::Scores {
            let toxicity = if text.contains("turnip") { 0.99 } else { 0.01 };
            content_analysis::Scores { toxicity, ..content_analysis::Scores::default() }
        }
        fn version(&self) -> &'static str {
            "stern/1"
        }
    }
    let plain = RuleAnalyser::embedded().unwrap();
    let stern = RuleAnalyser::embedded().unwrap().with_scorer(std::sync::Arc::new(Stern));
    let judge = |analyser: &RuleAnalyser, text: &str| {
        let content = Content { text, kind: ContentKind::Comment };
        analyser.analyse(&content, &Behaviour::default()).verdict
    };

    assert_eq!(judge(&stern, "what a turnip that is"), Verdict::Hold);
    assert_eq!(judge(&plain, "what a turnip that is"), Verdict::Allow);
    assert_eq!(judge(&stern, "what a carrot that is"), Verdict::Allow);
    assert!(stern.version().model.ends_with("+stern/1"));
}

#[test]
fn the_version_names_the_rules_and_the_policy() {
    let policy = RuleFiles::EMBEDDED.policy.replace("hold = 45", "hold = 46");

    let other =
        RuleAnalyser::from_files(RuleFiles { policy: &policy, ..RuleFiles::EMBEDDED }).unwrap();

    assert_eq!(other.version().rules_sha256, analyser().version().rules_sha256);
    assert_ne!(other.version().policy_sha256, analyser().version().policy_sha256);
}

#[test]
fn flooding_holds_even_a_harmless_text() {
    let content = Content { text: "what a lovely day by the river", kind: ContentKind::Post };

    let analysis = analyser().analyse(&content, &flooding_author());

    assert_eq!(analysis.verdict, Verdict::Hold);
    assert_eq!(analysis.reasons, [ModerationReason::Spam]);
}

#[test]
fn a_link_farm_is_removed_only_from_a_flooding_author() {
    let text = link_farm();
    let content = Content { text: &text, kind: ContentKind::Post };

    let flooding = analyser().analyse(&content, &flooding_author());

    assert_eq!(
        (flooding.verdict, flooding.reasons),
        (Verdict::Remove, vec![ModerationReason::Spam])
    );
    assert_eq!(analyser().analyse(&content, &Behaviour::default()).verdict, Verdict::Hold);
}

#[test]
fn an_offer_is_held_when_it_comes_with_a_link() {
    assert_eq!(post("You can get cheap viagra here: pills.example.com").verdict, Verdict::Hold);
    assert_eq!(post("My inbox is full of offers for cheap pills, again.").verdict, Verdict::Allow);
}

#[test]
fn words_of_another_language_count_little_and_the_analysis_says_so() {
    let analysis = post("Slut på mjölk igen, jag springer till affären innan den stänger i kväll.");

    assert!(analysis.language_unsupported);
    assert_eq!(analysis.verdict, Verdict::Allow);
    assert!(!post("The weather is nice and we are going to the beach.").language_unsupported);
}

#[test]
fn repeating_one_word_does_not_add_up() {
    let once = post("bugs are stupid").scores.clone();

    assert_eq!(post("bugs are stupid stupid stupid").scores, once);
}

#[test]
fn a_text_too_long_to_be_read_is_held() {
    let text = "lovely ".repeat(MAX_ANALYSED_BYTES / 7 + 10);

    let analysis = post(&text);

    assert!(analysis.reasons.contains(&ModerationReason::RulesViolation));
    assert_eq!(analysis.findings[0].span.unwrap().1, text.len());
}

#[test]
fn an_analysis_survives_being_recorded() {
    let analysis = comment("I will kill you, 1diot");

    let json = serde_json::to_string(&analysis).unwrap();

    assert_eq!(serde_json::from_str::<Analysis>(&json).unwrap(), analysis);
    assert!(json.contains("\"verdict\":\"HOLD\"") && json.contains("\"THREAT\""), "{json}");
}

#[test]
fn the_scores_are_the_noisy_or_of_the_findings() {
    for text in ["I will kill you, idiot, click here", &link_farm(), "you stupid pathetic loser"] {
        let analysis = post(text);
        for (category, score) in &analysis.scores {
            let weights =
                analysis.findings.iter().filter(|f| f.category == *category).map(|f| f.weight);
            assert_eq!(*score, findings::noisy_or(weights), "{text} {category}");
        }
    }
}

#[test]
fn nasty_inputs_are_judged_without_panic_and_in_linear_time() {
    let pieces = [
        "",
        " ",
        "\0",
        "\u{FEFF}",
        "\u{FDFA}",
        "a\u{301}",
        "\u{301}",
        "i d i o t ",
        "a.",
        "@",
        "@a",
        "http://",
        "[.]",
        "x[.]",
        "\"",
        "“",
        "> ",
        "*",
        "f*",
        "idiot ",
        "you are an ",
        "he said ",
        "lol ",
        "🏳️‍🌈",
        "👨‍👩‍👧",
        "İ",
        "ß",
        "ﬁ",
        "１",
        "$1",
        "1!",
        "xn--",
        "٣",
        "क्ष",
        "\r\n",
        "\u{202E}",
        "a s s ",
    ];
    for piece in pieces {
        let text = piece.repeat(MAX_ANALYSED_BYTES / piece.len().max(1) + 1);
        let started = std::time::Instant::now();
        let analysis = post(&text);
        assert!(
            started.elapsed() < std::time::Duration::from_secs(10),
            "{piece:?} took {:?}",
            started.elapsed()
        );
        assert_spans_fit(&text, &analysis);
    }
}

fn assert_spans_fit(text: &str, analysis: &Analysis) {
    for finding in &analysis.findings {
        if let Some((start, end)) = finding.span {
            assert!(start < end && text.get(start..end).is_some(), "{finding:?}");
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        any::<String>(),
        proptest::sample::select(vec![
            "you are an idiot",
            "i d i o t",
            "1d10t",
            "іdіоt",
            "http://evil[.]com/x",
            "@user",
            "\u{200B}",
            "\u{301}",
            "\"",
            "he said ",
            "kill yourself",
            "İ",
            "ﷺ",
            "\n> ",
            "idiooooot",
            "🅸🅳",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn any_text_is_judged_the_same_twice_with_spans_at_character_boundaries(fragments in prop::collection::vec(fragment(), 0..12)) {
        let text = fragments.join(" ");

        let analysis = post(&text);

        assert_spans_fit(&text, &analysis);
        prop_assert_eq!(&analysis, &post(&text));
        prop_assert!(analysis.findings.iter().all(|f| (1..=100).contains(&f.weight) && !f.explanation.is_empty()));
        prop_assert_eq!(analysis.verdict == Verdict::Allow, analysis.reasons.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A replay spreads judgements over threads, in an order of its own.
    #[test]
    fn judgements_are_the_same_on_every_thread_and_whenever_they_are_repeated(
        texts in prop::collection::vec(prop::collection::vec(fragment(), 0..8), 1..12),
        published_last_minute in 0..20_u32,
        account_age_seconds in prop::option::of(0..1_000_000_u64),
    ) {
        let texts: Vec<String> = texts.iter().map(|fragments| fragments.join(" ")).collect();
        let behaviour = Behaviour { published_last_minute, account_age_seconds, ..Behaviour::default() };
        let judge = |text: &String| {
            let content = Content { text, kind: ContentKind::Comment };
            serde_json::to_vec(&analyser().analyse(&content, &behaviour)).unwrap()
        };
        let once: Vec<Vec<u8>> = texts.iter().map(judge).collect();
        let apart: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|turn| {
                    let (texts, judge) = (&texts, &judge);
                    scope.spawn(move || {
                        let mut judged: Vec<Vec<u8>> = vec![Vec::new(); texts.len()];
                        for step in 0..texts.len() {
                            let at = (step + turn) % texts.len();
                            judged[at] = judge(&texts[at]);
                        }
                        judged
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for judged in apart {
            prop_assert_eq!(&judged, &once);
        }
    }
}
