//! The endpoints of listed images.

use std::collections::BTreeMap;

use content_screening::{Analysis, Finding, Verdict};
use event_runtime::{Expected, Streams, UnitOfWork};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::Base64,
};
use service_kit::{Caller, Cursor, Limit, Page, Problem};
use shared_schemas::{
    CaseId,
    envelope::Metadata,
    moderation::{CaseState, Decider, Decision, ModerationReason, Subject},
};
use uuid::Uuid;

use super::{
    aggregate::{Action, ListedImage, ListedImageId},
    body::{CheckImage, CheckedImage, ListImage, ListedImageView},
    hash::{self, ImageHash},
    view::{self, ListedRow, Match},
};
use crate::{
    case::{
        self,
        aggregate::{Case, CaseError, Opening, Visibility, case_id},
        api::{Tag, require_moderator},
        view::{moment, subject},
    },
    confirm,
    published::{self, view::PublishedRow},
};

/// Who judges by the list, in the cases that it opens.
const ANALYSER: &str = "listed-images/1";

/// The most bytes of a request with an image in Base64.
pub const BODY_BYTES: usize = hash::MAX_BYTES / 3 * 4 + 16 * 1024;

/// Where such requests go.
pub const LARGE: [&str; 2] = ["/moderation/media/images", "/moderation/media/checks"];

/// The endpoints.
pub struct MediaApi {
    /// The list.
    pub images: Streams<ListedImage>,
    /// The cases.
    pub cases: Streams<Case>,
}

#[derive(ApiResponse)]
enum Delisted {
    /// It is not on the list.
    #[oai(status = 204)]
    Gone,
}

#[OpenApi(tag = "Tag::Moderation")]
impl MediaApi {
    /// List an image
    ///
    /// By its file or by its hashes. The same again changes nothing; another category, action or note replaces the old one.
    /// The file is hashed and not kept. Fails with 400 for a malformed request or an unreadable image, 401 without a token,
    /// 403 for anyone but moderators and administrators, and 413 for more than 4 MiB.
    #[oai(path = "/moderation/media/images", method = "post", operation_id = "listImage")]
    async fn list_image(
        &self,
        caller: Caller,
        request: Json<ListImage>,
    ) -> Result<Json<ListedImageView>, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        let moderator_id = caller.user_id();
        let listed = off_the_runtime(move || request.0.entry(moderator_id)).await??;
        let hash = listed.perceptual.as_deref().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let id = ListedImageId::of(listed.sha256.as_deref(), hash);
        let work = self.images.store().begin().await?;
        self.images
            .execute_in(&work, id, Expected::Any, &caller.metadata(), |image| {
                Ok::<_, CaseError>(image.list(listed.clone()))
            })
            .await?;
        let row = view::find(work.txn(), id.0).await?;
        work.commit().await?;
        show(row.ok_or_else(|| Problem::not_found("listed image"))?).map(Json)
    }

    /// Read the list of images
    ///
    /// Newest first. Fails with 400 for a malformed parameter, 401 without a token and 403 for anyone but moderators and
    /// administrators.
    #[oai(path = "/moderation/media/images", method = "get", operation_id = "listListedImages")]
    async fn list_listed_images(
        &self,
        caller: Caller,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ListedImageView>>, Problem> {
        require_moderator(&caller)?;
        let limit = Limit::parse(limit.0)?;
        let (before, id) = Cursor::position_or_start(cursor.0.as_ref())?;
        let rows = view::list(self.images.store().db(), (moment(before), id), limit).await?;
        let rows = rows.into_iter().map(show).collect::<Result<Vec<_>, _>>()?;
        let cursor =
            |row: &ListedImageView| Cursor::after(row.listed_at.timestamp_micros(), row.id);
        Ok(Json(Page::of(rows, limit, cursor, |row| row)))
    }

    /// Take an image off the list
    ///
    /// Cases that it opened stay. Fails with 400 for a malformed id, 401 without a token, 403 for anyone but moderators and
    /// administrators, and 404 if it is not on the list.
    #[oai(
        path = "/moderation/media/images/:image_id",
        method = "delete",
        operation_id = "delistImage"
    )]
    async fn delist_image(
        &self,
        caller: Caller,
        image_id: Path<Uuid>,
    ) -> Result<Delisted, Problem> {
        require_moderator(&caller)?;
        caller.may_write()?;
        let work = self.images.store().begin().await?;
        let known = view::find(work.txn(), image_id.0).await?;
        known.ok_or_else(|| Problem::not_found("listed image"))?;
        let (id, moderator_id) = (ListedImageId(image_id.0), caller.user_id());
        self.images
            .execute_in(&work, id, Expected::Any, &caller.metadata(), |image| {
                Ok::<_, CaseError>(image.delist(moderator_id))
            })
            .await?;
        work.commit().await?;
        Ok(Delisted::Gone)
    }

    /// Check an image
    ///
    /// Compares an image that some content shows with the list: the same file, or one that looks the same after scaling,
    /// recompression or small changes (at most 8 of 64 bits of its perceptual hash differ). A match opens the case about the
    /// content, or is decided in it at once where the list says so. Whatever shows images calls this before it shows one; the file
    /// is not kept. What the list says of an image is for moderators.
    ///
    /// Fails with 400 for a malformed request or an unreadable image, 401 without a token, 403 for anyone but the author of
    /// the content, moderators and administrators, 404 if there is no such content or nobody can see it, and 413 for more
    /// than 4 MiB.
    #[oai(path = "/moderation/media/checks", method = "post", operation_id = "checkImage")]
    async fn check_image(
        &self,
        caller: Caller,
        request: Json<CheckImage>,
    ) -> Result<Json<CheckedImage>, Problem> {
        let CheckImage { image: Base64(file), subject_kind, subject_id } = request.0;
        let subject = subject(subject_kind.as_column(), subject_id);
        let content = published::view::find(self.images.store().db(), subject)
            .await?
            .ok_or_else(|| Problem::not_found("content that people can see"))?;
        if content.author_id() != caller.user_id() {
            require_moderator(&caller)?;
        }
        let image = off_the_runtime(move || hash::hash(&file)).await??;
        let work = self.cases.store().begin().await?;
        let found = view::matches(work.txn(), &image).await?;
        let mut case_id = None;
        if let Some(worst) = found.iter().max_by_key(|one| one.action == Action::Remove.as_str()) {
            case_id = Some(self.open(&work, subject, &content, &image, worst).await?);
        }
        work.commit().await?;
        Ok(Json(CheckedImage::new(image, &found, case_id)))
    }
}

