//! The moderation service: screens what people publish, and keeps the cases that ask for a decision.

pub mod account;
pub mod batch;
pub mod case;
pub mod confirm;
pub mod content;
pub mod journal;
pub mod media;
pub mod published;
pub mod reach;
pub mod report;
pub mod settings;
pub mod standing;
pub mod statement;

use std::{process::ExitCode, sync::Arc};

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, events::live::Live, sql_migrations};
use shared_schemas::{
    Service, clearance::ClearanceEvent, moderation::CaseEvent, standing::StandingEvent,
};

use crate::{
    account::projection::AccountProjection,
    batch::{
        aggregate::BatchEvent,
        api::BatchApi,
        part::PartEvent,
        projection::{BatchReadModel, PartReadModel},
        run::BatchRun,
    },
    case::{
        api::CaseApi,
        decide::Decisions,
        projection::CaseReadModel,
        review::{
            api::ReviewApi,
            labels::LabelApi,
            live::{LiveApi, STREAMS},
        },
    },
    confirm::reactor::Confirmation,
    content::{
        projection::{ClearanceReadModel, ForgetActivity},
        reactor::ContentScreening,
    },
    journal::api::JournalApi,
    media::{aggregate::ListedImageEvent, api::MediaApi, projection::ListedImageReadModel},
    published::projection::PublishedProjection,
    reach::projection::ReachProjection,
    report::{aggregate::ReportEvent, api::ReportApi, projection::ReportReadModel},
    settings::Config,
    standing::{
        api::StandingApi, due::DueSanctions, projection::StandingReadModel, reactor::Strikes,
    },
    statement::api::StatementApi,
};

/// Title and description of the document.
const TITLE: &str = "PeerLink moderation";
const DESCRIPTION: &str = "Reports, cases about posts and comments, decisions with their reasons, appeals, and a public log.";

/// What the service is.
pub fn definition() -> Definition<Config> {
    Definition {
        service: Service::Moderation,
        port: 8003,
        migrations: sql_migrations![
            "0001_moderation_case",
            "0002_screening",
            "0003_report",
            "0004_review",
            "0005_standing",
            "0006_near_copy",
            "0007_batch",
            "0009_media",
            "0010_known_before",
        ],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<Config>) -> Parts {
    let cases = Streams::new(host.store.clone(), CaseReadModel);
    let screenings = Streams::without_read_model(host.store.clone());
    let clearances = Streams::new(host.store.clone(), ClearanceReadModel);
    let analyser = Arc::clone(&host.config.analyser);
    let decisions = Decisions {
        cases: cases.clone(),
        two_reviewers_from: host.config.two_reviewers_from.into(),
    };
    let reports = Streams::new(host.store.clone(), ReportReadModel);
    let standings = Streams::new(host.store.clone(), StandingReadModel);
    let batches = Streams::new(host.store.clone(), BatchReadModel);
    let parts = Streams::new(host.store.clone(), PartReadModel);
    let batch_run = BatchRun { batches: batches.clone(), cases: cases.clone() };
    let images = Streams::new(host.store.clone(), ListedImageReadModel);
    let due = DueSanctions { standings: standings.clone() };
    let (tasks, shutdown) = (host.tasks.clone(), host.shutdown.clone());
    let api = (
        CaseApi { decisions: decisions.clone() },
        ReviewApi { decisions: decisions.clone() },
        ReportApi { reports, cases: cases.clone() },
        LabelApi { store: host.store.clone() },
        LiveApi { live: Live::new(host, STREAMS) },
        StatementApi { decisions },
        StandingApi { standings: standings.clone() },
        BatchApi { batches, parts },
        JournalApi { store: host.store.clone() },
        MediaApi { images, cases: cases.clone() },
    );
    Parts::new(host)
        .api(api, TITLE, DESCRIPTION)
        .large_body(media::api::LARGE[0], media::api::BODY_BYTES)
        .large_body(media::api::LARGE[1], media::api::BODY_BYTES)
        .sweep(ForgetActivity)
        .on_start(move || async move {
            tasks.spawn(due.run(shutdown.clone()));
            tasks.spawn(batch_run.run(shutdown));
            Ok(())
        })
        .runtime(|runtime| {
            runtime
                .read_model::<CaseEvent>(CaseReadModel)
                .read_model::<ClearanceEvent>(ClearanceReadModel)
                .read_model::<ListedImageEvent>(ListedImageReadModel)
                .read_model::<ReportEvent>(ReportReadModel)
                .read_model::<StandingEvent>(StandingReadModel)
                .read_model::<BatchEvent>(BatchReadModel)
                .read_model::<PartEvent>(PartReadModel)
                .projection(AccountProjection)
                .projection(PublishedProjection)
                .projection(ReachProjection)
                .reactor(ContentScreening {
                    analyser,
                    screenings,
                    clearances,
                    cases: cases.clone(),
                })
                .reactor(Confirmation { cases })
                .reactor(Strikes { standings })
        })
}
