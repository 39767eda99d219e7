//! The document of a token.

use chrono::{DateTime, SecondsFormat, Utc};
use content_blocks::{Block, Codec, canonical, digest_of};
use serde_json::{Value, json};
use shared_schemas::{consent::TextWish, moderation::Subject, post::Category};

use super::card;

/// The longest document, in bytes: it is one block for everybody who reads it.
pub const MAX_BYTES: usize = 64 * 1024;

/// How many characters of a text stand in its description.
const EXCERPT: usize = 200;

/// What a document is about. Nothing in it changes while the text does not: no counters, no state.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The post or comment.
    pub subject: Subject,
    /// What it is about.
    pub category: Category,
    /// Posts have one.
    pub title: Option<&'a str>,
    /// Its text.
    pub body: &'a str,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// What its author lets be said of it.
    pub text: TextWish,
    /// 32 random bytes that nobody knows but this service and the author.
    pub salt: &'a [u8],
}

/// A document and its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Canonical JSON (RFC 8785).
    pub document: Block,
    /// SVG.
    pub image: Block,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It would be more than one block for some reader.
    #[error("the document has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// It has no canonical form.
    #[error(transparent)]
    Inexact(#[from] canonical::InexactNumber),
}

impl Metadata {
    /// The two blocks of a token, from the bytes alone: nothing is asked for and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`DocumentError::TooLong`] for a text that nobody could have published.
    pub fn of(about: &About<'_>) -> Result<Self, DocumentError> {
        let image = Block::of(Codec::Raw, image(about));
        let document = canonical::to_string(&value(about, &image))?;
        if document.len() > MAX_BYTES {
            return Err(DocumentError::TooLong(document.len()));
        }
        Ok(Self { document: Block::of(Codec::Raw, document), image })
    }

    /// Both blocks, the picture first.
    pub fn blocks(&self) -> [Block; 2] {
        [self.image.clone(), self.document.clone()]
    }
}

/// What is hashed to commit to a text: the salt, then the text and what it belongs to as canonical JSON.
///
/// # Errors
///
/// [`DocumentError::Inexact`] never, since there are no numbers in it.
pub fn commitment(about: &About<'_>) -> Result<[u8; 32], DocumentError> {
    let (kind, id) = named(about.subject);
    let mut value = json!({ "kind": kind, "id": id, "body": about.body });
    if let (Some(title), Some(members)) = (about.title, value.as_object_mut()) {
        members.insert("title".to_owned(), json!(title));
    }
    let mut bytes = about.salt.to_vec();
    bytes.extend_from_slice(canonical::to_string(&value)?.as_bytes());
    Ok(digest_of(&bytes))
}

fn value(about: &About<'_>, image: &Block) -> Value {
    let (kind, _) = named(about.subject);
    let what = kind.to_ascii_lowercase();
    let (name, description, text) = match about.text {
        TextWish::Commitment => (
            format!("PeerLink {what}"),
            format!("A {what} about {}. Its author can prove its text.", about.category.label()),
            json!({
                "commitment": hex(&commitment(about).unwrap_or_default()),
                "scheme": "sha256(salt || canonical JSON of body, id, kind, title)",
            }),
        ),
        TextWish::FullText => {
            let mut text = json!({ "body": about.body, "type": if about.title.is_some() { "text/markdown" } else { "text/plain" } });
            if let (Some(title), Some(members)) = (about.title, text.as_object_mut()) {
                members.insert("title".to_owned(), json!(title));
            }
            (heading(about), excerpt(about.body), text)
        }
    };
    json!({
        "name": name,
        "description": description,
        "image": format!("ipfs://{}", image.cid()),
        "properties": {
            "schema": "peerlink.content.v1",
            "kind": kind,
            "category": about.category.as_str(),
            "published_at": about.published_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "text": text,
        },
    })
}