impl MediaApi {
    /// Opens the case about content that shows a listed image, and decides it where the list says so.
    async fn open(
        &self,
        work: &UnitOfWork,
        subject: Subject,
        content: &PublishedRow,
        image: &ImageHash,
        found: &Match,
    ) -> Result<CaseId, Problem> {
        let visibility = confirm::projection::lock(work.txn(), subject).await?;
        let restored =
            case::view::waiting(work.txn(), subject, CaseState::RestoreRequested).await?;
        // While the content is being restored nobody knows which of the two would be carried out last: a person decides.
        let removal =
            (found.action == Action::Remove.as_str() && restored.is_empty()).then_some(visibility);
        let subject_version = u64::try_from(content.subject_version).unwrap_or(0);
        let analysis = analysis(image, found);
        let opening = Opening {
            subject,
            subject_version,
            author_id: content.author_id(),
            reasons: vec![found.category],
            analyser: ANALYSER.to_owned(),
            analysis: serde_json::to_value(&analysis).map_err(|error| Problem::internal(&error))?,
            cluster_id: None,
            labels: vec![],
            batch_id: None,
        };
        let id = case_id(&subject, subject_version);
        // Nobody learns who asked.
        let anonymous = Metadata::default();
        self.cases
            .execute_in(work, id, Expected::Any, &anonymous, |case| {
                let events = case.open(opening.clone(), removal);
                match removal {
                    Some(visibility) if events.is_empty() => {
                        remove(case, found.category, visibility)
                    }
                    Some(_) | None => Ok(events),
                }
            })
            .await?;
        Ok(id)
    }
}

/// Decides a case that the text had opened already.
fn remove(
    case: &Case,
    category: ModerationReason,
    visibility: Visibility,
) -> Result<Vec<shared_schemas::moderation::CaseEvent>, CaseError> {
    let decider = Decider::Policy { version: ANALYSER.to_owned(), batch_id: None };
    case.decide(Decision::Delete, Some(vec![category]), decider, visibility)
}

/// What the list says, in the form of every other judgement.
fn analysis(image: &ImageHash, found: &Match) -> Analysis {
    let (rule, likeness) = match found.distance {
        None => ("media.exact", "is".to_owned()),
        Some(bits) => ("media.alike", format!("looks like (within {bits} of 64 bits)")),
    };
    let is_removed = found.action == Action::Remove.as_str();
    let sha256 = &image.sha256;
    let explanation = format!(
        "Shows an image that {likeness} one on the list, entry {}; its SHA-256 is {sha256}.",
        found.id
    );
    Analysis {
        verdict: if is_removed { Verdict::Remove } else { Verdict::Hold },
        reasons: vec![found.category],
        scores: BTreeMap::from([(found.category, 100)]),
        findings: vec![Finding {
            rule: rule.to_owned(),
            category: found.category,
            weight: 100,
            span: None,
            explanation,
        }],
        ..Analysis::default()
    }
}

fn show(row: ListedRow) -> Result<ListedImageView, Problem> {
    ListedImageView::try_from(row).map_err(|error| Problem::internal(&error))
}

/// Unpacking an image takes a processor for a while.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
}
