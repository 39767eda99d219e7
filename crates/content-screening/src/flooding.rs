//! Authors who publish faster, or the same thing oftener, than a person with something to say.

use serde::Deserialize;
use shared_schemas::moderation::ModerationReason;

use super::{Behaviour, Finding};

/// The flooding section of the signal file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FloodingRules {
    /// Pieces of any content in the last minute, the judged one not counted.
    pub(super) published_last_minute: Vec<Step>,
    /// Pieces of any content in the last hour.
    pub(super) published_last_hour: Vec<Step>,
    /// Repeats of the judged text in the last day.
    pub(super) same_text_last_day: Vec<Step>,
    /// Repeats of a link of the judged text in the last day.
    pub(super) same_link_last_day: Vec<Step>,
    /// Other authors of near-copies of the judged text in the last day.
    pub(super) near_copy_authors_last_day: Vec<Step>,
    /// People mentioned in the last hour, the judged text not counted.
    pub(super) mentioned_last_hour: Vec<Step>,
    /// Removals of the author's content in the last 90 days that stand.
    pub(super) removed_before: Vec<Step>,
    /// Removed content of the last day that links to the same host; counts if the judged text has a link.
    pub(super) same_host_removed_last_day: Vec<Step>,
    /// Weight of a link in the first text that an author publishes.
    pub(super) first_link_weight: u8,
    /// Accounts younger than this are new, in seconds.
    pub(super) new_account_seconds: u64,
    /// Weight of a link by a new account.
    pub(super) new_account_link_weight: u8,
}

/// From this count on, this weight; the highest step that is reached counts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) at_least: u32,
    pub(super) weight: u8,
}

impl FloodingRules {
    /// Every weight with its name, to be checked at start.
    pub(super) fn weights(&self) -> Vec<(&'static str, u8)> {
        let steps = [
            ("flooding.published_last_minute", &self.published_last_minute),
            ("flooding.published_last_hour", &self.published_last_hour),
            ("flooding.same_text_last_day", &self.same_text_last_day),
            ("flooding.same_link_last_day", &self.same_link_last_day),
            ("flooding.near_copy_authors_last_day", &self.near_copy_authors_last_day),
            ("flooding.mentioned_last_hour", &self.mentioned_last_hour),
            ("flooding.removed_before", &self.removed_before),
            ("flooding.same_host_removed_last_day", &self.same_host_removed_last_day),
        ];
        let mut weights: Vec<_> = steps
            .iter()
            .flat_map(|(name, steps)| steps.iter().map(move |step| (*name, step.weight)))
            .collect();
        weights.push(("flooding.first_link_weight", self.first_link_weight));
        weights.push(("flooding.new_account_link_weight", self.new_account_link_weight));
        weights
    }
}

/// Judges what the author did lately.
pub(super) fn judge(behaviour: &Behaviour, has_link: bool, rules: &FloodingRules) -> Vec<Finding> {
    let minute = behaviour.published_last_minute;
    let hour = behaviour.published_last_hour;
    let text = behaviour.same_text_last_day;
    let link = behaviour.same_link_last_day;
    let authors = behaviour.near_copy_authors_last_day;
    let mentioned = behaviour.mentioned_last_hour;
    let removed = behaviour.removed_before;
    let host = if has_link { behaviour.same_host_removed_last_day } else { 0 };
    let counted = [
        (
            "minute",
            minute,
            &rules.published_last_minute,
            format!("The author published {minute} times within a minute."),
        ),
        (
            "hour",
            hour,
            &rules.published_last_hour,
            format!("The author published {hour} times within an hour."),
        ),
        (
            "same_text",
            text,
            &rules.same_text_last_day,
            format!("The author published this text {text} times before within a day."),
        ),
        (
            "same_link",
            link,
            &rules.same_link_last_day,
            format!("The author published this link {link} times before within a day."),
        ),
        (
            "near_copies",
            authors,
            &rules.near_copy_authors_last_day,
            format!("{authors} others published almost the same within a day."),
        ),
        (
            "mentions",
            mentioned,
            &rules.mentioned_last_hour,
            format!("The author mentioned {mentioned} people within an hour."),
        ),
        (
            "removed_before",
            removed,
            &rules.removed_before,
            format!("{removed} texts of the author were removed within 90 days."),
        ),
        (
            "removed_host",
            host,
            &rules.same_host_removed_last_day,
            format!("{host} texts with a link to the same host were removed within a day."),
        ),
    ];
    let mut findings: Vec<Finding> = counted
        .into_iter()
        .filter_map(|(rule, count, steps, explanation)| {
            let weight =
                steps.iter().filter(|step| count >= step.at_least).map(|step| step.weight).max()?;
            Some(finding(rule, weight, explanation))
        })
        .collect();
    let is_new = behaviour.account_age_seconds.is_some_and(|age| age < rules.new_account_seconds);
    if is_new && has_link {
        let explanation = "A new account publishes a link.".to_owned();
        findings.push(finding("new_account_link", rules.new_account_link_weight, explanation));
    }
    if behaviour.published_before == 0 && has_link && behaviour.account_age_seconds.is_some() {
        let explanation = "The first text of an author has a link.".to_owned();
        findings.push(finding("first_link", rules.first_link_weight, explanation));
    }
    findings
}

fn finding(rule: &str, weight: u8, explanation: String) -> Finding {
    Finding {
        rule: format!("flooding.{rule}"),
        category: ModerationReason::Spam,
        weight,
        span: None,
        explanation,
    }
}
