//! What a replay came to, for programs and for people.

use chrono::{DateTime, NaiveDate, Utc};
use content_screening::Verdict;
use serde::Serialize;
use shared_schemas::CaseId;
use shared_schemas::moderation::{ModerationReason, Subject};

use super::flip::Change;
use super::human::{Agreement, Share};
use super::tally::{Named, Sample, Shift, Tally};
use crate::ui;

/// What a replay came to.
#[derive(Serialize)]
pub(super) struct Report {
    /// The analyser that judged again.
    analyser: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<DateTime<Utc>>,
    /// Judgements on record.
    recorded: u64,
    /// Judgements that were made again.
    judged: u64,
    /// Judgements whose text is gone.
    erased: u64,
    /// Records that are no judgement.
    unreadable: u64,
    /// Judgements that came out differently in anything.
    pub(super) differences: u64,
    /// Judgements that came out differently though the analyser is the recorded one.
    altered: u64,
    verdicts: Vec<Verdicts>,
    versions: Vec<OfVersion>,
    /// By the worst reason, then and now.
    by_category: Vec<By<ModerationReason>>,
    /// Whether the word rules know the language.
    by_support: Vec<By<&'static str>>,
    /// The model's idea of the language, ISO 639-3.
    by_language: Vec<By<String>>,
    /// By what the post is about.
    by_community: Vec<By<String>>,
    /// Held a day: what people have to look at.
    by_day: Vec<By<NaiveDate>>,
    load: Load,
    people: People,
    samples: Vec<Example>,
    named: Vec<Named>,
    seconds: f64,
    texts_per_second: f64,
    threads: usize,
    /// The most memory that this process had, in bytes; absent where nobody tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory: Option<u64>,
}

#[derive(Serialize)]
struct Verdicts {
    from: Verdict,
    to: Verdict,
    count: u64,
}

#[derive(Serialize)]
struct OfVersion {
    version: String,
    is_given: bool,
    judged: u64,
    differences: u64,
    changed: u64,
}

#[derive(Serialize)]
struct By<K> {
    of: K,
    #[serde(flatten)]
    shift: Shift,
}

/// What people have to look at in a day, without reports.
#[derive(Serialize)]
struct Load {
    days: u64,
    held_a_day_before: f64,
    held_a_day_after: f64,
    most_in_a_day_before: u64,
    most_in_a_day_after: u64,
}

/// What moderators decided about the same versions. They see what was held or reported and hardly anything else, so shares
/// say nothing of the rest.
#[derive(Serialize)]
struct People {
    decided: u64,
    before: Agreement,
    after: Agreement,
}

#[derive(Serialize)]
struct Example {
    subject: Subject,
    subject_version: u64,
    case_id: CaseId,
    change: Change,
    from: Verdict,
    from_reasons: Vec<ModerationReason>,
    to: Verdict,
    to_reasons: Vec<ModerationReason>,
    /// What led to the new judgement, strongest first.
    rules: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// How and how fast it was judged.
pub(super) struct Run {
    pub(super) analyser: String,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
    pub(super) seconds: f64,
    pub(super) threads: usize,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 judgements")]
    pub(super) fn new(run: Run, tally: Tally) -> Self {
        let Run { analyser, from, to, seconds, threads } = run;
        let days = tally.days.len() as u64;
        let a_day = |count: u64| count as f64 / days.max(1) as f64;
        let most = |held: fn(&Shift) -> u64| tally.days.values().map(held).max().unwrap_or(0);
        let load = Load {
            days,
            held_a_day_before: a_day(tally.all.held_before),
            held_a_day_after: a_day(tally.all.held_after),
            most_in_a_day_before: most(|shift| shift.held_before),
            most_in_a_day_after: most(|shift| shift.held_after),
        };
        let support = |is_supported| if is_supported { "supported" } else { "unsupported" };
        let version = |(version, of): (String, super::tally::OfVersion)| OfVersion {
            version,
            is_given: of.is_given,
            judged: of.judged,
            differences: of.differences,
            changed: of.changed,
        };
        Self {
            analyser,
            from,
            to,
            recorded: tally.recorded,
            judged: tally.all.judged,
            erased: tally.erased,
            unreadable: tally.unreadable,
            differences: tally.differences,
            altered: tally.altered,
            verdicts: tally
                .verdicts
                .into_iter()
                .map(|((from, to), count)| Verdicts { from, to, count })
                .collect(),
            versions: tally.versions.into_iter().map(version).collect(),
            by_category: list(tally.categories),
            by_support: list(tally.support.into_iter().map(|(is, shift)| (support(is), shift))),
            by_language: list(tally.languages),
            by_community: list(tally.communities),
            by_day: list(tally.days),
            load,
            people: People {
                decided: tally.people_after.total(),
                before: tally.people_before.agreement(),
                after: tally.people_after.agreement(),
            },
            samples: tally
                .samples
                .into_values()
                .flat_map(std::collections::BTreeMap::into_values)
                .map(example)
                .collect(),
            named: tally.named,
            seconds,
            texts_per_second: tally.all.judged as f64 / seconds.max(1e-9),
            threads,
            peak_memory: peak_memory(),
        }
    }

