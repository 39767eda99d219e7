//! `docs/events.md`: every event with its meaning, its fields, its readers and an example, from the contract itself.

use std::fmt::Write as _;

use super::Violation;
use super::tree::{File, Tree};

/// The generated page.
pub(super) const PATH: &str = "docs/events.md";

const HEAD: &str = "# Events\n\n\
Every fact that a service records, with its meaning, its fields and an example. Generated from `shared-schemas/src/` and\n\
`shared-schemas/golden/` by `cargo xtask tidy --write`; a test compares. How events are named and changed is in\n\
[CONTRIBUTING.md](../CONTRIBUTING.md#add-an-event), how they travel in [ARCHITECTURE.md](../ARCHITECTURE.md).\n\n\
A fact marked *private* stays in its service's store and is never published.\n";

/// The page says what the contract says.
pub(super) fn is_current(tree: &Tree) -> Vec<Violation> {
    let text = tree.file(PATH).map(|file| &*file.text);
    if tree.file("shared-schemas/src/lib.rs").is_none() || text == Some(&*render(tree)) {
        return Vec::new();
    }
    vec![Violation::new(PATH, 0, "catalogue", "is not current; `cargo xtask tidy --write`")]
}

/// The whole page.
pub(super) fn render(tree: &Tree) -> String {
    let contract = || tree.files().filter(|file| file.path.starts_with("shared-schemas/src/"));
    let mut page = HEAD.to_owned();
    for file in contract() {
        if let Some(category) = Category::of(file) {
            category.render(tree, &mut page);
        }
    }
    page.push_str("\n## Closed lists\n\nValues that have one spelling in events, in columns and in the API.\n\n");
    page.push_str("| list | meaning | values |\n|---|---|---|\n");
    for list in contract().flat_map(|file| lists(&file.text)) {
        let values: Vec<String> = list.values.iter().map(|value| format!("`{value}`")).collect();
        line(&mut page, format_args!("| {} | {} | {} |", list.name, list.doc, values.join(" ")));
    }
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes everything");
    page.push('\n');
}

/// One event enum, as its file declares it.
struct Category<'a> {
    file: &'a File,
    /// The enum, such as `PostEvent`.
    name: &'a str,
    /// The first part of its wire names.
    title: &'a str,
    service: String,
    /// Variants that `is_public` names.
    private: Vec<&'a str>,
    /// None of them is public.
    is_private: bool,
}

impl<'a> Category<'a> {
    fn of(file: &'a File) -> Option<Self> {
        let body = file.text.split_once("\nimpl Event for ")?.1;
        let (name, body) = body.split_once(" {")?;
        let body = body.split_once("\n}").map_or(body, |(body, _)| body);
        let title = between(body, "CATEGORY: &'static str = \"", "\"")?;
        let service = between(body, "SERVICE: Service = Service::", ";")?.to_ascii_lowercase();
        // On one line, or on several when they are many.
        let private = between(body, "!matches!(self, ", ")\n")
            .or_else(|| between(body, "!matches!(\n            self,\n", "\n        )\n"))
            .unwrap_or_default();
        let private =
            private.split("Self::").skip(1).filter_map(|rest| rest.split([' ', '{']).next());
        let is_private = body.contains("fn is_public(&self) -> bool {\n        false\n");
        Some(Self { file, name, title, service, private: private.collect(), is_private })
    }

    fn render(&self, tree: &Tree, page: &mut String) {
        line(page, format_args!("\n## {}\n", self.title));
        let about: Vec<&str> =
            self.file.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        line(page, format_args!("{}\n", prose(&about)));
        let readers = readers(tree, self.name, &self.service);
        line(page, format_args!("Read by {readers}."));
        for event in self.events() {
            event.render(tree, page);
        }
    }

