//! What a policy file can say, through the whole analyser.

use shared_schemas::{
    moderation::{ContentLabel, ModerationReason},
    post::Category,
};

use crate::{
    Analyser, Analysis, Behaviour, Content, ContentKind, RuleAnalyser, RuleFiles, Verdict,
};

const ORDINARY: &str =
    "We walked along the river, see https://pictures.example/river for the photos";
const FARM: &str = "buy followers now https://bit.ly/a buy followers now https://bit.ly/b buy followers now https://bit.ly/c \
                    buy followers now https://bit.ly/d buy followers now https://bit.ly/e buy followers now https://bit.ly/f";

fn flooding() -> Behaviour {
    Behaviour {
        published_last_minute: 12,
        published_last_hour: 90,
        same_text_last_day: 10,
        same_link_last_day: 20,
        ..Behaviour::default()
    }
}

/// The policy file of this crate with more at its end; tables that stand in it already are given with what they begin with.
fn with(extra: &str) -> Result<RuleAnalyser, String> {
    let policy = format!("{}\n{extra}", RuleFiles::EMBEDDED.policy);
    RuleAnalyser::from_files(RuleFiles { policy: &policy, ..RuleFiles::EMBEDDED })
        .map_err(|error| error.to_string())
}

fn replacing(old: &str, new: &str) -> RuleAnalyser {
    let policy = RuleFiles::EMBEDDED.policy.replace(old, new);
    assert_ne!(policy, RuleFiles::EMBEDDED.policy);
    RuleAnalyser::from_files(RuleFiles { policy: &policy, ..RuleFiles::EMBEDDED }).unwrap()
}

fn judge(analyser: &RuleAnalyser, text: &str, behaviour: &Behaviour) -> Analysis {
    analyser.analyse(&Content { text, kind: ContentKind::Post }, behaviour)
}

#[test]
fn links_to_denied_hosts_are_held_and_those_to_allowed_ones_are_no_sign() {
    let lists = |lists: &str| with(&format!("[lists]\n{lists}")).unwrap();
    let denied = lists("denied_hosts = [\"pictures.example\"]\ndenied_host_weight = 90");
    let allowed = lists("allowed_hosts = [\"pictures.example\"]");
    let sees_links = |analysis: &Analysis| {
        analysis.findings.iter().any(|finding| finding.rule.starts_with("links."))
    };

    let held = judge(&denied, ORDINARY, &Behaviour::default());
    let plain = judge(&with("").unwrap(), ORDINARY, &Behaviour::default());
    let welcome = judge(&allowed, ORDINARY, &Behaviour::default());

    assert_eq!((held.verdict, plain.verdict), (Verdict::Hold, Verdict::Allow));
    assert!(sees_links(&plain) && !sees_links(&welcome));
}

#[test]
fn a_rule_of_the_operator_applies_when_all_its_conditions_hold() {
    let rule = r#"
        [[rule]]
        id = "policy.beginners_numbers"
        category = "SPAM"
        weight = 60
        explanation = "A new account gives a number to write to."
        when = { kinds = ["post"], account_younger_than_seconds = 86400, text_matches = '\+\d{9,}', communities = ["TRAVEL"] }
    "#;
    let analyser = with(rule).unwrap();
    let text = "Write to me at +4915112345678 about the rooms";
    let young = Behaviour {
        account_age_seconds: Some(60),
        published_before: 3,
        community: Some(Category::Travel),
        ..Behaviour::default()
    };

    let held = judge(&analyser, text, &young);
    let finding = held.findings.iter().find(|f| f.rule == "policy.beginners_numbers").unwrap();
    let (start, end) = finding.span.unwrap();

    assert_eq!(held.verdict, Verdict::Hold);
    assert_eq!(text.get(start..end).unwrap(), "+4915112345678");
    for other in [
        Behaviour { account_age_seconds: Some(90_000), ..young.clone() },
        Behaviour { account_age_seconds: None, ..young.clone() },
        Behaviour { community: Some(Category::Food), ..young.clone() },
    ] {
        assert_eq!(judge(&analyser, text, &other).verdict, Verdict::Allow, "{other:?}");
    }
    assert_eq!(judge(&analyser, "Write to me about the rooms", &young).verdict, Verdict::Allow);
    let comment = Content { text, kind: ContentKind::Comment };
    assert_eq!(analyser.analyse(&comment, &young).verdict, Verdict::Allow);
}

