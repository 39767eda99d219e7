//! Keeps files at a node, has them given back and verified, and gives them up: `cargo run -p content-pins --example node -- http://127.0.0.1:5001`.
//!
//! Any node with the RPC of Kubo will do; nothing of it is changed but what is added and removed here.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    sync::Arc,
};

use content_blocks::{Block, Codec};
use content_pins::{Kubo, Place as _, Places, Root};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).ok_or("which node? For example http://127.0.0.1:5001")?;
    let node = Arc::new(Kubo::new(address.parse()?));
    let places = Places::new(vec![Arc::clone(&node) as Arc<_>], 1)?;
    let contents = [Vec::new(), b"{\"name\":\"A title\"}".to_vec(), vec![7; 200_000]];
    let blocks: Vec<Block> = contents.map(|bytes| Block::of(Codec::Raw, bytes)).into();
    let roots: Vec<Root<'_>> = blocks
        .chunks(1)
        .zip(&blocks)
        .map(|(blocks, block)| Root { cid: block.cid(), label: "example", blocks })
        .collect();

    let kept = places.keep(&roots).await?;
    // Again: nothing changes.
    places.keep(&roots).await?;
    for block in &blocks {
        let (place, found) = places.fetch(&block.cid()).await?.ok_or("a block is gone")?;
        if found != *block {
            return Err(format!("{place} gives back another {}", block.cid()).into());
        }
        places.release(&block.cid(), "example").await?;
        // What is not kept is not given up twice.
        places.release(&block.cid(), "example").await?;
    }
    let absent = Block::of(Codec::Raw, b"nobody has this".to_vec());
    // Some say that they do not have it, others look for it until they are not waited for any longer.
    if let Ok(Some(_)) = node.fetch(&absent.cid()).await {
        return Err("the node claims to have what nobody gave it".into());
    }
    writeln!(
        io::stdout(),
        "{} kept, gave back and gave up {} blocks",
        kept.at.join(", "),
        blocks.len()
    )?;
    Ok(())
}
