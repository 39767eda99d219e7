//! The endpoints of versions.

use event_runtime::ExecuteError;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::Path,
    payload::{Binary, Json},
};
use service_kit::{Caller, Problem};
use shared_schemas::user::Role;

use super::{
    aggregate::{VersionError, VersionId},
    body::{NOTE, Promote, Propose, RollBack, VersionList, VersionView},
    files::FileName,
    lifecycle::{Lifecycle, Promotion, Proposal, ProposeError},
    shadow::{
        body::{Comparison, comparison},
        view as shadow,
    },
    view,
};
use crate::case::api::{Tag, clean_text, require_moderator};

/// Where versions are proposed; its requests are larger than others.
pub const PROPOSE: &str = "/moderation/versions";

/// The most bytes of a proposal: a model in Base64, and three files of rules.
pub const PROPOSE_BYTES: usize = 15 * 1024 * 1024;

/// Examples of each kind of change in a comparison.
const EXAMPLES: i64 = 10;

/// The endpoints.
pub struct VersionApi {
    /// What they do.
    pub lifecycle: Lifecycle,
}

#[derive(ApiResponse)]
enum ProposeAnswer {
    /// The version is new.
    #[oai(status = 201)]
    New(Json<VersionView>),
    /// The same files were proposed before.
    #[oai(status = 200)]
    Known(Json<VersionView>),
}

#[OpenApi(tag = "Tag::Versions")]
impl VersionApi {
    /// Propose a version of the analyser
    ///
    /// Rules, policy and model together; what is left out is taken from the active version. Nothing is judged by it yet. The same
    /// files again are the same version: 200 instead of 201. Up to 15 MiB, here alone. For administrators.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but administrators and while muted, 413 for a
    /// body that is too large, and 422 for files that do not hold, with every mistake in `errors`; then nothing is kept.
    #[oai(path = "/moderation/versions", method = "post", operation_id = "proposeAnalyserVersion")]
    async fn propose(
        &self,
        caller: Caller,
        request: Json<Propose>,
    ) -> Result<ProposeAnswer, Problem> {
        caller.require(Role::Admin)?;
        caller.may_write()?;
        let (files, note) = request.0.into_parts()?;
        let proposal = Proposal { files, note, by: Some(caller.user_id()) };
        let (id, is_new) = self.lifecycle.propose(proposal, &caller.metadata()).await?;
        let version = Json(self.show(&id).await?);
        Ok(if is_new { ProposeAnswer::New(version) } else { ProposeAnswer::Known(version) })
    }

    /// List versions of the analyser
    ///
    /// Newest first. Fails with 401 without a token and 403 for anyone but moderators and administrators.
    #[oai(path = "/moderation/versions", method = "get", operation_id = "listAnalyserVersions")]
    async fn list(&self, caller: Caller) -> Result<Json<VersionList>, Problem> {
        require_moderator(&caller)?;
        let db = self.lifecycle.versions.store().db();
        let decides = view::active(db).await?.is_none();
        let built_in = &self.lifecycle.analysers.built_in().id;
        let rows = view::list(db).await?.into_iter();
        let items = rows.map(|row| VersionView::new(row, built_in, decides));
        Ok(Json(VersionList { items: items.collect::<Result<_, _>>()? }))
    }

    /// Read a version of the analyser
    ///
    /// Fails with 400 for a malformed id, 401 without a token, 403 for anyone but moderators and administrators, and 404 if there
    /// is no such version.
    #[oai(path = "/moderation/versions/:id", method = "get", operation_id = "getAnalyserVersion")]
    async fn get(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
    ) -> Result<Json<VersionView>, Problem> {
        require_moderator(&caller)?;
        Ok(Json(self.show(&parse(&id.0)?).await?))
    }

