//! Several places together.

use std::sync::Arc;

use content_blocks::{Block, Cid};
use futures_util::future::join_all;

use crate::place::{Place, PlaceError, Root};

/// Several places, of which some must keep everything.
#[derive(Clone)]
pub struct Places {
    places: Arc<[Arc<dyn Place>]>,
    enough: usize,
}

/// A number of places that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{enough} of {places} places cannot be had")]
pub struct TooFew {
    /// How many are wanted.
    pub enough: usize,
    /// How many there are.
    pub places: usize,
}

/// Where something is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The places that gave every block back.
    pub at: Vec<String>,
    /// Those that did not, each with the reason.
    pub not_at: Vec<String>,
}

/// Too few places keep something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of {enough} places keep it; {}", kept.at.len(), kept.not_at.join("; "))]
pub struct NotEnough {
    /// Where it is kept.
    pub kept: Kept,
    /// How many there must be.
    pub enough: usize,
}

impl Places {
    /// Places of which `enough` must keep everything.
    ///
    /// # Errors
    ///
    /// [`TooFew`] unless there are that many, or if that is none.
    pub fn new(places: Vec<Arc<dyn Place>>, enough: usize) -> Result<Self, TooFew> {
        if enough == 0 || enough > places.len() {
            return Err(TooFew { enough, places: places.len() });
        }
        Ok(Self { places: places.into(), enough })
    }

    /// How many must keep everything.
    pub fn enough(&self) -> usize {
        self.enough
    }

    /// Keeps trees everywhere, fetches every block back from everywhere, and hashes it. A place that fails with one of them
    /// counts as failed with all.
    ///
    /// # Errors
    ///
    /// [`NotEnough`] if too few places stand the test.
    pub async fn keep(&self, roots: &[Root<'_>]) -> Result<Kept, NotEnough> {
        let blocks: Vec<Block> = roots.iter().flat_map(|root| root.blocks).cloned().collect();
        let blocks = &blocks;
        self.judge(join_all(self.places.iter().map(|place| async move {
            let kept = match place.keep_all(roots).await {
                Ok(()) => place.check(blocks).await,
                Err(error) => Err(error),
            };
            (place.name().to_owned(), kept)
        })))
        .await
    }

    /// Fetches every block from everywhere and hashes it.
    ///
    /// # Errors
    ///
    /// As [`Self::keep`].
    pub async fn check(&self, blocks: &[Block]) -> Result<Kept, NotEnough> {
        self.judge(join_all(
            self.places
                .iter()
                .map(|place| async move { (place.name().to_owned(), place.check(blocks).await) }),
        ))
        .await
    }

    /// A block, from the first place that has it.
    ///
    /// # Errors
    ///
    /// The last error, if no place has it and one of them fails.
    pub async fn fetch(&self, cid: &Cid) -> Result<Option<(String, Block)>, PlaceError> {
        let mut failed = None;
        for place in self.places.iter() {
            match place.fetch(cid).await {
                Ok(Some(block)) => return Ok(Some((place.name().to_owned(), block))),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Gives a root up everywhere.
    ///
    /// # Errors
    ///
    /// The first error; the other places have given it up all the same.
    pub async fn release(&self, cid: &Cid, label: &str) -> Result<(), PlaceError> {
        let released = join_all(self.places.iter().map(|place| place.release(cid, label))).await;
        released.into_iter().collect()
    }

    async fn judge(
        &self,
        found: impl Future<Output = Vec<(String, Result<(), PlaceError>)>>,
    ) -> Result<Kept, NotEnough> {
        let mut kept = Kept::default();
        for (name, found) in found.await {
            match found {
                Ok(()) => kept.at.push(name),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(place = name, error, "a place does not keep a block");
                    kept.not_at.push(format!("{name}: {error}"));
                }
            }
        }
        if kept.at.len() < self.enough {
            return Err(NotEnough { kept, enough: self.enough });
        }
        Ok(kept)
    }
}
