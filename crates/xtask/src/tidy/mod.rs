//! `tidy`: the architecture, checked over the files of the repository.
//!
//! Every rule is a pure function over a [`Tree`], so that its own tests can give it a tree that breaks it.

mod asyncapi;
mod catalogue;
mod citations;
mod contract;
mod dependencies;
mod lexer;
mod reference;
mod shape;
mod sql;
mod tree;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::location::repository;
use crate::ui;
use tree::Tree;

/// Checks the architecture and the words of the repository.
#[derive(clap::Args)]
pub(crate) struct Tidy {
    /// Writes the generated documents anew first
    #[arg(long)]
    write: bool,
}

/// Something in the repository that breaks one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// The file, from the root of the repository.
    path: String,
    /// The line, from 1; 0 when it is about the whole file.
    line: usize,
    /// The rule, in a word.
    rule: &'static str,
    /// What is wrong, and what to do instead.
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, what: what.into() }
    }
}

/// The rules, in the order in which they are read.
const RULES: &[fn(&Tree) -> Vec<Violation>] = &[
    dependencies::arrows_point_one_way,
    sql::stands_where_it_is_looked_for,
    contract::every_event_has_a_golden_file,
    contract::every_projection_says_what_order_it_needs,
    shape::no_file_is_too_long,
    shape::no_module_is_a_drawer,
    shape::nothing_is_left_undone,
    shape::nothing_names_the_machine_it_was_written_on,
    citations::what_a_document_cites_exists,
    citations::operators_find_every_figure_and_every_variable,
    citations::the_table_of_figures_and_the_code_agree,
    catalogue::is_current,
    asyncapi::is_current,
    reference::is_current,
];

/// Everything that is wrong with a tree.
fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations: Vec<Violation> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    violations.sort();
    violations
}

/// The files of the repository that this program was built from.
fn read() -> Result<Tree> {
    Tree::read(&repository()).context("cannot read the repository")
}

impl Tidy {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if self.write {
            let tree = read()?;
            for (path, text) in [
                (catalogue::PATH, catalogue::render(&tree)),
                (asyncapi::PATH, asyncapi::render(&tree)),
                (reference::PATH, reference::render()),
            ] {
                std::fs::write(repository().join(path), text)
                    .with_context(|| format!("cannot write {path}"))?;
            }
        }
        let tree = read()?;
        let violations = check(&tree);
        if violations.is_empty() {
            ui::line(format_args!("tidy: {} files, no violation", tree.len()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |violation: &Violation| {
            let place = format!("{}:{}", violation.path, violation.line);
            [violation.rule.to_owned(), place, violation.what.clone()]
        };
        ui::line(ui::table(["rule", "place", "what"], violations.iter().map(row)))?;
        ui::line(format_args!("tidy: {} files, {} violations", tree.len(), violations.len()))?;
        Ok(ExitCode::FAILURE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let found = check(&read().unwrap());

        let lines: Vec<String> = found
            .iter()
            .map(|Violation { path, line, rule, what }| format!("{path}:{line}: {what} ({rule})"))
            .collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