    /// Read a file of a version
    ///
    /// As it was proposed, byte for byte. Fails with 400 for a malformed id or name, 401 without a token, 403 for anyone but
    /// moderators and administrators, and 404 if there is no such version.
    #[oai(
        path = "/moderation/versions/:id/files/:name",
        method = "get",
        operation_id = "getAnalyserVersionFile"
    )]
    async fn get_file(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
        name: Path<FileName>,
    ) -> Result<Binary<Vec<u8>>, Problem> {
        require_moderator(&caller)?;
        let id = parse(&id.0)?;
        let db = self.lifecycle.versions.store().db();
        view::find(db, &id).await?.ok_or(VersionError::NotFound)?;
        let hashes = view::hashes(db, &id).await?;
        let Some(hash) = hashes.get(&name.0) else { return Err(VersionError::NotFound.into()) };
        let file = view::file(db, &hash.sha256).await?;
        Ok(Binary(file.ok_or(VersionError::NotFound)?))
    }

    /// Let a version judge in shadow
    ///
    /// From now on it judges everything that is published beside the version that decides; nothing follows from what it says. Two
    /// versions at most. Repeating it changes nothing. For administrators.
    ///
    /// Fails with 400 for a malformed id, 401 without a token, 403 for anyone but administrators and while muted, 404 if there is
    /// no such version, and 409 if it decides already or two others are in shadow.
    #[oai(
        path = "/moderation/versions/:id/shadow",
        method = "post",
        operation_id = "startAnalyserVersionShadow"
    )]
    async fn start_shadow(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
    ) -> Result<Json<VersionView>, Problem> {
        let id = administrator(&caller, &id.0)?;
        self.lifecycle.start_shadow(&id, false, &caller.metadata()).await?;
        Ok(Json(self.show(&id).await?))
    }

    /// End the shadow of a version
    ///
    /// What it has judged stays. Repeating it changes nothing. For administrators. Fails with 400 for a malformed id, 401 without a
    /// token, 403 for anyone but administrators and while muted, and 404 if there is no such version.
    #[oai(
        path = "/moderation/versions/:id/shadow",
        method = "delete",
        operation_id = "endAnalyserVersionShadow"
    )]
    async fn end_shadow(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
    ) -> Result<Json<VersionView>, Problem> {
        let id = administrator(&caller, &id.0)?;
        self.lifecycle.end_shadow(&id, &caller.metadata()).await?;
        Ok(Json(self.show(&id).await?))
    }

    /// Compare a version in shadow with the one that decides
    ///
    /// Of everything that both have judged: verdicts, categories, flag rates with intervals, and how far moderators agree. Texts
    /// are named by their ids. Fails with 400 for a malformed id, 401 without a token, 403 for anyone but moderators and
    /// administrators, and 404 if there is no such version.
    #[oai(
        path = "/moderation/versions/:id/comparison",
        method = "get",
        operation_id = "compareAnalyserVersion"
    )]
    async fn compare(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
    ) -> Result<Json<Comparison>, Problem> {
        require_moderator(&caller)?;
        let id = parse(&id.0)?;
        let db = self.lifecycle.versions.store().db();
        view::find(db, &id).await?.ok_or(VersionError::NotFound)?;
        let verdicts = shadow::verdicts(db, &id).await?;
        let categories = shadow::categories(db, &id).await?;
        let humans = shadow::humans(db, &id).await?;
        let examples = shadow::examples(db, &id, EXAMPLES).await?;
        Ok(Json(comparison(id.to_string(), &verdicts, categories, &humans, examples)))
    }

    /// Promote a version
    ///
    /// From this event on everything is decided by it, whichever instance judges. It must have judged 200 texts in shadow and not
    /// have been rolled back before, or be forced, with a reason. If its flag rate leaves its band, it is rolled back by itself.
    /// One that decides already stays as it is. For administrators.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but administrators and while muted, 404 if there
    /// is no such version, 409 if it takes force, and 422 for a band that is upside down or force without a reason.
    #[oai(
        path = "/moderation/versions/:id/promote",
        method = "post",
        operation_id = "promoteAnalyserVersion"
    )]
    async fn promote(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
        request: Json<Promote>,
    ) -> Result<Json<VersionView>, Problem> {
        let version = administrator(&caller, &id.0)?;
        let Promote { band, force, reason } = request.0;
        let reason = reason.map(|reason| clean_text("reason", &reason, NOTE)).transpose()?;
        if force && reason.is_none() {
            let detail = "force takes a reason, which is recorded";
            return Err(Problem::unprocessable("reason", detail));
        }
        let band = band.map(super::body::BandView::band).transpose()?;
        let forced = reason.filter(|_| force);
        let promotion = Promotion { version: version.clone(), band, forced, by: caller.user_id() };
        self.lifecycle.promote(promotion, &caller.metadata()).await?;
        Ok(Json(self.show(&version).await?))
    }

    /// Take the promotion of a version back
    ///
    /// The version that decided before it decides again, or the one that each program was built with. For administrators.
    ///
    /// Fails with 400 for a malformed request, 401 without a token, 403 for anyone but administrators and while muted, 404 if there
    /// is no such version, and 409 if it is not the one that decides.
    #[oai(
        path = "/moderation/versions/:id/rollback",
        method = "post",
        operation_id = "rollBackAnalyserVersion"
    )]
    async fn roll_back(
        &self,
        caller: Caller,
        /// The version.
        #[oai(validator(pattern = "^[0-9a-f]{64}$"))]
        id: Path<String>,
        request: Json<RollBack>,
    ) -> Result<Json<VersionView>, Problem> {
        let id = administrator(&caller, &id.0)?;
        let because = clean_text("reason", &request.0.reason, NOTE)?;
        let by = Some(caller.user_id());
        self.lifecycle.roll_back(&id, because, by, &caller.metadata()).await?;
        Ok(Json(self.show(&id).await?))
    }
}

impl VersionApi {
    async fn show(&self, id: &VersionId) -> Result<VersionView, Problem> {
        let db = self.lifecycle.versions.store().db();
        let row = view::find(db, id).await?.ok_or(VersionError::NotFound)?;
        let decides = view::active(db).await?.is_none();
        Ok(VersionView::new(row, &self.lifecycle.analysers.built_in().id, decides)?)
    }
}

fn administrator(caller: &Caller, id: &str) -> Result<VersionId, Problem> {
    caller.require(Role::Admin)?;
    caller.may_write()?;
    parse(id)
}

fn parse(id: &str) -> Result<VersionId, Problem> {
    id.parse().map_err(|error: super::aggregate::NoVersionId| {
        Problem::bad_request("version-id", error.to_string())
    })
}

impl From<VersionError> for Problem {
    fn from(error: VersionError) -> Self {
        match error {
            VersionError::NotFound => Self::not_found("version"),
            VersionError::Active => Self::conflict("version-active", error.to_string()),
            VersionError::NotActive => Self::conflict("version-not-active", error.to_string()),
            VersionError::TooManyShadows => Self::conflict("too-many-shadows", error.to_string()),
            VersionError::TooLittleShadow { .. } => {
                Self::conflict("too-little-shadow", error.to_string())
            }
            VersionError::RolledBackBefore => {
                Self::conflict("rolled-back-before", error.to_string())
            }
        }
    }
}

impl From<ProposeError> for Problem {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Files(bad) => {
                let count = bad.0.len();
                let detail = format!("the files have {count} mistakes; nothing was kept");
                Self::unprocessable("version-files", detail).with_errors(bad.0)
            }
            ProposeError::Storage(error) | ProposeError::Execute(ExecuteError::Storage(error)) => {
                error.into()
            }
            ProposeError::Execute(_) | ProposeError::Compile(_) => Self::internal(&error),
        }
    }
}