    /// The variants, read line by line: the files are formatted.
    fn events(&self) -> Vec<Event<'a>> {
        let declared = format!("pub enum {} {{", self.name);
        let lines = self.file.text.lines().skip_while(|line| *line != declared).skip(1);
        let mut events: Vec<Event<'_>> = Vec::new();
        let mut docs = Vec::new();
        let mut wire = None;
        for text in lines.take_while(|line| *line != "}") {
            let depth = text.len() - text.trim_start().len();
            let text = text.trim();
            if let Some(doc) = text.strip_prefix("///") {
                docs.push(doc);
            } else if let Some(name) = between(text, "#[serde(rename = \"", "\"") {
                wire = Some(name);
            } else if text.starts_with("#[") || text == "}," {
            } else if depth == 4 {
                let variant = text.split([' ', '{', ',']).next().unwrap_or_default();
                events.push(Event {
                    wire: wire.take().unwrap_or(variant),
                    doc: prose(&std::mem::take(&mut docs)),
                    is_private: self.is_private || self.private.contains(&variant),
                    fields: Vec::new(),
                });
            } else if let (Some((name, kind)), Some(event)) =
                (text.trim_end_matches(',').split_once(": "), events.last_mut())
            {
                event.fields.push(Field { name, kind, doc: prose(&std::mem::take(&mut docs)) });
            }
        }
        events
    }
}

struct Event<'a> {
    wire: &'a str,
    doc: String,
    is_private: bool,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    name: &'a str,
    kind: &'a str,
    doc: String,
}

impl Event<'_> {
    fn render(&self, tree: &Tree, page: &mut String) {
        let private = if self.is_private { " *private*" } else { "" };
        line(page, format_args!("\n### `{}`{private}\n\n{}", self.wire, self.doc));
        if !self.fields.is_empty() {
            page.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        }
        for Field { name, kind, doc } in &self.fields {
            let (kind, optional) = between(kind, "Option<", ">")
                .map_or((*kind, ""), |kind| (kind, ", may be left out"));
            line(page, format_args!("| `{name}` | `{kind}`{optional} | {doc} |"));
        }
        let golden = format!("shared-schemas/golden/{}.json", self.wire);
        if let Some(example) = tree.file(&golden).filter(|_| !self.fields.is_empty()) {
            line(page, format_args!("\n```json\n{}\n```", example.text.trim_end()));
        }
    }
}

/// Who opens events of a category: the consumer groups of a file where it says so, or the package.
fn readers(tree: &Tree, name: &str, service: &str) -> String {
    let mut readers = Vec::new();
    for (file, groups) in opened_by(tree, name) {
        if groups.is_empty() {
            let package = file.path.split("/src/").next().unwrap_or_default();
            readers.push(match package {
                "crates/service-kit" => "every service".to_owned(),
                package => package.to_owned(),
            });
        }
        readers.extend(groups.iter().map(|group| format!("`{group}`")));
    }
    readers.sort();
    readers.dedup();
    if readers.is_empty() { format!("{service} alone") } else { readers.join(", ") }
}

/// The consumer groups that open events of an enum, in alphabetical order.
pub(super) fn groups(tree: &Tree, name: &str) -> Vec<String> {
    let mut groups: Vec<String> =
        opened_by(tree, name).into_iter().flat_map(|(_, groups)| groups).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// The files that open events of an enum, each with the consumer groups it declares.
fn opened_by<'a>(tree: &'a Tree, name: &str) -> Vec<(&'a File, Vec<String>)> {
    let opens = format!("open::<{name}>");
    let opening = tree.rust().filter(|(file, source)| {
        !file.is_test() && source.lines().any(|(_, code)| code.contains(&opens))
    });
    let with_groups = opening.map(|(file, source)| {
        let groups =
            source.literals().filter(|literal| literal.before.ends_with("-> &'static str {"));
        let groups = groups.filter(|literal| literal.text.contains('.'));
        (file, groups.map(|literal| literal.text.clone()).collect())
    });
    with_groups.collect()
}

/// A closed list.
struct List<'a> {
    name: &'a str,
    doc: String,
    values: Vec<&'a str>,
}

