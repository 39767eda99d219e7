//! What an owner does when the stream does not have the event after its watermark any more.

use fred::clients::Client;

use super::{Consumer, error::OwnerError, group::Group, source::Source};
use crate::rules::Gap;

/// The source to read before the stream, if the stream begins later than at `watermark + 1`, or skipped that number (`gap` is
/// what came in its place). `None` to read the stream.
pub(super) async fn open(
    consumer: &Consumer,
    group: &Group,
    redis: &Client,
    watermark: u64,
    gap: Option<Gap>,
) -> Result<Option<Box<dyn Source>>, OwnerError> {
    let expected = watermark + 1;
    match group.first(redis).await? {
        Some(found) if found > expected => {
            tracing::debug!(
                group = consumer.subscription.group,
                expected,
                found,
                ?gap,
                "behind the stream"
            );
            Err(OwnerError::Gap(Gap { expected, found }))
        }
        Some(_) | None => Ok(None),
    }
}
