//! Moves the list of notifications with every event.

use async_trait::async_trait;
use event_runtime::{InlineProjection, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use shared_schemas::notification::{About, NotificationEvent, NotificationState};

/// Fills the table `notification`.
#[derive(Clone, Copy)]
pub struct NotificationReadModel;

#[async_trait]
impl InlineProjection<NotificationEvent> for NotificationReadModel {
    fn tables(&self) -> &'static [&'static str] {
        &["notification"]
    }

    async fn apply(
        &self,
        txn: &DatabaseTransaction,
        recorded: &Recorded<NotificationEvent>,
    ) -> Result<(), DbErr> {
        let (id, at) = (recorded.aggregate_id, recorded.occurred_at);
        match &recorded.event {
            NotificationEvent::Generated { recipient_id, kind, about, detail } => {
                let (recipient_id, kind) = (*recipient_id, kind.as_str());
                let state = NotificationState::Generated.as_str();
                let About { user_id, post_id, comment_id, case_id } = *about;
                let detail = detail.as_deref();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "INSERT INTO notification (id, recipient_id, kind, state, user_id, post_id, comment_id, case_id,
                                               detail, created_at)
                       VALUES ({id}, {recipient_id}, {kind}, {state}, {user_id}, {post_id}, {comment_id}, {case_id},
                               {detail}, {at})"
                ))
                .await?;
            }
            NotificationEvent::Viewed { .. } => {
                let state = NotificationState::Viewed.as_str();
                txn.execute_raw(raw_sql!(
                    Postgres,
                    "UPDATE notification SET state = {state}, viewed_at = {at} WHERE id = {id}"
                ))
                .await?;
            }
        }
        Ok(())
    }
}
