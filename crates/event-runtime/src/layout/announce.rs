//! The announcement in Redis: written by the producer's relay, read by everybody else.

use fred::{clients::Client, interfaces::KeysInterface};
use shared_schemas::Service;

use super::Layout;
use crate::{error::chain, redis::once};

/// Where a service announces its layout, such as `ctl:{post}:layout`. The braces are part of the key.
pub fn layout_key(service: Service) -> String {
    format!("ctl:{{{service}}}:layout")
}

/// Why there is no announcement to go by.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// Redis failed.
    #[error("redis failed")]
    Redis(#[from] fred::error::Error),
    /// What is there is no layout.
    #[error("the announced layout does not parse")]
    Malformed(#[from] serde_json::Error),
}

/// What a service has announced; `None` if Redis does not know.
///
/// # Errors
///
/// [`AnnounceError`] if Redis fails, or the announcement is none.
pub async fn announced(redis: &Client, service: Service) -> Result<Option<Layout>, AnnounceError> {
    let text: Option<String> = once(redis).get(layout_key(service)).await?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// Announces a layout, unless a later generation is announced already: then returns that one's number.
///
/// # Errors
///
/// If Redis does not answer. One that takes nothing is no error: the announcement is repeated.
pub(crate) async fn announce(
    redis: &Client,
    service: Service,
    layout: &Layout,
) -> Result<Option<u32>, AnnounceError> {
    match announced(redis, service).await {
        Ok(Some(before)) if before == *layout => return Ok(None),
        Ok(Some(before)) if before.epoch() > layout.epoch() => return Ok(Some(before.epoch())),
        // One that does not parse is of no use to anybody.
        Ok(_) | Err(AnnounceError::Malformed(_)) => (),
        Err(error) => return Err(error),
    }
    let text = serde_json::to_string(layout)?;
    let set: Result<(), fred::error::Error> =
        once(redis).set(layout_key(service), text, None, None, false).await;
    if let Err(error) = set {
        // A Redis that is full answers and takes nothing: events are numbered all the same, and whoever publishes them says
        // what is wrong.
        tracing::debug!(%service, error = chain(&error), "layout not announced");
    }
    Ok(None)
}
