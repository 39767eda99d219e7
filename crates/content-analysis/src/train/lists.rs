//! Word lists that put words into classes.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};

use crate::{abstraction::Class, normalise};

/// Reads a list with the columns term, three canonical forms, three categories, severity from 0 to 3.
pub(super) fn read(path: &Path) -> Result<Vec<(Box<str>, Class)>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut words: BTreeMap<Box<str>, Class> = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        let column = |at: usize| record.get(at).unwrap_or_default();
        let class = match (column(4), column(5)) {
            ("racial / ethnic slurs" | "religious offense" | "sexual orientation / gender", _)
            | (_, "racial / ethnic slurs") => Class::Slur,
            ("sexual anatomy / sexual acts", "other / general insult") => Class::Insult,
            ("sexual anatomy / sexual acts", _) => Class::Sexual,
            ("bodily fluids / excrement", _) => Class::Swear,
            _ => Class::Insult,
        };
        for form in [column(0), column(1)] {
            let normalised = normalise::normalise(form);
            if let [word] = &*normalised.words
                && word.text.len() >= 3
                && word.text.chars().all(char::is_alphabetic)
            {
                words.entry(word.text.as_str().into()).or_insert(class);
            }
        }
    }
    Ok(words.into_iter().collect())
}
