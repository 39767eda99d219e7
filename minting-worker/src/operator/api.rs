//! Operators over HTTP.

use std::{convert::Infallible, error::Error, sync::Arc};

use event_runtime::{EventStore, Expected, Streams};
use poem_openapi::{
    Enum, OpenApi, Tags,
    param::{Path, Query},
    payload::Json,
};
use service_kit::{Caller, Cursor, Limit, Page, Problem};
use shared_schemas::{
    Event as _, MintId,
    lane::{LaneEvent, PauseReason},
    mint::MintEvent,
    user::Role,
};

use super::{
    advice,
    alerts::{ShownAlert, ShownAlerts},
    lanes,
    shown::{
        GivenLimits, ShownDetails, ShownEstimate, ShownFact, ShownLane, ShownLanes,
        ShownVerification,
    },
    verify,
};
use crate::{
    alert,
    lane::{
        aggregate::Lane,
        context::{LaneContext, LaneError},
    },
    mint::{
        aggregate::{Mint, MintRefusal},
        api::{ShownSubject, SubjectKind},
        details::view::{self, Details},
    },
};

#[derive(Tags)]
enum Tag {
    /// What operators see and do. For administrators.
    Operations,
}

/// How far a mint is.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "MintStage", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageFilter {
    /// Waits for its metadata.
    Requested,
    /// Waits for a lane.
    Pinned,
    /// A transaction that mints it is kept.
    Signed,
    /// A node has the transaction.
    Broadcast,
    /// In a block.
    Mined,
    /// Deep enough.
    Final,
    /// Given up until somebody acts.
    Parked,
    /// Its content went away in time.
    Withdrawn,
}

impl StageFilter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Pinned => "PINNED",
            Self::Signed => "SIGNED",
            Self::Broadcast => "BROADCAST",
            Self::Mined => "MINED",
            Self::Final => "FINAL",
            Self::Parked => "PARKED",
            Self::Withdrawn => "WITHDRAWN",
        }
    }
}

/// The endpoints of operators.
pub struct OperatorApi {
    /// Events.
    pub store: EventStore,
    /// Mints.
    pub mints: Streams<Mint>,
    /// What was ordered of lanes.
    pub orders: Streams<Lane>,
    /// The lanes of this process.
    pub lanes: Vec<Arc<LaneContext>>,
}

#[OpenApi(tag = "Tag::Operations", prefix_path = "/minting")]
impl OperatorApi {
    /// List mints at a stage
    ///
    /// The one that came there last first, with the reason and the next step of each that was given up. Fails with 400 for a
    /// limit, a cursor or a stage that is not valid, 401 without a token, and 403 for who is no administrator.
    #[oai(path = "/mints", method = "get", operation_id = "listMintsAtStage")]
    async fn list_at_stage(
        &self,
        caller: Caller,
        /// How far they are.
        stage: Query<StageFilter>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<Option<u16>>,
        /// Where the last page ended.
        cursor: Query<Option<Cursor>>,
    ) -> Result<Json<Page<ShownDetails>>, Problem> {
        caller.require(Role::Admin)?;
        let limit = Limit::parse(limit.0)?;
        let after = Cursor::position_or_start(cursor.0.as_ref())?;
        let db = self.store.db();
        let rows = view::at_stage(db, stage.0.as_str(), after, limit.fetch()).await?;
        let place = |row: &Details| Cursor::after(row.updated_at.timestamp_micros(), row.id.into());
        Ok(Json(Page::of(rows, limit, place, |row| shown(row, Vec::new()))))
    }

    /// Show a mint with its whole history
    ///
    /// Fails with 400 for a malformed id, 401 without a token, 403 for who is no administrator, and 404 if there is no such mint.
    #[oai(path = "/mints/:mint_id", method = "get", operation_id = "showMint")]
    async fn show_mint(
        &self,
        caller: Caller,
        mint_id: Path<MintId>,
    ) -> Result<Json<ShownDetails>, Problem> {
        caller.require(Role::Admin)?;
        self.details(mint_id.0).await.map(Json)
    }

    /// Try a mint again
    ///
    /// One that was given up waits for a lane again. Fails with 400 for a malformed id, 401 without a token, 403 for who is no
    /// administrator, 404 if there is no such mint, and 409 if it was not given up.
    #[oai(path = "/mints/:mint_id/retry", method = "post", operation_id = "retryMint")]
    async fn retry_mint(
        &self,
        caller: Caller,
        mint_id: Path<MintId>,
    ) -> Result<Json<ShownDetails>, Problem> {
        self.command(&caller, mint_id.0, Mint::retry).await
    }

