//! engagement-service: what people did, how lively they are, and what they are told.

pub mod activity;
pub mod case;
pub mod notification;

use std::process::ExitCode;

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, sql_migrations};
use shared_schemas::Service;

use crate::{
    activity::{api::ActivityApi, projection::ActivityProjection},
    case::projection::CaseReasons,
    notification::{
        aggregate::Notification, api::NotificationApi, projection::NotificationReadModel,
        reactor::Notify,
    },
};

const TITLE: &str = "PeerLink engagement";

const DESCRIPTION: &str =
    "Activity profiles and notifications. Both follow from what happens elsewhere, a moment later.";

/// What this service is.
pub fn definition() -> Definition<()> {
    Definition {
        service: Service::Engagement,
        port: 8004,
        migrations: sql_migrations![
            "0001_activity",
            "0002_notification",
            "0003_case_reason",
            "0004_mint"
        ],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<()>) -> Parts {
    let notifications = Streams::<Notification>::new(host.store.clone(), NotificationReadModel);
    let activity = ActivityApi::new(host.store.db().clone(), host.clock.clone());
    let notification = NotificationApi::new(host.store.db().clone(), notifications.clone());
    Parts::new(host).api((activity, notification), TITLE, DESCRIPTION).runtime(|runtime| {
        runtime
            .projection(ActivityProjection)
            .projection(CaseReasons)
            .read_model(NotificationReadModel)
            .reactor(Notify::new(notifications))
    })
}
