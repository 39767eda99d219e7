//! Which crate may know which.

use super::Violation;
use super::tree::Tree;

/// The crates that run or test the whole system, and therefore know every service.
const KNOW_ALL: [&str; 2] = ["crates/xtask", "crates/system-tests"];

/// What speaks HTTP to others.
const HTTP_CLIENTS: [&str; 4] = ["reqwest", "hyper-util", "ureq", "awc"];

/// The program that calls the others, because that is what it is for.
const CALLS_OTHERS: &str = "gateway-service";

/// Services know the machinery, the machinery knows the contract, and nothing points back or sideways.
pub(super) fn arrows_point_one_way(tree: &Tree) -> Vec<Violation> {
    let services = tree.services();
    let ours: Vec<&str> = tree
        .files()
        .filter_map(|file| file.path.strip_suffix("/Cargo.toml"))
        .filter_map(|dir| dir.rsplit('/').next())
        .collect();
    let mut violations = Vec::new();
    for file in tree.files() {
        let Some(dir) = file.path.strip_suffix("/Cargo.toml") else { continue };
        for Dependency { line, name, is_for_tests } in dependencies(&file.text) {
            let is_service = services.contains(&dir) && dir != CALLS_OTHERS;
            let what = if services.contains(&name) && !KNOW_ALL.contains(&dir) {
                format!(
                    "`{dir}` depends on the program `{name}`; they share events and nothing else"
                )
            } else if dir == "shared-schemas" && ours.contains(&name) {
                format!("the contract depends on `{name}`; it depends on no crate of ours")
            } else if is_service && !is_for_tests && HTTP_CLIENTS.contains(&name) {
                format!(
                    "`{dir}` has the HTTP client `{name}`; a service listens to events and calls nobody"
                )
            } else {
                continue;
            };
            violations.push(Violation::new(&file.path, line, "dependencies", what));
        }
    }
    violations
}

struct Dependency<'a> {
    line: usize,
    name: &'a str,
    is_for_tests: bool,
}

/// Every dependency of a manifest, of whatever kind.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut is_for_tests = false;
    for (at, text) in manifest.lines().enumerate() {
        let (line, text) = (at + 1, text.trim());
        if let Some(header) = text.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            // `[dependencies]`, `[target.'cfg(unix)'.dev-dependencies]`, `[dependencies.name]`
            inside = header.ends_with("dependencies") && header != "workspace.dependencies";
            is_for_tests = header.contains("dev-dependencies");
            let named =
                header.rsplit_once("dependencies.").filter(|(kind, _)| *kind != "workspace.");
            if let Some((_, name)) = named {
                found.push(Dependency { line, name: name.trim_matches('"'), is_for_tests });
            }
        } else if inside && !text.starts_with('#') {
            let end = text.find(['.', '=', ' ']).unwrap_or(text.len());
            let name = text.get(..end).unwrap_or_default().trim_matches('"');
            if !name.is_empty() {
                found.push(Dependency { line, name, is_for_tests });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: (&str, &str) = ("post-service/Cargo.toml", "[package]\nname = \"post-service\"\n");

    fn lines(files: &[(&str, &str)]) -> Vec<usize> {
        arrows_point_one_way(&Tree::of(files)).into_iter().map(|found| found.line).collect()
    }

    #[test]
    fn a_service_that_depends_on_another_is_found_however_it_says_so() {
        for manifest in [
            "[dependencies]\npost-service.workspace = true\n",
            "[dev-dependencies]\npost-service = { path = \"../post-service\" }\n",
            "[target.'cfg(unix)'.dependencies]\npost-service = \"1\"\n",
            "[build-dependencies]\n[dependencies.post-service]\n",
        ] {
            assert_eq!(lines(&[POST, ("auth-service/Cargo.toml", manifest)]), [2], "{manifest}");
        }
    }

    #[test]
    fn machinery_that_knows_a_service_is_found_and_the_launcher_may() {
        let manifest = "[dependencies]\nserde = \"1\"\npost-service.workspace = true\n";

        assert_eq!(lines(&[POST, ("crates/service-kit/Cargo.toml", manifest)]), [3]);
        assert!(lines(&[POST, ("crates/xtask/Cargo.toml", manifest)]).is_empty());
        assert!(lines(&[POST, ("crates/system-tests/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn a_contract_that_depends_on_machinery_is_found() {
        let manifest = "[dependencies]\nevent-runtime.workspace = true\n";
        let runtime = ("crates/event-runtime/Cargo.toml", "");

        assert_eq!(lines(&[runtime, ("shared-schemas/Cargo.toml", manifest)]), [2]);
    }

    #[test]
    fn a_service_that_could_call_another_is_found_and_its_tests_may() {
        let client = "[dependencies]\nreqwest.workspace = true\n";
        let in_tests = "[dev-dependencies]\nreqwest.workspace = true\n";

        assert_eq!(lines(&[("post-service/Cargo.toml", client)]), [2]);
        assert!(lines(&[("post-service/Cargo.toml", in_tests)]).is_empty());
        assert!(lines(&[("gateway-service/Cargo.toml", client)]).is_empty());
        assert!(lines(&[("crates/test-kit/Cargo.toml", client)]).is_empty());
    }

    #[test]
    fn the_workspace_may_list_every_crate() {
        let manifest = "[workspace.dependencies]\npost-service = { path = \"post-service\" }\n";

        assert!(lines(&[POST, ("Cargo.toml", manifest)]).is_empty());
        assert!(lines(&[POST, ("auth-service/Cargo.toml", manifest)]).is_empty());
    }
}