    /// Cancel a mint
    ///
    /// Possible until a transaction that mints it is signed. Fails with 400 for a malformed id, 401 without a token, 403 for who
    /// is no administrator, 404 if there is no such mint, and 409 if it is too late or there is nothing to cancel.
    #[oai(path = "/mints/:mint_id/cancel", method = "post", operation_id = "cancelMint")]
    async fn cancel_mint(
        &self,
        caller: Caller,
        mint_id: Path<MintId>,
    ) -> Result<Json<ShownDetails>, Problem> {
        self.command(&caller, mint_id.0, Mint::cancel).await
    }

    /// Show the lanes
    ///
    /// With the nodes, the price of gas, what each lane has and spends, and why it signs nothing if it does not. Fails with 401
    /// without a token, and 403 for who is no administrator.
    #[oai(path = "/lanes", method = "get", operation_id = "showLanes")]
    async fn show_lanes(&self, caller: Caller) -> Result<Json<ShownLanes>, Problem> {
        caller.require(Role::Admin)?;
        Ok(Json(lanes::all(self.store.db(), &self.lanes).await?))
    }

    /// Pause a lane
    ///
    /// It signs nothing new; what is signed is still sent and watched. Pausing it again changes nothing. Fails with 401 without
    /// a token, 403 for who is no administrator, and 404 if this worker has no such lane.
    #[oai(path = "/lanes/:address/pause", method = "post", operation_id = "pauseLane")]
    async fn pause_lane(
        &self,
        caller: Caller,
        /// The signer's address.
        #[oai(validator(max_length = 42))]
        address: Path<String>,
    ) -> Result<Json<ShownLane>, Problem> {
        self.order(&caller, &address.0, |lane, address| lane.pause(address, PauseReason::Operator))
            .await
    }

    /// Resume a lane
    ///
    /// It signs again, also after somebody else had used one of its nonces: make sure first that nobody else has the key.
    /// Resuming it again changes nothing. Fails with 401 without a token, 403 for who is no administrator, and 404 if this worker
    /// has no such lane.
    #[oai(path = "/lanes/:address/resume", method = "post", operation_id = "resumeLane")]
    async fn resume_lane(
        &self,
        caller: Caller,
        /// The signer's address.
        #[oai(validator(max_length = 42))]
        address: Path<String>,
    ) -> Result<Json<ShownLane>, Problem> {
        self.order(&caller, &address.0, Lane::resume).await
    }

    /// Limit what a lane spends
    ///
    /// Both limits are replaced; one that is left out is none. A lane that reaches one waits. Fails with 400 for a body that is
    /// not valid, 401 without a token, 403 for who is no administrator, and 404 if this worker has no such lane.
    #[oai(path = "/lanes/:address/limits", method = "put", operation_id = "limitLane")]
    async fn limit_lane(
        &self,
        caller: Caller,
        /// The signer's address.
        #[oai(validator(max_length = 42))]
        address: Path<String>,
        limits: Json<GivenLimits>,
    ) -> Result<Json<ShownLane>, Problem> {
        let GivenLimits { hold_above, daily_budget } = limits.0;
        self.order(&caller, &address.0, |lane, address| {
            lane.limit(address, hold_above, daily_budget)
        })
        .await
    }

    /// List alerts
    ///
    /// What is wrong first, then what was, the newest first: up to a hundred. Fails with 401 without a token, and 403 for who is no
    /// administrator.
    #[oai(path = "/alerts", method = "get", operation_id = "listMintAlerts")]
    async fn list_alerts(&self, caller: Caller) -> Result<Json<ShownAlerts>, Problem> {
        caller.require(Role::Admin)?;
        let alerts = alert::view::newest(self.store.db(), 100).await?;
        Ok(Json(ShownAlerts { items: alerts.into_iter().map(ShownAlert::from).collect() }))
    }

    /// Estimate what minting costs now
    ///
    /// For a batch of so many tokens to plain accounts, and a dry run of the mints that wait: nothing is signed. Fails with 400
    /// for a number that is not valid, 401 without a token, 403 for who is no administrator, and 503 if minting is off or no node
    /// answers.
    #[oai(path = "/estimate", method = "get", operation_id = "estimateMints")]
    async fn estimate(
        &self,
        caller: Caller,
        /// Tokens in the batch; 50 if it is left out.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        mints: Query<Option<u16>>,
    ) -> Result<Json<ShownEstimate>, Problem> {
        caller.require(Role::Admin)?;
        Ok(Json(lanes::estimate(self.first()?, mints.0.unwrap_or(50)).await?))
    }

    /// Compare the chain with what is recorded
    ///
    /// Both ways: tokens of no recorded mint, and mints without a token. Nothing is changed. Fails with 400 for a block that is not
    /// valid, 401 without a token, 403 for who is no administrator, and 503 if minting is off or no node answers.
    #[oai(path = "/verification", method = "get", operation_id = "verifyMints")]
    async fn verify(
        &self,
        caller: Caller,
        /// The first block to read; the contract's own, to read everything.
        from_block: Query<Option<u64>>,
    ) -> Result<Json<ShownVerification>, Problem> {
        caller.require(Role::Admin)?;
        let from_block = from_block.0.unwrap_or(0);
        Ok(Json(verify::run(self.first()?, from_block, None).await?))
    }

