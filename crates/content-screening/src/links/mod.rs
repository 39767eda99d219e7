//! What links say about a text: how many there are, what they hide, how much of the text they are.

use std::collections::BTreeMap;

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use super::Finding;

mod find;

pub(super) use find::{Link, find};

use find::Oddity;

/// The links section of the signal file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkRules {
    /// Endings that make a bare `host.ending` a link.
    pub(super) endings: Vec<String>,
    /// Endings that are words or file names too: a link only with a path behind them.
    pub(super) endings_with_path: Vec<String>,
    /// Hosts that hide where a link leads.
    pub(super) shorteners: Vec<String>,
    /// Weight of having a link at all, which tells an offer from talk about one.
    pub(super) any_weight: u8,
    /// Weight of a link through a shortener.
    pub(super) shortener_weight: u8,
    /// Weight of a link to a bare address.
    pub(super) address_weight: u8,
    /// Weight of an internationalised host name, which can imitate another.
    pub(super) punycode_weight: u8,
    /// Weight of a link written so that only people recognise it (`hxxp`, `[.]`).
    pub(super) disguised_weight: u8,
    /// Weight of a link with a user name before the host, which imitates another host.
    pub(super) user_name_weight: u8,
    /// From this many links on the text is a list of links.
    pub(super) many_at_least: usize,
    /// Weight of that.
    pub(super) many_weight: u8,
    /// From this many links on the text is a link farm.
    pub(super) farm_at_least: usize,
    /// Weight of that, added to `many_weight`.
    pub(super) farm_weight: u8,
    /// From this many times on the same link is pushed.
    pub(super) same_at_least: usize,
    /// Weight of that.
    pub(super) same_weight: u8,
    /// Share of the text in percent from which links are its content; counted with two links and more.
    pub(super) share_percent: usize,
    /// Weight of that.
    pub(super) share_weight: u8,
}

impl LinkRules {
    /// Every weight with its name, to be checked at start.
    pub(super) fn weights(&self) -> [(&'static str, u8); 10] {
        [
            ("links.any_weight", self.any_weight),
            ("links.shortener_weight", self.shortener_weight),
            ("links.address_weight", self.address_weight),
            ("links.punycode_weight", self.punycode_weight),
            ("links.disguised_weight", self.disguised_weight),
            ("links.user_name_weight", self.user_name_weight),
            ("links.many_weight", self.many_weight),
            ("links.farm_weight", self.farm_weight),
            ("links.same_weight", self.same_weight),
            ("links.share_weight", self.share_weight),
        ]
    }
}

/// Judges the links of a text.
pub(super) fn judge(text: &str, links: &[Link], rules: &LinkRules) -> Vec<Finding> {
    let mut findings = judge_each(links, rules);
    findings.extend(judge_number(text, links, rules));
    findings
}

fn judge_each(links: &[Link], rules: &LinkRules) -> Vec<Finding> {
    let first = |rule: &str, weight: u8, explanation: &str, holds: &dyn Fn(&Link) -> bool| {
        let link = links.iter().find(|link| holds(link))?;
        Some(finding(rule, weight, Some((link.start, link.end)), explanation.to_owned()))
    };
    let shortened = |link: &Link| rules.shorteners.contains(&link.host);
    let is = |oddity: Oddity| move |link: &Link| link.oddities.contains(&oddity);
    [
        first("any", rules.any_weight, "The text has a link.", &|_| true),
        first(
            "shortener",
            rules.shortener_weight,
            "A link shortener hides where the link leads.",
            &shortened,
        ),
        first(
            "address",
            rules.address_weight,
            "The link leads to a bare address instead of a named host.",
            &is(Oddity::Address),
        ),
        first(
            "punycode",
            rules.punycode_weight,
            "The host name has foreign letters, which can imitate another host.",
            &is(Oddity::Foreign),
        ),
        first(
            "disguised",
            rules.disguised_weight,
            "The link is written so that filters do not recognise it.",
            &is(Oddity::Disguised),
        ),
        first(
            "user_name",
            rules.user_name_weight,
            "The link names one host and leads to another.",
            &is(Oddity::UserName),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn judge_number(text: &str, links: &[Link], rules: &LinkRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = links.len();
    if count >= rules.many_at_least {
        findings.push(finding(
            "many",
            rules.many_weight,
            None,
            format!("The text has {count} links."),
        ));
    }
    if count >= rules.farm_at_least {
        let explanation = format!("With {count} links the text is a collection of links.");
        findings.push(finding("farm", rules.farm_weight, None, explanation));
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for link in links {
        let times = seen.entry(link.target.to_lowercase()).or_default();
        *times += 1;
        if *times == rules.same_at_least {
            let explanation =
                format!("The same link stands in the text {} times or more.", rules.same_at_least);
            findings.push(finding(
                "same",
                rules.same_weight,
                Some((link.start, link.end)),
                explanation,
            ));
            break;
        }
    }
    let linked: usize = links.iter().map(|link| link.end - link.start).sum();
    let share = linked * 100 / text.trim().len().max(1);
    if count >= 2 && share >= rules.share_percent {
        let explanation = format!("{share} % of the text are links.");
        findings.push(finding("share", rules.share_weight, None, explanation));
    }
    findings
}

fn finding(rule: &str, weight: u8, span: Option<(usize, usize)>, explanation: String) -> Finding {
    Finding {
        rule: format!("links.{rule}"),
        category: ModerationReason::Spam,
        weight,
        span,
        explanation,
    }
}
