//! Labelled rows.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;

use crate::Category;

const HEADER: &str =
    "id\tsplit\tsource\tlang\tspam\ttoxicity\thate\tthreat\tsexual\tself_harm\ttext";

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    Train,
    Valid,
}

/// One labelled text.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) split: Split,
    pub(super) source: String,
    pub(super) language: String,
    /// Unknown is not no.
    pub(super) labels: [Option<bool>; Category::COUNT],
    pub(super) text: String,
}

/// All rows of a file.
pub(super) struct Dataset {
    pub(super) examples: Vec<Example>,
}

impl Dataset {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut lines = BufReader::new(GzDecoder::new(file)).lines();
        let header = lines.next().context("the file is empty")??;
        ensure!(header == HEADER, "the columns of {} are not the documented ones", path.display());
        let examples = lines
            .enumerate()
            .map(|(at, line)| example(&line?).with_context(|| format!("line {} is no row", at + 2)))
            .collect::<Result<_>>()?;
        Ok(Self { examples })
    }
}

fn example(line: &str) -> Result<Example> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [_, split, source, language, labels @ .., text] = &*columns else {
        anyhow::bail!("too few columns");
    };
    ensure!(labels.len() == Category::COUNT, "{} labels", labels.len());
    let mut known = [None; Category::COUNT];
    for (known, label) in known.iter_mut().zip(labels) {
        *known = match *label {
            "" => None,
            "0" => Some(false),
            "1" => Some(true),
            _ => anyhow::bail!("a label is neither 0 nor 1 nor empty"),
        };
    }
    Ok(Example {
        split: if *split == "valid" { Split::Valid } else { Split::Train },
        source: (*source).to_owned(),
        language: (*language).to_owned(),
        labels: known,
        text: unescape(text),
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}
