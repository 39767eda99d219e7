//! Documents that speak of things: the things exist.

use std::path::{Component, Path};

use super::Violation;
use super::contract::is_wire_name;
use super::tree::{File, Tree};

/// The page that people open when something is wrong.
const OPERATIONS: &str = "docs/operations.md";

/// Where the figures of the event runtime are written.
const RUNTIME: &str = "crates/event-runtime/src/";

/// What a figure can be.
const KINDS: [&str; 3] = ["counter", "gauge", "histogram"];

/// Endings of files that a document can cite by their path.
const ENDINGS: [&str; 9] = [".rs", ".md", ".toml", ".sql", ".json", ".yaml", ".lua", ".txt", "/"];

/// Links, paths, names of tests and wire names in a document lead to something.
pub(super) fn what_a_document_cites_exists(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files().filter(|file| file.is("md")) {
        let mut fenced = false;
        for (at, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            if fenced {
                continue;
            }
            let dead = links(line).filter(|link| !leads_somewhere(tree, file, link));
            let gone = spans(line).filter(|span| !exists(tree, file, span));
            for cited in dead.chain(gone) {
                let what = format!("`{cited}` does not exist");
                violations.push(Violation::new(&file.path, at + 1, "citations", what));
            }
        }
    }
    violations
}

/// The targets of the links of a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The code spans of a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn leads_somewhere(tree: &Tree, file: &File, link: &str) -> bool {
    let path = link.split('#').next().unwrap_or_default();
    path.is_empty() || path.contains(':') || tree.has(&beside(file, path))
}

fn exists(tree: &Tree, file: &File, span: &str) -> bool {
    if is_wire_name(span) {
        // An event that never leaves its service is declared there.
        let declared = format!("\"{span}\"");
        return tree.files().any(|file| file.is("rs") && file.text.contains(&declared));
    }
    if is_path(span) {
        return tree.has(&beside(file, span)) || tree.has_ending(span);
    }
    !is_long_name(span) || tree.files().any(|file| !file.is("md") && file.text.contains(span))
}

/// Whether a code span is the path of a file or directory of ours; `/livez` and `src/<slice>/api.rs` are not.
fn is_path(span: &str) -> bool {
    let inside = span.trim_end_matches('/');
    inside.contains('/')
        && !span.starts_with(['/', '.', '~'])
        && !span.starts_with("target/")
        && ENDINGS.iter().any(|ending| span.ends_with(ending))
        && span.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
}

/// Whether a code span is a name so long that it can only be a test, a figure or the like.
fn is_long_name(span: &str) -> bool {
    span.matches('_').count() >= 3
        && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A path that a document gives relative to itself, from the root.
fn beside(file: &File, path: &str) -> String {
    let dir = Path::new(&file.path).parent().unwrap_or(Path::new("")).join(path);
    let mut parts: Vec<&str> = Vec::new();
    for component in dir.components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    parts.join("/")
}

/// Every figure and every variable of the programs is explained in `docs/operations.md`, variables also in `.env.example`.
pub(super) fn operators_find_every_figure_and_every_variable(tree: &Tree) -> Vec<Violation> {
    let text = |path: &str| tree.file(path).map_or("", |file| &*file.text);
    let (operations, example) = (text(OPERATIONS), text(".env.example"));
    let mut violations = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        for literal in source.literals() {
            let missing_in = if is_figure(&literal.before) && !operations.contains(&literal.text) {
                OPERATIONS
            } else if !is_variable(&literal.before, &literal.text) {
                continue;
            } else if !operations.contains(&literal.text) {
                OPERATIONS
            } else if !example.contains(&format!("{}=", literal.text)) {
                ".env.example"
            } else {
                continue;
            };
            let what = format!("`{}` is not explained in {missing_in}", literal.text);
            violations.push(Violation::new(&file.path, literal.line, "operations", what));
        }
    }
    violations.dedup_by(|a, b| a.what == b.what);
    violations
}

/// The table of figures says what the code writes, and the code describes it to whoever collects it.
pub(super) fn the_table_of_figures_and_the_code_agree(tree: &Tree) -> Vec<Violation> {
    let operations = tree.file(OPERATIONS).map_or("", |file| &*file.text);
    let rows = operations.lines().enumerate().filter(|(_, line)| is_row_of_figures(line));
    let explained: Vec<(usize, &str)> = rows
        .flat_map(|(at, line)| {
            let names = line.trim_start_matches('|').split('|').next().unwrap_or_default();
            spans(names).map(move |name| (at + 1, name))
        })
        .collect();
    let (mut written, mut described) = (Vec::new(), Vec::new());
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        for literal in source.literals() {
            if is_description(&literal.before) {
                described.push(&literal.text);
            } else if is_figure(&literal.before) || is_name_of_runtime(&literal.text) {
                written.push((file, literal.line, &literal.text));
            }
        }
    }
    let mut violations = Vec::new();
    let mut blame = |path: &str, line: usize, what: String| {
        violations.push(Violation::new(path, line, "figures", what));
    };
    for (at, name) in &explained {
        if !tree.rust().any(|(file, source)| {
            !file.is_test()
                && source.literals().any(|one| one.text == *name && !is_description(&one.before))
        }) {
            blame(OPERATIONS, *at, format!("nobody writes `{name}`"));
        }
    }
    for (file, line, name) in written {
        if !explained.iter().any(|(_, explained)| explained == name) {
            blame(&file.path, line, format!("`{name}` has no row in {OPERATIONS}"));
        }
        if is_name_of_runtime(name) && file.path.starts_with(RUNTIME) && !described.contains(&name)
        {
            blame(&file.path, line, format!("`{name}` is not described in metrics.rs"));
        }
    }
    violations.dedup_by(|a, b| a.what == b.what);
    violations
}

