//! Answers that a client can verify, and errors that say what is wrong.

use content_blocks::{
    Block, Codec, Profile, car,
    gateway::{self, Answer, Body, Query, Refusal},
    import,
};

use crate::{Few, made};

fn kept() -> (Few, String) {
    let blocks = import(Profile::raw_leaves(7, 3).unwrap(), &made(100));
    let root = blocks.last().unwrap().cid().to_string();
    (Few(blocks), root)
}

fn header<'a, S>(answer: &'a Answer<S>, name: &str) -> &'a str {
    &answer.headers.iter().find(|(header, _)| *header == name).unwrap().1
}

fn archive<S: content_blocks::Source>(answer: Answer<S>) -> Vec<Block> {
    let Body::Archive(pieces) = answer.body else { panic!("no archive") };
    let bytes: Vec<u8> = pieces.flat_map(Result::unwrap).collect();
    car::Reader::open(bytes.as_slice()).unwrap().collect::<Result<_, _>>().unwrap()
}

fn status(query: Query<'_>) -> u16 {
    gateway::answer(kept().0, query).unwrap_err().status()
}

#[test]
fn a_block_is_served_with_everything_that_the_specification_asks_for() {
    let (blocks, root) = kept();
    let query = Query { cid: &root, format: Some("raw"), ..Query::default() };

    let answer = gateway::answer(&blocks, query).unwrap();

    assert_eq!(answer.status, 200);
    assert_eq!(header(&answer, "content-type"), "application/vnd.ipld.raw");
    assert_eq!(header(&answer, "cache-control"), "public, max-age=29030400, immutable");
    assert_eq!(header(&answer, "etag"), format!("\"{root}.raw\""));
    assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
    assert_eq!(
        header(&answer, "content-disposition"),
        format!("attachment; filename=\"{root}.bin\"")
    );
    assert_eq!(header(&answer, "x-ipfs-path"), format!("/ipfs/{root}"));
    assert_eq!(header(&answer, "x-ipfs-roots"), root);
    let Body::Block(bytes) = answer.body else { panic!("no block") };
    assert!(Block::verified(root.parse().unwrap(), bytes).is_ok());
}

#[test]
fn an_archive_has_every_block_once_and_the_root_first() {
    let (mut blocks, root) = kept();
    blocks.0.dedup();
    let query = Query {
        cid: &root,
        accept: Some("text/html, application/vnd.ipld.car;version=1"),
        ..Query::default()
    };

    let answer = gateway::answer(&blocks, query).unwrap();
    assert_eq!(
        header(&answer, "content-type"),
        "application/vnd.ipld.car; version=1; order=dfs; dups=n"
    );
    let served = archive(answer);

    assert_eq!(served[0].cid().to_string(), root);
    assert_eq!(served.len(), blocks.0.len());
    let only = Query { scope: Some("block"), format: Some("car"), ..query };
    assert_eq!(archive(gateway::answer(&blocks, only).unwrap()).len(), 1);
}

#[test]
fn a_client_that_has_the_answer_is_not_given_it_again() {
    let (blocks, root) = kept();
    for (format, tag) in
        [("raw", format!("\"{root}.raw\"")), ("car", format!("\"x\", W/\"{root}.car.all\""))]
    {
        let query = Query {
            cid: &root,
            format: Some(format),
            if_none_match: Some(&tag),
            ..Query::default()
        };
        let answer = gateway::answer(&blocks, query).unwrap();
        assert!(matches!((answer.status, &answer.body), (304, Body::Empty)), "{format}");
        let other = Query { if_none_match: Some("\"other\""), ..query };
        assert_eq!(gateway::answer(&blocks, other).unwrap().status, 200);
    }
}

#[test]
fn what_cannot_be_answered_is_refused_with_its_reason() {
    let (_, root) = kept();
    let unknown = Block::of(Codec::Raw, &b"unknown"[..]).cid().to_string();
    let raw = Some("raw");

    assert_eq!(status(Query { cid: "not-a-cid", format: raw, ..Query::default() }), 400);
    assert_eq!(status(Query { cid: &unknown, format: raw, ..Query::default() }), 404);
    assert_eq!(status(Query { cid: &root, ..Query::default() }), 406);
    assert_eq!(status(Query { cid: &root, format: Some("tar"), ..Query::default() }), 406);
    assert_eq!(status(Query { cid: &root, accept: Some("*/*"), ..Query::default() }), 406);
    let newer = Some("application/vnd.ipld.car; version=2");
    assert_eq!(status(Query { cid: &root, accept: newer, ..Query::default() }), 406);
    assert_eq!(
        status(Query { cid: &root, format: raw, scope: Some("x"), ..Query::default() }),
        400
    );
}

#[test]
fn a_broken_block_is_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let store = content_blocks::Store::open(directory.path()).unwrap();
    let block = Block::of(Codec::Raw, &b"hello"[..]);
    store.put(&block).unwrap();
    let shard =
        std::fs::read_dir(directory.path().join("blocks")).unwrap().next().unwrap().unwrap();
    let file = std::fs::read_dir(shard.path()).unwrap().next().unwrap().unwrap();
    std::fs::write(file.path(), b"hallo").unwrap();

    let cid = block.cid().to_string();
    let refused =
        gateway::answer(&store, Query { cid: &cid, format: Some("raw"), ..Query::default() });

    assert!(matches!(refused, Err(Refusal::Store(_))));
}

#[test]
fn a_cid_that_carries_its_bytes_is_answered_from_itself() {
    let query = Query { cid: "bafkqablimvwgy3y", format: Some("raw"), ..Query::default() };

    let answer = gateway::answer(Few(Vec::new()), query).unwrap();

    assert!(matches!(answer.body, Body::Block(bytes) if bytes.as_ref() == b"hello"));
}