#[test]
fn a_pattern_can_be_about_the_text_without_its_disguise() {
    let rule = r#"
        [[rule]]
        id = "policy.brand"
        category = "RULES_VIOLATION"
        weight = 70
        explanation = "Names a product that may not be named here."
        when = { normalised_matches = '\bacmephone\b' }
    "#;
    let analyser = with(rule).unwrap();
    let text = "the new A-C-M-E-P-H-O-N-E is here";

    let held = judge(&analyser, text, &Behaviour::default());

    assert_eq!(held.verdict, Verdict::Hold);
    let (start, end) = held.findings[0].span.unwrap();
    assert_eq!(text.get(start..end).unwrap(), "A-C-M-E-P-H-O-N-E");
    assert_eq!(judge(&analyser, "the new phone", &Behaviour::default()).verdict, Verdict::Allow);
}

#[test]
fn communities_and_languages_can_have_thresholds_of_their_own() {
    let analyser =
        with("[[override]]\ncommunities = [\"TRAVEL\"]\nthresholds.SPAM = { hold = 10 }").unwrap();
    let there = Behaviour { community: Some(Category::Travel), ..Behaviour::default() };

    assert_eq!(judge(&analyser, ORDINARY, &there).verdict, Verdict::Hold);
    assert_eq!(judge(&analyser, ORDINARY, &Behaviour::default()).verdict, Verdict::Allow);

    let german =
        with("[[override]]\nlanguages = [\"deu\"]\nthresholds.SPAM = { hold = 10 }").unwrap();
    let text =
        "Wir waren gestern am Fluss und es war sehr schön, siehe https://bilder.example/fluss";

    assert_eq!(judge(&german, text, &Behaviour::default()).language, "deu");
    assert_eq!(judge(&german, text, &Behaviour::default()).verdict, Verdict::Hold);
    assert_eq!(judge(&german, ORDINARY, &Behaviour::default()).verdict, Verdict::Allow);
}

#[test]
fn what_would_be_removed_beyond_the_cap_of_a_day_is_held() {
    let analyser = with("").unwrap();
    let busy = Behaviour { removed_by_policy_last_day: 1_000, ..flooding() };

    assert_eq!(judge(&analyser, FARM, &flooding()).verdict, Verdict::Remove);
    assert_eq!(judge(&analyser, FARM, &busy).verdict, Verdict::Hold);
}

#[test]
fn a_policy_in_shadow_says_what_it_would_do_and_does_nothing() {
    let analyser = replacing("mode = \"enforce\"", "mode = \"shadow\"");

    let judged = judge(&analyser, FARM, &flooding());

    assert_eq!((judged.verdict, judged.would), (Verdict::Allow, Some(Verdict::Remove)));
    assert!(judged.reasons.is_empty() && judged.labels.is_empty());
}

#[test]
fn despair_bears_the_label_that_shows_help_and_is_never_removed() {
    let analyser = with("").unwrap();

    let judged = judge(&analyser, "I want to kill myself, I can't go on", &flooding());

    assert_ne!(judged.verdict, Verdict::Remove);
    assert!(judged.labels.contains(&ContentLabel::HelpOffered));
    assert!(judge(&analyser, ORDINARY, &Behaviour::default()).labels.is_empty());
}

#[test]
fn an_author_whose_texts_were_removed_and_a_host_of_removed_texts_weigh() {
    let analyser = with("").unwrap();
    let spam = |behaviour: &Behaviour| {
        judge(&analyser, ORDINARY, behaviour).scores[&ModerationReason::Spam]
    };
    let plain = spam(&Behaviour::default());

    for known in [
        Behaviour { removed_before: 5, ..Behaviour::default() },
        Behaviour { same_host_removed_last_day: 5, ..Behaviour::default() },
        Behaviour { mentioned_last_hour: 50, ..Behaviour::default() },
        Behaviour { account_age_seconds: Some(99_999), ..Behaviour::default() },
    ] {
        assert!(spam(&known) > plain, "{known:?}");
    }
}

#[test]
fn every_mistake_of_a_policy_is_named() {
    let error = with(
        r#"
        [lists]
        denied_hosts = ["Shop.example", "x.example"]
        allowed_hosts = ["x.example"]

        [[override]]
        thresholds.SPAM = { hold = 0 }

        [[rule]]
        id = "mine"
        category = "SPAM"
        weight = 0
        explanation = " "
        when = {}
        "#,
    )
    .err()
    .unwrap();

    for problem in [
        "`Shop.example` is no host name",
        "`x.example` is denied and allowed",
        "denied_host_weight",
        "override 1 names neither communities nor languages",
        "SPAM: hold is 1 to 100, not 0",
        "rule `mine`: an id is",
        "a weight is 1 to 100",
        "needs an explanation",
        "has no condition",
    ] {
        assert!(error.contains(problem), "{problem} in {error}");
    }
    let pattern = "[[rule]]\nid = \"policy.x\"\ncategory = \"SPAM\"\nweight = 1\nexplanation = \"x\"\nwhen = { text_matches = \"(\" }";
    assert!(with(pattern).err().unwrap().contains("unclosed group"));
}