    /// Whether every judgement came out as it was recorded.
    pub(super) fn is_same(&self) -> bool {
        self.differences == 0 && self.unreadable == 0
    }

    /// Everything, for people.
    pub(super) fn text(&self) -> String {
        let mut parts = vec![self.summary()];
        if !self.named.is_empty() {
            let row = |named: &Named| {
                [named.subject_id.to_string(), named.version.to_string(), named.what.to_owned()]
            };
            let header = ["subject", "version", "record"];
            parts.push(ui::table(header, self.named.iter().map(row), ""));
        }
        if self.differences > 0 {
            parts.push(self.changes());
            parts.push(table("worst reason", &self.by_category, ToString::to_string));
            parts.push(table("language", &self.by_support, |&name| name.to_owned()));
            parts.push(table("in", &self.by_language, String::clone));
            parts.push(table("community", &self.by_community, String::clone));
            parts.push(self.queue());
            parts.push(self.agreement());
            parts.push(self.examples());
        }
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    }

    /// What other rules would have done, for people.
    pub(super) fn what_if(&self) -> String {
        let more =
            |after: u64, before: u64| (after.saturating_sub(before), before.saturating_sub(after));
        let (more_held, fewer_held) =
            more(self.shift(|s| s.held_after), self.shift(|s| s.held_before));
        let (more_gone, fewer_gone) =
            more(self.shift(|s| s.removed_after), self.shift(|s| s.removed_before));
        let moved = |to: Verdict| -> u64 {
            let moved = self.verdicts.iter().filter(|row| row.to == to && row.from != to);
            moved.map(|row| row.count).sum()
        };
        let row = |what: &str, count: u64, more: u64, fewer: u64| {
            let sign = if fewer > 0 { format!("-{fewer}") } else { format!("+{more}") };
            [what.to_owned(), count.to_string(), sign]
        };
        let rows = [
            row("held", moved(Verdict::Hold), more_held, fewer_held),
            row("removed", moved(Verdict::Remove), more_gone, fewer_gone),
            ["let through".to_owned(), moved(Verdict::Allow).to_string(), "-".to_owned()],
        ];
        let header = ["it would have", "that was not", "in all"];
        [
            self.summary(),
            ui::table(header, rows, ""),
            self.changes(),
            self.queue(),
            self.agreement(),
        ]
        .join("\n\n")
    }

    fn shift(&self, of: fn(&Shift) -> u64) -> u64 {
        self.by_support.iter().map(|by| of(&by.shift)).sum()
    }

    fn summary(&self) -> String {
        let mut lines = vec![format!("{} differences of {}", self.differences, self.judged)];
        if self.erased > 0 {
            lines.push(format!(
                "{} of {} recorded judgements have no text any more (erased) and cannot be made again",
                self.erased, self.recorded
            ));
        }
        if self.unreadable > 0 {
            lines.push(format!("{} records cannot be read", self.unreadable));
        }
        if self.altered > 0 {
            lines.push(format!(
                "{} judgements are not what the recorded analyser says of the text: a record was altered",
                self.altered
            ));
        }
        lines.push(format!("judged again by {}", self.analyser));
        for version in self.versions.iter().filter(|version| !version.is_given) {
            lines.push(format!(
                "{} were judged by {}: {} differ, {} in the verdict",
                version.judged, version.version, version.differences, version.changed
            ));
        }
        lines.push(format!(
            "{:.1} s, {:.0} texts a second on {} threads, reading and writing included",
            self.seconds, self.texts_per_second, self.threads
        ));
        lines.join("\n")
    }