    /// Record what is on the chain
    ///
    /// Makes what is recorded of minted tokens again from the chain alone, as after the loss of this worker's database: mints that
    /// are there and are not recorded so are recorded. Doing it again changes nothing. Fails with 400 for a block that is not
    /// valid, 401 without a token, 403 for who is no administrator, and 503 if minting is off or no node answers.
    #[oai(path = "/rebuild", method = "post", operation_id = "rebuildMints")]
    async fn rebuild(
        &self,
        caller: Caller,
        /// The first block to read; the contract's own, to read everything.
        from_block: Query<Option<u64>>,
    ) -> Result<Json<ShownVerification>, Problem> {
        caller.require(Role::Admin)?;
        let metadata = caller.metadata();
        let from_block = from_block.0.unwrap_or(0);
        Ok(Json(verify::run(self.first()?, from_block, Some(&metadata)).await?))
    }
}

impl OperatorApi {
    fn first(&self) -> Result<&LaneContext, Problem> {
        self.lanes
            .first()
            .map(|lane| &**lane)
            .ok_or_else(|| Problem::unavailable("minting is off: CHAIN_RPC_URLS is not set"))
    }

    async fn details(&self, id: MintId) -> Result<ShownDetails, Problem> {
        let found = view::find(self.store.db(), id).await?;
        let details = found.ok_or_else(|| Problem::not_found("mint"))?;
        let history = self.store.history(self.store.db(), MintEvent::CATEGORY, id.into()).await?;
        let fact = |event: event_runtime::RecordedEvent| ShownFact {
            kind: event.raw.event_type,
            data: event.raw.data.to_string(),
            at: event.occurred_at,
            actor: event.metadata.actor,
        };
        Ok(shown(details, history.into_iter().map(fact).collect()))
    }

    async fn command(
        &self,
        caller: &Caller,
        id: MintId,
        decide: impl Fn(&Mint) -> Result<Vec<MintEvent>, MintRefusal> + Send + Sync,
    ) -> Result<Json<ShownDetails>, Problem> {
        caller.require(Role::Admin)?;
        if view::find(self.store.db(), id).await?.is_none() {
            return Err(Problem::not_found("mint"));
        }
        self.mints.execute(id, Expected::Any, &caller.metadata(), decide).await?;
        self.details(id).await.map(Json)
    }

    async fn order(
        &self,
        caller: &Caller,
        address: &str,
        decide: impl Fn(&Lane, &str) -> Vec<LaneEvent> + Send + Sync,
    ) -> Result<Json<ShownLane>, Problem> {
        caller.require(Role::Admin)?;
        let is_it = |lane: &&Arc<LaneContext>| lane.address().eq_ignore_ascii_case(address);
        let lane = self.lanes.iter().find(is_it).ok_or_else(|| Problem::not_found("lane"))?;
        let address = lane.address();
        self.orders
            .execute(lane.id(), Expected::Any, &caller.metadata(), |lane| {
                Ok::<_, Infallible>(decide(lane, &address))
            })
            .await
            .map_err(LaneError::from)?;
        Ok(Json(lanes::one(lane).await?))
    }
}

fn shown(details: Details, history: Vec<ShownFact>) -> ShownDetails {
    let kind =
        if details.subject_kind == "COMMENT" { SubjectKind::Comment } else { SubjectKind::Post };
    let next_step = details.park_reason.map(|reason| advice::next_step(reason).to_owned());
    ShownDetails {
        id: details.id,
        subject: ShownSubject { kind, id: details.subject_id },
        author_id: details.author_id,
        stage: details.stage,
        cid: details.cid,
        digest: details.digest,
        owner: details.owner,
        lane: details.lane,
        token_id: details.token_id,
        transaction: details.tx_hash,
        block: details.block,
        park_reason: details.park_reason,
        park_detail: details.park_detail,
        next_step,
        tombstoned: details.tombstoned,
        requested_at: details.requested_at,
        updated_at: details.updated_at,
        history,
    }
}

impl From<MintRefusal> for Problem {
    fn from(refusal: MintRefusal) -> Self {
        match refusal {
            MintRefusal::TooLate => Self::conflict("mint-signed", refusal.to_string()),
            MintRefusal::NotParked | MintRefusal::NotWaiting => {
                Self::conflict("mint-stage", refusal.to_string())
            }
        }
    }
}

impl From<LaneError> for Problem {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Chain(error) => {
                tracing::warn!(error = &error as &dyn Error, "the chain says nothing");
                Self::unavailable("the chain says nothing; its nodes are listed with the lanes")
            }
            LaneError::Database(error) => error.into(),
            LaneError::Record(_) | LaneError::Signer(_) | LaneError::Lost | LaneError::Row(_) => {
                Self::internal(&error)
            }
        }
    }
}
