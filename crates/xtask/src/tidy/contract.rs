//! What is promised to readers of events, and by readers of events.

use super::Violation;
use super::tree::Tree;

/// Every wire name in the contract, of today and of the past, has its golden file, and every golden file its wire name.
pub(super) fn every_event_has_a_golden_file(tree: &Tree) -> Vec<Violation> {
    let mut names = Vec::new();
    let mut violations = Vec::new();
    let contract = tree.rust().filter(|(file, _)| file.path.starts_with("shared-schemas/src/"));
    for (file, source) in contract {
        for literal in source.literals().filter(|literal| is_wire_name(&literal.text)) {
            let golden = format!("shared-schemas/golden/{}.json", literal.text);
            if tree.file(&golden).is_none() {
                let what = format!("`{}` has no golden file; write {golden}", literal.text);
                violations.push(Violation::new(&file.path, literal.line, "golden", what));
            }
            names.push(&*literal.text);
        }
    }
    for file in tree.files() {
        let name = file.path.strip_prefix("shared-schemas/golden/");
        let Some(name) = name.and_then(|name| name.strip_suffix(".json")) else { continue };
        let of = |known: &&&str| {
            let rest = name.strip_prefix(**known);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if names.iter().find(of).is_none() {
            let what =
                "no event of the contract has this name; what was written once is read for ever";
            violations.push(Violation::new(&file.path, 0, "golden", what));
        }
    }
    violations
}

/// Whether a string is `<aggregate>.<fact>.v<N>`.
pub(super) fn is_wire_name(text: &str) -> bool {
    let word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let mut parts = text.split('.');
    let (aggregate, fact, version) = (parts.next(), parts.next(), parts.next());
    let number = version.and_then(|version| version.strip_prefix('v'));
    parts.next().is_none()
        && aggregate.is_some_and(word)
        && fact.is_some_and(word)
        && number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// A projection of others' events says in its documentation whether it is commutative or ordered: nobody can review one that
/// says neither. A read model of the service's own events is always ordered.
pub(super) fn every_projection_says_what_order_it_needs(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let projections = source.lines().filter(|(_, code)| {
            code.trim_start().starts_with("impl") && code.contains(" Projection for ")
        });
        let says = source.comments.iter().any(|comment| {
            ["Commutative", "commutative", "Ordered", "ordered"]
                .iter()
                .any(|word| comment.text.contains(word))
        });
        let in_runtime = file.path.starts_with("crates/event-runtime/src/");
        for (line, _) in projections.filter(|_| !says && !in_runtime) {
            let what = "says neither `Commutative` nor `Ordered` in its documentation";
            violations.push(Violation::new(&file.path, line, "projection", what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "enum PostEvent {\n    #[serde(rename = \"post.published.v1\")]\n    Published {},\n}\n\
                        #[cfg(test)]\nmod tests {\n    const UNKNOWN: &str = \"post.pinned.v1\";\n}\n";

    #[test]
    fn an_event_without_a_golden_file_is_found() {
        let found =
            every_event_has_a_golden_file(&Tree::of(&[("shared-schemas/src/post.rs", POST)]));

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn a_superseded_name_needs_its_golden_file_too() {
        let upcast = "fn upcast() { match name { \"post.removed.v1\" => renamed(), _ => event } }";

        let found =
            every_event_has_a_golden_file(&Tree::of(&[("shared-schemas/src/post.rs", upcast)]));

        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_golden_file_without_an_event_is_found() {
        let tree = Tree::of(&[
            ("shared-schemas/src/post.rs", POST),
            ("shared-schemas/golden/post.published.v1.json", "{}"),
            ("shared-schemas/golden/post.published.v1.long.json", "{}"),
            ("shared-schemas/golden/post.published.v10.json", "{}"),
        ]);

        let found = every_event_has_a_golden_file(&tree);

        assert_eq!(found.len(), 1);
        assert!(found[0].path.ends_with("v10.json"));
    }

    #[test]
    fn a_projection_that_keeps_its_order_to_itself_is_found() {
        let path = "post-service/src/engagement/projection.rs";
        let mute =
            "/// Counts.\nstruct A;\nimpl Projection for A {}\nimpl InlineProjection<E> for B {}\n";
        let said = "/// Commutative across aggregates.\nstruct A;\nimpl Projection for A {}\n";

        assert_eq!(every_projection_says_what_order_it_needs(&Tree::of(&[(path, mute)])).len(), 1);
        assert_eq!(every_projection_says_what_order_it_needs(&Tree::of(&[(path, said)])).len(), 0);
    }
}
