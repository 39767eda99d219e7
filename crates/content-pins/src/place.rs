//! What every place can do.

use std::time::Duration;

use async_trait::async_trait;
use content_blocks::{Block, Cid, InvalidBlock, StoreError};

/// How long one request to a place may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long a connection to a place may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A tree of blocks and what it is kept for.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    /// The CID of the tree.
    pub cid: Cid,
    /// What wants it: 1 to 100 letters, digits, `-` and `_`. The same root may be wanted under several labels.
    pub label: &'a str,
    /// Every block of the tree.
    pub blocks: &'a [Block],
}

/// Why a place does not keep something.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It cannot be reached, or does not answer in time.
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It answers with an error.
    #[error("it answers {status}: {said}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it says.
        said: String,
    },
    /// Its answer has another form than its interface promises.
    #[error("its answer is not understood: {0}")]
    Answer(String),
    /// It names the content otherwise than we do, so that nobody would find it.
    #[error("it calls {ours} {theirs}")]
    OtherName {
        /// The CID computed here.
        ours: Box<Cid>,
        /// What it answered.
        theirs: String,
    },
    /// It gives back other bytes.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// It does not have a block that it should keep.
    #[error("it does not have {0}")]
    Absent(Cid),
    /// It gave up.
    #[error("it gave up pinning: {0}")]
    GaveUp(String),
    /// The directory fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is stopping.
    #[error("the work was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Somewhere that keeps blocks.
#[async_trait]
pub trait Place: Send + Sync + 'static {
    /// Its name in reports: unique among the places in use.
    fn name(&self) -> &str;

    /// Keeps every block of a tree. Asking again changes nothing.
    async fn keep(&self, root: Root<'_>) -> Result<(), PlaceError>;

    /// Keeps several trees, as [`Self::keep`] does for each.
    async fn keep_all(&self, roots: &[Root<'_>]) -> Result<(), PlaceError> {
        for root in roots {
            self.keep(*root).await?;
        }
        Ok(())
    }

    /// Fetches every block from there, and verifies it.
    async fn check(&self, blocks: &[Block]) -> Result<(), PlaceError> {
        for block in blocks {
            if self.fetch(&block.cid()).await?.is_none() {
                return Err(PlaceError::Absent(block.cid()));
            }
        }
        Ok(())
    }

    /// A block, fetched from there and verified; `None` if the place does not have it.
    async fn fetch(&self, cid: &Cid) -> Result<Option<Block>, PlaceError>;

    /// Gives up what [`Self::keep`] asked for. Nothing happens if it was not kept.
    async fn release(&self, cid: &Cid, label: &str) -> Result<(), PlaceError>;
}

/// A client with limits in time.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .connect_timeout(CONNECT)
        // A node on this machine is asked at its own address.
        .no_proxy()
        .build()
        .expect("the settings are constants that hold")
}

/// The answer, if it is a success.
pub(crate) async fn accepted(response: reqwest::Response) -> Result<reqwest::Response, PlaceError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let said = response.text().await.map_err(PlaceError::Unreachable)?;
    Err(PlaceError::Refused { status: status.as_u16(), said: said.chars().take(300).collect() })
}

/// The bytes of an answer, up to what a block can have.
pub(crate) async fn block_of(cid: &Cid, response: reqwest::Response) -> Result<Block, PlaceError> {
    use futures_util::StreamExt as _;

    let mut stream = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.map_err(PlaceError::Unreachable)?);
        if bytes.len() > content_blocks::MAX_BLOCK_BYTES {
            return Err(InvalidBlock::TooLong(bytes.len()).into());
        }
    }
    Ok(Block::verified(*cid, bytes)?)
}