/// Every `choices!` of a file.
fn lists(text: &str) -> Vec<List<'_>> {
    let blocks = text.split("choices! {\n").skip(1);
    let lists = blocks.filter_map(|block| {
        let block = block.split_once("\n}").map_or(block, |(block, _)| block);
        let docs: Vec<&str> =
            block.lines().map_while(|line| line.trim().strip_prefix("///")).collect();
        let name = block.lines().find_map(|line| line.trim().strip_suffix(" {"))?;
        let values = block.lines().filter_map(|line| between(line, " = \"", "\","));
        Some(List { name, doc: prose(&docs), values: values.collect() })
    });
    lists.collect()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

/// Documentation lines as one paragraph of Markdown: links of rustdoc lead nowhere here.
pub(super) fn prose(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let mut text = lines.join(" ").replace("[`Self::", "[`").trim().to_owned();
    while let Some(link) = between(&text, "[`", "`]").map(str::to_owned) {
        let target =
            text.split_once(&format!("[`{link}`](")).and_then(|(_, rest)| rest.split_once(')'));
        let target = target.map_or(String::new(), |(target, _)| format!("({target})"));
        text = text.replace(&format!("[`{link}`]{target}"), &format!("`{link}`"));
    }
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "\
//! What can happen to a post.
//! Recorded by post-service.

choices! {
    /// Who may see it.
    PostStatus {
        /// One.
        Draft = \"DRAFT\",
        /// All.
        Posted = \"POSTED\",
    }
}

#[serde(tag = \"type\", content = \"data\")]
pub enum PostEvent {
    /// Somebody began, see [`PostId::new`](crate::PostId::new).
    #[serde(rename = \"post.drafted.v1\")]
    Drafted {
        /// As in [`Self::Published`].
        title: String,
        /// The one it answers.
        #[serde(default)]
        parent_id: Option<PostId>,
    },
    /// Gone.
    #[serde(rename = \"post.deleted.v1\")]
    Deleted {},
}

impl Event for PostEvent {
    const CATEGORY: &'static str = \"post\";
    const SERVICE: Service = Service::Post;

    fn is_public(&self) -> bool {
        !matches!(self, Self::Drafted { .. })
    }
}
";

    fn page() -> String {
        let reader = "fn group(&self) -> &'static str {\n    \"moderation.screening\"\n}\nfn f() { e.open::<PostEvent>() }";
        render(&Tree::of(&[
            ("shared-schemas/src/post.rs", POST),
            ("shared-schemas/golden/post.drafted.v1.json", "{\"golden\": 1}\n"),
            ("moderation-service/src/screening/reactor.rs", reader),
        ]))
    }

    #[test]
    fn an_event_is_told_with_its_fields_its_readers_and_its_example() {
        let page = page();

        for told in [
            "\n## post\n\nWhat can happen to a post. Recorded by post-service.\n\nRead by `moderation.screening`.\n",
            "\n### `post.drafted.v1` *private*\n\nSomebody began, see `PostId::new`.\n",
            "| `title` | `String` | As in `Published`. |\n",
            "| `parent_id` | `PostId`, may be left out | The one it answers. |\n",
            "```json\n{\"golden\": 1}\n```\n",
            "\n### `post.deleted.v1`\n\nGone.\n",
            "| PostStatus | Who may see it. | `DRAFT` `POSTED` |\n",
        ] {
            assert!(page.contains(told), "{told}\n---\n{page}");
        }
    }

    #[test]
    fn a_page_that_is_not_current_is_found() {
        let contract = ("shared-schemas/src/lib.rs", "");
        let current = render(&Tree::of(&[contract]));

        assert_eq!(is_current(&Tree::of(&[contract, (PATH, "old")])).len(), 1);
        assert_eq!(is_current(&Tree::of(&[contract])).len(), 1);
        assert!(is_current(&Tree::of(&[contract, (PATH, &current)])).is_empty());
    }
}
