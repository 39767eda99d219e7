//! Where SQL may stand, so that whoever changes a table knows where to look.

use super::Violation;
use super::lexer::Source;
use super::tree::{File, Tree};

/// The files of a service that may speak SQL, beside `migrations/*.sql`.
const FILES: [&str; 2] = ["view", "projection"];

/// Other places, and why.
const PLACES: [(&str, &str); 3] = [
    ("crates/event-runtime/src/", "it is the event store"),
    ("crates/service-kit/src/", "it keeps the tables that every service has"),
    (
        "crates/local-stack/src/provision.rs",
        "it makes the roles and schemas, before there is a store",
    ),
];

/// SQL stands in `view.rs`, in `projection.rs`, in migrations and in the named places.
pub(super) fn stands_where_it_is_looked_for(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !may_speak(file)) {
        for line in lines(source) {
            let what = "SQL outside of view.rs and projection.rs";
            violations.push(Violation::new(&file.path, line, "sql", what));
        }
    }
    violations
}

fn may_speak(file: &File) -> bool {
    file.is_test()
        || FILES.contains(&file.stem())
        || PLACES.iter().any(|(place, _)| file.path.starts_with(place))
}

/// Every line that has SQL, once.
fn lines(source: &Source) -> Vec<usize> {
    let calls = ["raw_sql!", ".execute_unprepared(", "Statement::from_"];
    let called = source
        .lines()
        .filter(|(_, code)| calls.iter().any(|call| code.contains(call)))
        .map(|(line, _)| line);
    let written = source.literals().filter(|text| is_sql(&text.text)).map(|text| text.line);
    let mut lines: Vec<usize> = called.chain(written).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Whether a string is a statement: its words are shouted anywhere, or said quietly at its beginning.
fn is_sql(text: &str) -> bool {
    let has = |text: &str, first: &str, then: &str| {
        text.match_indices(first)
            .any(|(at, _)| text.get(at + first.len()..).is_some_and(|rest| rest.contains(then)))
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shouted = words.contains("INSERT INTO ")
        || words.contains("DELETE FROM ")
        || has(&words, "SELECT ", "FROM ")
        || has(&words, "UPDATE ", " SET ");
    let quiet = words.to_ascii_lowercase();
    let quiet = quiet.as_str();
    shouted
        || quiet.starts_with("insert into ")
        || quiet.starts_with("delete from ")
        || (quiet.starts_with("select ") && quiet.contains(" from "))
        || (quiet.starts_with("update ") && quiet.contains(" set "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        stands_where_it_is_looked_for(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn every_statement_outside_its_place_is_found() {
        for statement in [
            "INSERT INTO post (id) VALUES (1)",
            "WITH old AS (DELETE FROM post RETURNING id) SELECT 1",
            "SELECT id\n           FROM post",
            "UPDATE post SET title = 1",
            "select id from post",
            "delete from post",
        ] {
            let code = format!("fn f() {{ run(\"{statement}\") }}");
            assert_eq!(found("post-service/src/post/api.rs", &code), 1, "{statement}");
        }
    }

    #[test]
    fn a_call_that_takes_sql_is_found_even_if_its_text_is_elsewhere() {
        assert_eq!(found("post-service/src/lib.rs", "fn f() { db.execute_unprepared(TEXT) }"), 1);
        assert_eq!(found("post-service/src/lib.rs", "fn f() { raw_sql!(Postgres, TEXT) }"), 1);
    }

    #[test]
    fn sql_may_stand_in_its_places_and_in_tests() {
        let code = "fn f() { raw_sql!(Postgres, \"SELECT id FROM post\") }";
        for path in [
            "post-service/src/post/view.rs",
            "post-service/src/engagement/projection.rs",
            "post-service/tests/it/main.rs",
            "crates/event-runtime/src/store.rs",
            "crates/test-kit/src/postgres.rs",
        ] {
            assert_eq!(found(path, code), 0, "{path}");
        }
        let in_test = format!("#[cfg(test)]\nmod tests {{\n    {code}\n}}");
        assert_eq!(found("post-service/src/post/api.rs", &in_test), 0);
    }

    #[test]
    fn english_is_not_sql() {
        for sentence in
            ["choose one from the list", "Select a post", "an update of the set", "delete it"]
        {
            assert_eq!(found("post-service/src/post/api.rs", &format!("f(\"{sentence}\")")), 0);
        }
    }
}
