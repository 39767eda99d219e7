//! Nodes with links (`dag-pb`) that are parts of files (`UnixFS`), as bytes and back.

use bytes::Bytes;
use cid::Cid;

use crate::varint;

const VARINT: u64 = 0;
const BYTES: u64 = 2;

const RAW_TYPE: u64 = 0;
const FILE_TYPE: u64 = 2;

/// A child of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) cid: Cid,
    /// The bytes of every block below, and of the child itself.
    pub(crate) total: u64,
    /// The bytes of the file below.
    pub(crate) content: u64,
}

/// What a node says.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) links: Vec<Cid>,
    /// Bytes of the file in the node itself.
    pub(crate) inline: Bytes,
    /// Whether it is (a part of) a file.
    pub(crate) is_file: bool,
}

/// The node over some children: links first, data last, which is the canonical order.
pub(crate) fn branch(children: &[Link]) -> Vec<u8> {
    let mut node = Vec::new();
    for child in children {
        let mut link = Vec::new();
        bytes_field(&mut link, 1, &child.cid.to_bytes());
        bytes_field(&mut link, 2, b"");
        number_field(&mut link, 3, child.total);
        bytes_field(&mut node, 2, &link);
    }
    let mut data = Vec::new();
    number_field(&mut data, 1, FILE_TYPE);
    number_field(&mut data, 3, children.iter().map(|child| child.content).sum());
    for child in children {
        number_field(&mut data, 4, child.content);
    }
    bytes_field(&mut node, 1, &data);
    node
}

/// A node without children that holds the bytes itself.
pub(crate) fn leaf(content: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    number_field(&mut data, 1, FILE_TYPE);
    if !content.is_empty() {
        bytes_field(&mut data, 2, content);
    }
    number_field(&mut data, 3, u64::try_from(content.len()).expect("a length fits into 64 bits"));
    let mut node = Vec::new();
    bytes_field(&mut node, 1, &data);
    node
}

/// Reads a node; the reason if it is malformed.
pub(crate) fn read(block: &Bytes) -> Result<Node, &'static str> {
    let mut node = Node::default();
    for field in Fields(block) {
        match field? {
            (2, Value::Bytes(link)) => node.links.push(read_link(link)?),
            (1, Value::Bytes(data)) => read_data(block, data, &mut node)?,
            _ => return Err("a node has links and data only"),
        }
    }
    Ok(node)
}

fn read_link(link: &[u8]) -> Result<Cid, &'static str> {
    let mut cid = None;
    for field in Fields(link) {
        match field? {
            (1, Value::Bytes(bytes)) => {
                cid = Some(Cid::try_from(bytes).or(Err("a link leads to no CID"))?);
            }
            (2, Value::Bytes(_)) | (3, Value::Number(_)) => {}
            _ => return Err("a link has a hash, a name and a size only"),
        }
    }
    cid.ok_or("a link leads nowhere")
}

fn read_data(block: &Bytes, data: &[u8], node: &mut Node) -> Result<(), &'static str> {
    for field in Fields(data) {
        match field? {
            (1, Value::Number(kind)) => node.is_file = kind == FILE_TYPE || kind == RAW_TYPE,
            (2, Value::Bytes(inline)) => node.inline = block.slice_ref(inline),
            _ => {}
        }
    }
    Ok(())
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or("a field is cut off");
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = varint::read(&mut self.0)?;
        let value = match tag & 7 {
            VARINT => Value::Number(varint::read(&mut self.0)?),
            BYTES => {
                let length = varint::read(&mut self.0)?;
                Value::Bytes(varint::take(&mut self.0, length)?)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

fn number_field(out: &mut Vec<u8>, number: u64, value: u64) {
    varint::write(out, number << 3 | VARINT);
    varint::write(out, value);
}

fn bytes_field(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    varint::write(out, number << 3 | BYTES);
    varint::write(out, u64::try_from(value.len()).expect("a length fits into 64 bits"));
    out.extend_from_slice(value);
}
