//! The endpoints of batches.

use event_runtime::{Expected, Streams};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use sea_orm::ConnectionTrait;
use service_kit::{Caller, Cursor, Limit, Page, Problem};
use shared_schemas::{BatchId, user::Role};

use super::{
    aggregate::{Batch, BatchError},
    body::{BatchView, FlipBody, RefusalView, SendPart, UndoBatch},
    part::{Item, OtherItems, Part, PartId},
    view,
};
use crate::case::{
    api::{Tag, clean_text, require_moderator},
    view::moment,
};

/// The most characters of a reason.
const REASON: usize = 2_000;

/// The endpoints.
pub struct BatchApi {
    /// The batches.
    pub batches: Streams<Batch>,
    /// Their parts.
    pub parts: Streams<Part>,
}

#[derive(ApiResponse)]
enum Accepted {
    /// It will be done; read the batch to see how far it is.
    #[oai(status = 202)]
    Batch(Json<BatchView>),
}

#[OpenApi(tag = "Tag::Batches")]
impl BatchApi {
    /// Send a part of a batch
    ///
    /// A batch changes many judgements at once that another policy or model made otherwise: ALLOW to HOLD opens a case, to REMOVE
    /// opens and decides one, HOLD to ALLOW dismisses a case that nobody has decided, and what is removed no longer is restored.
    /// It begins when its last part has come. Sending a part again changes nothing. What a person decided, has in hand or was
    /// asked for is left alone, judgement by judgement.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but administrators and while muted, 409 if the
    /// batch or the part was sent with something else, and 413 for more than 64 KiB.
    #[oai(path = "/moderation/batches", method = "post", operation_id = "sendBatchPart")]
    async fn send(&self, caller: Caller, request: Json<SendPart>) -> Result<Accepted, Problem> {
        caller.require(Role::Admin)?;
        caller.may_write()?;
        let SendPart { batch_id, reason, analyser, parts, part, flips } = request.0;
        let reason = clean_text("reason", &reason, REASON)?;
        let analyser = clean_text("analyser", &analyser, REASON)?;
        let items: Vec<Item> =
            flips.into_iter().map(FlipBody::checked).collect::<Result<_, Problem>>()?;
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let work = self.batches.store().begin().await?;
        let metadata = caller.metadata();
        self.batches
            .execute_in(&work, batch_id, Expected::Any, &metadata, |batch| {
                batch.receive(caller.user_id(), (&reason, &analyser, parts), part, count)
            })
            .await?;
        self.parts
            .execute_in(&work, PartId::of(batch_id, part), Expected::Any, &metadata, |known| {
                known.receive(batch_id, part, &items)
            })
            .await?;
        let batch = find(work.txn(), batch_id).await?;
        work.commit().await?;
        Ok(Accepted::Batch(Json(batch)))
    }

    /// List batches
    ///
    /// Newest first. Fails with 400 for a malformed parameter, 401 without a token and 403 for anyone but moderators and
    /// administrators.
    #[oai(path = "/moderation/batches", method = "get", operation_id = "listBatches")]
    async fn list(
        &self,
        caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<BatchView>>, Problem> {
        require_moderator(&caller)?;
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(self.batches.store().db(), (moment(before), id), limit).await?;
        let cursor = |row: &view::BatchRow| Cursor::after(row.opened_at.timestamp_micros(), row.id);
        Ok(Json(Page::of(rows, limit, cursor, BatchView::from)))
    }

    /// Read a batch
    ///
    /// How far it is, and what it left alone and why. Fails with 400 for a malformed id, 401 without a token, 403 for anyone but
    /// moderators and administrators, and 404 if there is no such batch.
    #[oai(path = "/moderation/batches/:batch_id", method = "get", operation_id = "getBatch")]
    async fn get(
        &self,
        caller: Caller,
        batch_id: Path<BatchId>,
    ) -> Result<Json<BatchView>, Problem> {
        require_moderator(&caller)?;
        Ok(Json(find(self.batches.store().db(), batch_id.0).await?))
    }

    /// Undo a batch
    ///
    /// Every case it changed stands as before it, content is shown or hidden as before it, and a case that it opened is gone. What
    /// people have worked on since is left alone. Repeating it changes nothing. Fails with 400 for a malformed request, 401
    /// without a token, 403 for anyone but administrators and while muted, 404 if there is no such batch, and 409 while it is
    /// not carried out yet.
    #[oai(
        path = "/moderation/batches/:batch_id/revert",
        method = "post",
        operation_id = "undoBatch"
    )]
    async fn undo(
        &self,
        caller: Caller,
        batch_id: Path<BatchId>,
        request: Json<UndoBatch>,
    ) -> Result<Accepted, Problem> {
        caller.require(Role::Admin)?;
        caller.may_write()?;
        let reason = clean_text("reason", &request.reason, REASON)?;
        self.batches
            .execute(batch_id.0, Expected::Any, &caller.metadata(), |batch| {
                batch.undo(caller.user_id(), &reason)
            })
            .await?;
        Ok(Accepted::Batch(Json(find(self.batches.store().db(), batch_id.0).await?)))
    }
}

async fn find(connection: &impl ConnectionTrait, id: BatchId) -> Result<BatchView, Problem> {
    let row = view::find(connection, id).await?.ok_or(BatchError::NotFound)?;
    let refusals = view::refusals(connection, id).await?;
    let refusals = refusals.into_iter().map(RefusalView::from).collect();
    Ok(BatchView { refusals: Some(refusals), ..row.into() })
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::NotFound => Self::not_found("batch"),
            BatchError::OtherBatch => Self::conflict("other-batch", error.to_string()),
            BatchError::NoSuchPart => Self::bad_request("no-such-part", error.to_string()),
            BatchError::NotApplied => Self::conflict("batch-not-applied", error.to_string()),
        }
    }
}

impl From<OtherItems> for Problem {
    fn from(error: OtherItems) -> Self {
        Self::conflict("other-part", error.to_string())
    }
}