fn image(about: &About<'_>) -> String {
    let (kind, _) = named(about.subject);
    let label = format!("PeerLink · {}", about.category.label());
    match about.text {
        // Not even the colours may say what it is about: the id would do, and a salt is as good.
        TextWish::Commitment => {
            card::svg(about.salt, &format!("A {}", kind.to_ascii_lowercase()), &label)
        }
        TextWish::FullText => card::svg(about.subject.as_bytes(), &heading(about), &label),
    }
}

fn heading(about: &About<'_>) -> String {
    about.title.map_or_else(|| excerpt(about.body), str::to_owned)
}

fn excerpt(body: &str) -> String {
    let mut letters = body.chars();
    let mut excerpt: String = letters.by_ref().take(EXCERPT).collect();
    if letters.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

fn named(subject: Subject) -> (&'static str, String) {
    match subject {
        Subject::Post(id) => ("POST", id.to_string()),
        Subject::Comment(id) => ("COMMENT", id.to_string()),
    }
}

/// Bytes as `0x` and lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            out.extend(char::from_digit(half.into(), 16));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use shared_schemas::PostId;
    use uuid::Uuid;

    use super::*;

    fn about(text: TextWish) -> About<'static> {
        About {
            subject: Subject::Post(PostId(Uuid::from_u128(1))),
            category: Category::Food,
            title: Some("Sourdough in a cold kitchen"),
            body: "At 16 degrees the dough takes **twice** as long.",
            published_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            text,
            salt: &[7; 32],
        }
    }

    fn document(about: &About<'_>) -> String {
        String::from_utf8(Metadata::of(about).unwrap().document.into_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_document_has_the_members_of_erc_1155_in_canonical_form() {
        let text = document(&about(TextWish::FullText));
        let value: Value = serde_json::from_str(&text).unwrap();

        assert_eq!(canonical::to_string(&value).unwrap(), text);
        assert_eq!(value["name"], "Sourdough in a cold kitchen");
        assert_eq!(value["description"], about(TextWish::FullText).body);
        let image = Metadata::of(&about(TextWish::FullText)).unwrap().image.cid();
        assert_eq!(value["image"], format!("ipfs://{image}"));
        assert_eq!(value["properties"]["text"]["body"], about(TextWish::FullText).body);
    }

    #[test]
    fn by_default_no_word_of_the_content_and_no_id_is_in_it() {
        let about = about(TextWish::Commitment);
        let metadata = Metadata::of(&about).unwrap();
        let all = [metadata.document.bytes(), metadata.image.bytes()]
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .concat();

        for word in ["Sourdough", "kitchen", "degrees", "00000000-0000"] {
            assert!(!all.contains(word), "{word}");
        }
        assert!(all.contains(&hex(&commitment(&about).unwrap())));
    }

    #[test]
    fn a_commitment_is_of_the_text_the_content_and_the_salt() {
        let one = about(TextWish::Commitment);
        let found = commitment(&one).unwrap();

        assert_eq!(commitment(&one).unwrap(), found);
        for other in [
            About { salt: &[8; 32], ..one },
            About { body: "another", ..one },
            About { title: None, ..one },
            About { subject: Subject::Post(PostId(Uuid::from_u128(2))), ..one },
        ] {
            assert_ne!(commitment(&other).unwrap(), found, "{other:?}");
        }
    }

    #[test]
    fn the_longest_text_that_can_be_published_fits_and_a_longer_one_is_refused() {
        let (longest, title) = ("\u{1f35e}".repeat(10_000), "\u{1f35e}".repeat(200));
        let one = About { body: &longest, title: Some(&title), ..about(TextWish::FullText) };
        assert!(Metadata::of(&one).unwrap().document.bytes().len() <= MAX_BYTES);

        let longer = "x".repeat(MAX_BYTES);
        let refused = Metadata::of(&About { body: &longer, ..one });
        assert!(matches!(refused, Err(DocumentError::TooLong(_))));
    }
}