/// Whether a line of the operations page is about figures: its second column is their kind.
fn is_row_of_figures(line: &str) -> bool {
    let kind = line.split('|').nth(2).map(str::trim);
    line.starts_with("| `") && kind.is_some_and(|kind| KINDS.contains(&kind))
}

/// Whether a string can only be a figure of the runtime, wherever it stands.
fn is_name_of_runtime(text: &str) -> bool {
    let is_word = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_word
        && !text.ends_with('_')
        && ["events_", "jobs_"].iter().any(|prefix| text.starts_with(prefix))
}

fn is_figure(before: &str) -> bool {
    KINDS.iter().any(|kind| {
        before.strip_suffix("!(").is_some_and(|call| call.ends_with(kind))
            && !is_description(before)
    })
}

fn is_description(before: &str) -> bool {
    KINDS.iter().any(|kind| before.trim_end().ends_with(&format!("describe_{kind}!(")))
}

/// Whether a string is the name of a variable in a call such as `env.required("NAME")`.
fn is_variable(before: &str, text: &str) -> bool {
    let call = before.rsplit_once("env.").map_or("", |(_, call)| call);
    let call = call.split([':', '(']).next().unwrap_or_default();
    before.ends_with('(')
        && ["required", "or_default", "secret", "url"].contains(&call)
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cited(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/page.md", text),
            ("docs/other.md", ""),
            (
                "crates/event-runtime/src/store.rs",
                "fn an_append_at_another_version_is_refused() {}",
            ),
            ("shared-schemas/src/post.rs", "#[serde(rename = \"post.published.v1\")]"),
        ]);
        what_a_document_cites_exists(&tree).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn what_is_cited_and_gone_is_found() {
        for text in [
            "see [there](nowhere.md)",
            "see [there](../crates/gone/)",
            "in `crates/event-runtime/src/gone.rs`",
            "in `rc/store.rs`",
            "proved by `a_test_that_was_renamed_or_removed`",
            "the event `post.pinned.v1`",
        ] {
            assert_eq!(cited(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_cited_and_there_is_fine() {
        let text = "[a](other.md#top) [b](../crates/event-runtime/src/store.rs) [c](https://example.org/x.md) [d](#here)\n\
                    `crates/event-runtime/` `src/store.rs` `event-runtime/src/` `other.md` `an_append_at_another_version_is_refused` `post.published.v1`\n\
                    `GET /livez` `src/<slice>/api.rs` `is_public`\n```\n`a/b.rs`\n```\n";

        assert!(cited(text).is_empty(), "{:?}", cited(text));
    }

    #[test]
    fn a_figure_and_a_variable_that_nobody_explained_are_found() {
        let code = "fn f() { counter!(\"a_total\"); env.or_default::<u16>(\"A_PORT\", \"1\"); env.secret(\"B\"); }";
        let found = |operations: &str, example: &str| {
            operators_find_every_figure_and_every_variable(&Tree::of(&[
                ("post-service/src/lib.rs", code),
                (OPERATIONS, operations),
                (".env.example", example),
            ]))
            .len()
        };

        assert_eq!(found("", ""), 3);
        assert_eq!(found("a_total A_PORT B", "A_PORT=1\n"), 1);
        assert_eq!(found("a_total A_PORT B", "A_PORT=1\nB=\n"), 0);
    }

    #[test]
    fn figures_without_a_row_rows_without_a_figure_and_figures_without_a_description_are_found() {
        let found = |code: &str, rows: &str| {
            let tree = Tree::of(&[("crates/event-runtime/src/lag.rs", code), (OPERATIONS, rows)]);
            let found = the_table_of_figures_and_the_code_agree(&tree);
            found.into_iter().map(|found| found.what).collect::<Vec<_>>().join("; ")
        };
        let row = "| `events_lag` | gauge | | how far | it grows |\n";
        let code = "fn f() { describe_gauge!(\n \"events_lag\", \"how far\"); gauge!(\"events_lag\").set(1.0); }";

        assert_eq!(found(code, row), "");
        assert!(found(code, "").contains("has no row"));
        assert!(found("", row).contains("nobody writes"));
        // Described and never written; written and never described, though its name stands apart from the call.
        let unwritten = "fn f() { describe_gauge!(\"events_lag\", \"how far\"); }";
        assert!(found(unwritten, row).contains("nobody writes"));
        let apart = "fn f() { for name in [\"events_lag\"] { gauge!(name).set(1.0); } }";
        assert!(found(apart, row).contains("is not described"));
    }
}
