//! A directory of our own.

use async_trait::async_trait;
use content_blocks::{Block, Cid, Source as _, Store, StoreError};

use crate::place::{Place, PlaceError, Root};

/// Blocks in a directory of this machine; needs no node and no network.
#[derive(Clone, Debug)]
pub struct Embedded {
    store: Store,
}

impl Embedded {
    /// A place over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, PlaceError> {
        let store = self.store.clone();
        Ok(tokio::task::spawn_blocking(move || work(&store)).await??)
    }
}

#[async_trait]
impl Place for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn keep(&self, root: Root<'_>) -> Result<(), PlaceError> {
        self.keep_all(&[root]).await
    }

    async fn keep_all(&self, roots: &[Root<'_>]) -> Result<(), PlaceError> {
        let blocks: Vec<Block> = roots.iter().flat_map(|root| root.blocks).cloned().collect();
        let pins: Vec<_> = roots.iter().map(|root| (root.cid, root.label.to_owned())).collect();
        let keep = move |store: &Store| {
            store.keep(&blocks, pins.iter().map(|(cid, label)| (cid, label.as_str())))
        };
        self.blocking(keep).await
    }

    async fn check(&self, blocks: &[Block]) -> Result<(), PlaceError> {
        let cids: Vec<Cid> = blocks.iter().map(Block::cid).collect();
        let missing = move |store: &Store| {
            for cid in cids {
                if store.block(&cid)?.is_none() {
                    return Ok(Some(cid));
                }
            }
            Ok(None)
        };
        self.blocking(missing).await?.map_or(Ok(()), |cid| Err(PlaceError::Absent(cid)))
    }

    async fn fetch(&self, cid: &Cid) -> Result<Option<Block>, PlaceError> {
        let cid = *cid;
        self.blocking(move |store| store.block(&cid)).await
    }

    async fn release(&self, cid: &Cid, label: &str) -> Result<(), PlaceError> {
        let (cid, label) = (*cid, label.to_owned());
        self.blocking(move |store| store.unpin(&cid, &label)).await
    }
}
