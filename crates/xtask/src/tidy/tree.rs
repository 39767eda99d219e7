//! The text files of the repository, in memory.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::lexer::Source;

/// What is built, fetched or kept by a person alone.
const SKIPPED: [&str; 4] = [".git", "target", ".env", "proptest-regressions"];

/// One text file.
pub(super) struct File {
    /// From the root, with `/` between its parts.
    pub(super) path: String,
    /// What it says.
    pub(super) text: String,
    /// The same with strings, comments and tests told apart; Rust only.
    pub(super) rust: Option<Source>,
}

/// All files, in the order of their paths.
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// The text files below a directory; links are not followed.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(root, "", &mut files)?;
        Ok(Self::new(files))
    }

    /// A made-up tree of paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self::new(files.iter().map(owned).collect())
    }

    fn new(files: Vec<(String, String)>) -> Self {
        let file = |(path, text): (String, String)| {
            let rust = ends_in(&path, "rs").then(|| Source::of(&text));
            File { path, text, rust }
        };
        let mut files: Vec<File> = files.into_iter().map(file).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Every file.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Every Rust file, with its parts told apart.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files.iter().filter_map(|file| Some((file, file.rust.as_ref()?)))
    }

    /// One file.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is a file or a directory of this path.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|file| {
            let rest = file.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Whether there is a file or a directory whose path ends so.
    pub(super) fn has_ending(&self, path: &str) -> bool {
        let inner = format!("/{}", path.trim_start_matches('/'));
        self.has(path)
            || self.files.iter().any(|file| {
                file.path.ends_with(&inner) || (inner.ends_with('/') && file.path.contains(&inner))
            })
    }

    /// The directories of the programs: every package at the top but the contract.
    pub(super) fn services(&self) -> Vec<&str> {
        let manifests = self.files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
        manifests.filter(|dir| !dir.contains('/') && *dir != "shared-schemas").collect()
    }
}

impl File {
    /// Whether all of it is test code: an integration test, a module that is one, or a crate for tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || ["crates/test-kit/", "crates/system-tests/", "crates/event-bench/", "bench/"]
                .iter()
                .any(|crate_| self.path.starts_with(crate_))
    }

    /// Whether it is of a kind, such as `md`.
    pub(super) fn is(&self, extension: &str) -> bool {
        ends_in(&self.path, extension)
    }

    /// Its name without directory and ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit_once('/').map_or(&*self.path, |(_, name)| name);
        name.split_once('.').map_or(name, |(stem, _)| stem)
    }
}

fn ends_in(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if SKIPPED.contains(&&*name) {
            continue;
        }
        let kind = entry.file_type()?;
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            match fs::read_to_string(entry.path()) {
                Ok(text) => files.push((path, text)),
                // A picture has no words, and what was deleted while we looked has none any more.
                Err(error)
                    if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_package_at_the_top_but_not_the_contract() {
        let tree = Tree::of(&[
            ("Cargo.toml", ""),
            ("post-service/Cargo.toml", ""),
            ("shared-schemas/Cargo.toml", ""),
            ("crates/xtask/Cargo.toml", ""),
        ]);

        assert_eq!(tree.services(), ["post-service"]);
    }

    #[test]
    fn a_tree_has_its_directories_and_no_half_names() {
        let tree = Tree::of(&[("docs/decisions/0001-a.md", "")]);

        assert!(tree.has("docs/decisions/") && tree.has("docs") && !tree.has("docs/dec"));
    }

    #[test]
    fn what_is_built_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["target/a.rs", "src/b.rs", ".git/c"] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), "").unwrap();
        }
        fs::write(dir.path().join("picture.png"), [0xff, 0xd8]).unwrap();

        let tree = Tree::read(dir.path()).unwrap();

        assert_eq!(tree.files().map(|file| &*file.path).collect::<Vec<_>>(), ["src/b.rs"]);
    }
}
