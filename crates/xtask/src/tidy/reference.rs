//! `docs/plctl.md`: the operator's tool, from its own command line.

use super::Violation;
use super::tree::Tree;

/// The generated page.
pub(super) const PATH: &str = plctl::reference::PATH;

/// The page says what the command line says.
pub(super) fn is_current(tree: &Tree) -> Vec<Violation> {
    let text = tree.file(PATH).map(|file| &*file.text);
    if tree.file("crates/plctl/src/cli.rs").is_none() || text == Some(&*render()) {
        return Vec::new();
    }
    vec![Violation::new(PATH, 0, "reference", "is not current; `cargo xtask tidy --write`")]
}

/// The whole page.
pub(super) fn render() -> String {
    plctl::reference::render()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: (&str, &str) = ("crates/plctl/src/cli.rs", "");

    #[test]
    fn a_page_that_says_something_else_is_found() {
        let page = render();

        assert!(is_current(&Tree::of(&[PROGRAM, (PATH, &page)])).is_empty());
        assert_eq!(is_current(&Tree::of(&[PROGRAM, (PATH, "# plctl\n")])).len(), 1);
        assert_eq!(is_current(&Tree::of(&[PROGRAM])).len(), 1);
    }
}
