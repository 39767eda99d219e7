//! The size, the names and the words of files.

use super::Violation;
use super::tree::Tree;

/// Lines of a source file outside its tests.
const LINES: usize = 500;

/// Names that say nothing, so that everything ends up there.
const DRAWERS: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// Notes that something is not finished.
const UNDONE: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Beginnings of paths that exist on one machine only.
const PLACES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// A file can be read in one sitting.
pub(super) fn no_file_is_too_long(tree: &Tree) -> Vec<Violation> {
    let product = tree.rust().filter(|(file, _)| !file.is_test());
    let too_long = product.filter_map(|(file, source)| {
        let lines = source.lines().count();
        let what = format!("{lines} lines outside tests; {LINES} at most, think at 300");
        (lines > LINES).then(|| Violation::new(&file.path, 0, "size", what))
    });
    too_long.collect()
}

/// A module is named for what it is about.
pub(super) fn no_module_is_a_drawer(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.rust() {
        let drawer = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        if let Some(drawer) = drawer.into_iter().find(|part| DRAWERS.contains(part)) {
            let what = format!("`{drawer}` is a drawer; name the module for what it is about");
            violations.push(Violation::new(&file.path, 0, "names", what));
        }
        for (at, line) in source.code.lines().enumerate() {
            let module = line.split_once("mod ").filter(|_| line.trim_end().ends_with('{'));
            let name = module.map(|(_, rest)| rest.trim_end_matches('{').trim());
            if let Some(drawer) = name.filter(|name| DRAWERS.contains(name)) {
                let what = format!("`{drawer}` is a drawer; name the module for what it is about");
                violations.push(Violation::new(&file.path, at + 1, "names", what));
            }
        }
    }
    violations
}

/// What is in the repository is finished; what is not finished is not in it. No test is switched off.
pub(super) fn nothing_is_left_undone(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files().filter(|file| !file.is("lock")) {
        for (at, line) in file.text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| UNDONE.contains(word)) {
                let what = format!("{word}: do it, or leave it out");
                violations.push(Violation::new(&file.path, at + 1, "undone", what));
            }
        }
        let Some(source) = &file.rust else { continue };
        for (at, line) in source.code.lines().enumerate() {
            for call in ["todo!", "unimplemented!", "#[ignore"] {
                if line.contains(call) {
                    let what = format!("`{call}`: do it, or leave it out");
                    violations.push(Violation::new(&file.path, at + 1, "undone", what));
                }
            }
        }
    }
    violations
}

/// No path that exists on one machine only.
pub(super) fn nothing_names_the_machine_it_was_written_on(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.files() {
        for (at, line) in file.text.lines().enumerate() {
            for place in PLACES.iter().filter(|place| names_place(line, place)) {
                let what = format!("`{place}` exists on one machine only");
                violations.push(Violation::new(&file.path, at + 1, "machine", what));
            }
        }
    }
    violations
}

/// Whether a path begins with `place`: as part of a longer path, such as a URL's, it is something else.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-}/".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_501_lines_is_found_and_its_tests_do_not_count() {
        let code = "fn f() {}\n".repeat(501);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        let found = |path: &str, text: &str| no_file_is_too_long(&Tree::of(&[(path, text)])).len();

        assert_eq!(found("post-service/src/a.rs", &code), 1);
        assert_eq!(found("post-service/src/a.rs", &tests), 0);
        assert_eq!(found("post-service/tests/it/a.rs", &code), 0);
        assert_eq!(found("moderation-service/src/screening/tests.rs", &code), 0);
    }

    #[test]
    fn a_drawer_is_found_as_a_file_a_directory_and_a_module() {
        for (path, text) in [
            ("post-service/src/utils.rs", ""),
            ("post-service/src/helpers/time.rs", ""),
            ("post-service/src/lib.rs", "mod common {\n}"),
            ("post-service/src/lib.rs", "pub(crate) mod misc {\n}"),
        ] {
            assert_eq!(no_module_is_a_drawer(&Tree::of(&[(path, text)])).len(), 1, "{path} {text}");
        }
        let fine = ("shared-schemas/src/commons.rs", "let common = 1;\nmod commonly {\n}");
        assert!(no_module_is_a_drawer(&Tree::of(&[fine])).is_empty());
    }

    #[test]
    fn unfinished_work_is_found_in_words_and_in_code() {
        for (path, text) in [
            ("a.rs", format!("// {}: later", UNDONE[0])),
            ("a.md", format!("{} this page", UNDONE[1])),
            ("a.sql", format!("-- {} index", UNDONE[2])),
            ("a.rs", format!("fn f() {{ {}!() }}", "todo")),
            ("tests/a.rs", format!("#[{}]\nfn f() {{}}", "ignore")),
        ] {
            assert_eq!(
                nothing_is_left_undone(&Tree::of(&[(path, &text)])).len(),
                1,
                "{path} {text}"
            );
        }
        let said = "/// Says `todo!` in a comment and \"#[ignore]\" in words.\nfn f() {}";
        assert!(nothing_is_left_undone(&Tree::of(&[("a.rs", said)])).is_empty());
    }

    #[test]
    fn a_path_of_this_machine_is_found_and_a_longer_path_is_another() {
        let found = |text: &str| {
            nothing_names_the_machine_it_was_written_on(&Tree::of(&[("a.md", text)])).len()
        };

        assert_eq!(found(&format!("see {}main/x", PLACES[0])), 1);
        assert_eq!(found(&format!("\"{}x\"", PLACES[1])), 1);
        assert_eq!(found(&format!("http://example.org{}x", PLACES[0])), 0);
    }
}