    fn changes(&self) -> String {
        let changed = self.verdicts.iter().filter(|row| row.from != row.to);
        let row =
            |row: &Verdicts| [row.from.to_string(), row.to.to_string(), row.count.to_string()];
        ui::table(["was", "would be", "judgements"], changed.map(row), "every verdict is the same")
    }

    fn queue(&self) -> String {
        let Load { days, held_a_day_before, held_a_day_after, .. } = self.load;
        format!(
            "held a day, over {days} days: {held_a_day_before:.1} then, {held_a_day_after:.1} now; at most {} then, {} now",
            self.load.most_in_a_day_before, self.load.most_in_a_day_after
        )
    }

    fn agreement(&self) -> String {
        let People { decided, before, after } = &self.people;
        if *decided == 0 {
            return "no moderator has decided about any of them".to_owned();
        }
        let row = |what: &str, then: Share, now: Share| [what.to_owned(), shown(then), shown(now)];
        let rows = [
            row("flagged, and a person removed it", before.flagged_rightly, after.flagged_rightly),
            row("removed, and a person agreed", before.removed_rightly, after.removed_rightly),
            row("a person removed it, and it is flagged", before.found, after.found),
            [
                "a person removed it, and it passes".to_owned(),
                before.would_pass.to_string(),
                after.would_pass.to_string(),
            ],
            [
                "a person let it stand, and it is removed".to_owned(),
                before.would_go.to_string(),
                after.would_go.to_string(),
            ],
        ];
        let what = format!("{decided} decided by moderators");
        ui::table([what.as_str(), "then (95 %)", "now (95 %)"], rows, "")
    }

    fn examples(&self) -> String {
        let row = |example: &Example| {
            let kind = match example.subject {
                Subject::Post(id) => format!("post {id}"),
                Subject::Comment(id) => format!("comment {id}"),
            };
            let text = example.text.as_deref().unwrap_or_default();
            [
                format!("{} -> {}", example.from, example.to),
                kind,
                example.subject_version.to_string(),
                example.rules.join(" "),
                text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect(),
            ]
        };
        let header = ["example", "subject", "version", "rules", "text"];
        ui::table(header, self.samples.iter().map(row), "")
    }
}

fn list<K>(counted: impl IntoIterator<Item = (K, Shift)>) -> Vec<By<K>> {
    counted.into_iter().map(|(of, shift)| By { of, shift }).collect()
}

fn table<K>(what: &str, rows: &[By<K>], name: impl Fn(&K) -> String) -> String {
    let row = |By { of, shift }: &By<K>| {
        [
            name(of),
            shift.judged.to_string(),
            shift.changed.to_string(),
            format!("{} -> {}", shift.held_before, shift.held_after),
            format!("{} -> {}", shift.removed_before, shift.removed_after),
        ]
    };
    ui::table([what, "judged", "changed", "held", "removed"], rows.iter().map(row), "")
}

fn shown(share: Share) -> String {
    match share.ratio {
        None => "-".to_owned(),
        Some(value) => format!(
            "{:.3} ({:.3} to {:.3}; {} of {})",
            value, share.low, share.high, share.hits, share.of
        ),
    }
}

fn example(Sample { flip, text }: Sample) -> Example {
    let rules = flip.analysis.findings.iter().take(3).map(|finding| finding.rule.clone());
    Example {
        subject: flip.subject,
        subject_version: flip.subject_version,
        case_id: flip.case_id,
        change: flip.change,
        from: flip.from,
        from_reasons: flip.from_reasons,
        to: flip.to,
        to_reasons: flip.to_reasons,
        rules: rules.collect(),
        text,
    }
}

/// The high-water mark of this process, as Linux tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
