//! Reaction events become the reactions that readers see.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::{
    PostId, UserId,
    reaction::{ReactionEvent, ReactionKind},
};

/// Moves the `reaction` table with every reaction event. Ordered: it follows the versions of one reaction.
pub struct ReactionReadModel;

#[async_trait]
impl InlineProjection<ReactionEvent> for ReactionReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["reaction"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<ReactionEvent>,
    ) -> Result<(), DbErr> {
        match &recorded.event {
            ReactionEvent::Added { post_id, user_id, kind, .. } => {
                add(txn, recorded, *post_id, *user_id, *kind).await
            }
            ReactionEvent::Changed { to, .. } => change(txn, recorded, *to).await,
            ReactionEvent::Removed { .. } => remove(txn, recorded).await,
        }
    }
}

async fn add(
    txn: &DatabaseTransaction,
    recorded: &Recorded<ReactionEvent>,
    post_id: PostId,
    user_id: UserId,
    kind: ReactionKind,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let kind = kind.as_str();
    txn.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO reaction (id, post_id, user_id, kind, version, created_at, updated_at)
           VALUES ({id}, {post_id}, {user_id}, {kind}, {version}, {at}, {at})"
    ))
    .await?;
    Ok(())
}

async fn change(
    txn: &DatabaseTransaction,
    recorded: &Recorded<ReactionEvent>,
    to: ReactionKind,
) -> Result<(), DbErr> {
    let (id, version, at) = (recorded.aggregate_id, recorded.version.0, recorded.occurred_at);
    let kind = to.as_str();
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE reaction SET kind = {kind}, version = {version}, updated_at = {at} WHERE id = {id}"
    ))
    .await?;
    Ok(())
}

async fn remove(
    txn: &DatabaseTransaction,
    recorded: &Recorded<ReactionEvent>,
) -> Result<(), DbErr> {
    let id = recorded.aggregate_id;
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM reaction WHERE id = {id}")).await?;
    Ok(())
}
