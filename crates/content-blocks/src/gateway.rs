//! Answers to `GET /ipfs/{cid}` that need no trust: a client hashes what it is given.
//!
//! Follows the specification of trustless gateways: single blocks (`application/vnd.ipld.raw`) and archives
//! (`application/vnd.ipld.car`). Files are not put together here, since nobody could verify them.

use bytes::Bytes;
use cid::Cid;

use crate::{
    block::{Block, Codec},
    car,
    dag::Walk,
    store::{Source, StoreError},
};

/// The media type of a single block.
pub const RAW_TYPE: &str = "application/vnd.ipld.raw";
/// The media type of an archive.
pub const CAR_TYPE: &str = "application/vnd.ipld.car";

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The CID as it stands in the path.
    pub cid: &'a str,
    /// The parameter `format`, which counts more than `Accept`.
    pub format: Option<&'a str>,
    /// The parameter `dag-scope`: `block`, `entity` or `all`.
    pub scope: Option<&'a str>,
    /// The header `Accept`.
    pub accept: Option<&'a str>,
    /// The header `If-None-Match`.
    pub if_none_match: Option<&'a str>,
}

/// Why there is no block in the answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// 400: what is asked for has no meaning.
    #[error("{0}")]
    BadRequest(&'static str),
    /// 404: the block is not kept here.
    #[error("the block {0} is not kept here")]
    NotFound(Cid),
    /// 406: neither a block nor an archive is wanted.
    #[error("ask for `?format=raw` or `?format=car`")]
    NotAcceptable,
    /// 500: the store fails, or has a broken block, which is never served.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::NotFound(_) => 404,
            Self::NotAcceptable => 406,
            Self::Store(_) => 500,
        }
    }
}

/// What is answered.
#[derive(Debug)]
pub struct Answer<S> {
    /// 200 or 304.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// What follows them.
    pub body: Body<S>,
}

/// The body of an answer.
pub enum Body<S> {
    /// None: the client has it already.
    Empty,
    /// A block.
    Block(Bytes),
    /// An archive, piece by piece. An error after the first piece cuts the answer off, which a client notices.
    Archive(Archive<S>),
}

impl<S> std::fmt::Debug for Body<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Block(_) => "Block",
            Self::Archive(_) => "Archive",
        })
    }
}

/// The pieces of an archive: its header, then every block once, depth first.
pub struct Archive<S> {
    header: Option<Bytes>,
    blocks: Walk<S>,
    left: usize,
}

impl<S: Source> Archive<S> {
    /// Everything below these roots.
    pub fn new(source: S, roots: &[Cid]) -> Self {
        let blocks = Walk::new(source, roots.to_vec());
        Self { header: Some(car::header(roots)), blocks, left: usize::MAX }
    }
}

impl<S: Source> Iterator for Archive<S> {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(header) = self.header.take() {
            return Some(Ok(header));
        }
        self.left = self.left.checked_sub(1)?;
        Some(self.blocks.next()?.map(|block| car::section(&block)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Raw,
    Car,
}

/// Answers a request.
///
/// # Errors
///
/// [`Refusal`], with its status.
pub fn answer<S: Source>(source: S, query: Query<'_>) -> Result<Answer<S>, Refusal> {
    let cid: Cid = query.cid.parse().or(Err(Refusal::BadRequest("the path is no CID")))?;
    let format = format(query)?;
    // What a CID names here is one file, so that an entity is all of it.
    let left = match query.scope {
        None | Some("all" | "entity") => usize::MAX,
        Some("block") => 1,
        Some(_) => return Err(Refusal::BadRequest("`dag-scope` is `block`, `entity` or `all`")),
    };
    if format == Format::Car && Codec::of(&cid).is_none() {
        return Err(Refusal::BadRequest("links of blocks of this codec are not followed here"));
    }
    let root = match Block::inline(cid) {
        Some(block) => block,
        None => source.block(&cid)?.ok_or(Refusal::NotFound(cid))?,
    };
    let tag = match (format, left) {
        (Format::Raw, _) => format!("\"{cid}.raw\""),
        (Format::Car, 1) => format!("W/\"{cid}.car.block\""),
        (Format::Car, _) => format!("W/\"{cid}.car.all\""),
    };
    let is_known = query.if_none_match.is_some_and(|known| matches(known, &tag));
    let headers = headers(&cid, format, tag);
    if is_known {
        return Ok(Answer { status: 304, headers, body: Body::Empty });
    }
    let body = match format {
        Format::Raw => Body::Block(root.into_bytes()),
        Format::Car => Body::Archive(Archive { left, ..Archive::new(source, &[cid]) }),
    };
    Ok(Answer { status: 200, headers, body })
}

fn format(query: Query<'_>) -> Result<Format, Refusal> {
    match query.format {
        Some("raw") => return Ok(Format::Raw),
        Some("car") => return Ok(Format::Car),
        Some(_) => return Err(Refusal::NotAcceptable),
        None => {}
    }
    let wanted = query.accept.unwrap_or_default().split(',').find_map(|range| {
        let (media_type, parameters) = range.split_once(';').unwrap_or((range, ""));
        let other_version = parameters.split(';').any(|parameter| {
            parameter.trim().strip_prefix("version=").is_some_and(|version| version != "1")
        });
        match media_type.trim() {
            RAW_TYPE => Some(Format::Raw),
            CAR_TYPE if !other_version => Some(Format::Car),
            _ => None,
        }
    });
    wanted.ok_or(Refusal::NotAcceptable)
}

fn headers(cid: &Cid, format: Format, tag: String) -> Vec<(&'static str, String)> {
    let (content_type, extension) = match format {
        Format::Raw => (RAW_TYPE.to_owned(), "bin"),
        Format::Car => (format!("{CAR_TYPE}; version=1; order=dfs; dups=n"), "car"),
    };
    vec![
        ("content-type", content_type),
        // What a CID names never changes.
        ("cache-control", "public, max-age=29030400, immutable".to_owned()),
        ("etag", tag),
        ("vary", "Accept".to_owned()),
        ("accept-ranges", "none".to_owned()),
        // A browser saves it and runs nothing in it.
        ("content-disposition", format!("attachment; filename=\"{cid}.{extension}\"")),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-ipfs-path", format!("/ipfs/{cid}")),
        ("x-ipfs-roots", cid.to_string()),
    ]
}

/// Whether `If-None-Match` has a tag; weak and strong count alike for it.
fn matches(known: &str, tag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|one| one.trim() == "*" || plain(one) == plain(tag))
}
