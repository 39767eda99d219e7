//! The moderation service: screens what people publish, and keeps the cases that ask for a decision.

pub mod account;
pub mod batch;
pub mod case;
pub mod confirm;
pub mod content;
pub mod drift;
pub mod journal;
pub mod media;
pub mod published;
pub mod reach;
pub mod report;
pub mod settings;
pub mod standing;
pub mod statement;
pub mod version;

use std::{process::ExitCode, sync::Arc};

use content_screening::record::ScreeningEvent;
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
    drift::{
        api::DriftApi,
        measure::Measure,
        projection::{FigureReadModel, ForgetFigures},
    },
    journal::api::JournalApi,
    media::{aggregate::ListedImageEvent, api::MediaApi, projection::ListedImageReadModel},
    published::projection::PublishedProjection,
    reach::projection::ReachProjection,
    report::{aggregate::ReportEvent, api::ReportApi, projection::ReportReadModel},
    settings::Config,
    standing::{
        api::StandingApi, due::DueSanctions, projection::StandingReadModel, reactor::Strikes,
        review::ReviewsApi,
    },
    statement::api::StatementApi,
    version::{
        aggregate::VersionEvent,
        analysers::Analysers,
        api::{PROPOSE, PROPOSE_BYTES, VersionApi},
        lifecycle::Lifecycle,
        projection::VersionReadModel,
        shadow::{
            aggregate::ShadowEvent,
            projection::{ForgetShadows, ShadowReadModel},
            reactor::ShadowScreening,
        },
        watch::Watch,
    },
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
            "0008_analyser_version",
            "0009_media",
            "0010_known_before",
            "0011_ladder",
            "0012_band_time",
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
    let screenings = Streams::new(host.store.clone(), FigureReadModel);
    let shadows = Streams::new(host.store.clone(), ShadowReadModel);
    let clearances = Streams::new(host.store.clone(), ClearanceReadModel);
    let analysers = Arc::new(Analysers::new(Arc::clone(&host.config.built_in)));
    let lifecycle = Lifecycle {
        versions: Streams::new(host.store.clone(), VersionReadModel),
        analysers: Arc::clone(&analysers),
        degraded: host.degraded.clone(),
    };
    let shadow_files = host.config.shadow_files.clone();
    let is_apart = shadow_files.is_some();
    let decisions = Decisions {
        cases: cases.clone(),
        two_reviewers_from: host.config.two_reviewers_from.into(),
    };
    let reports = Streams::new(host.store.clone(), ReportReadModel);
    let standings = Streams::new(host.store.clone(), StandingReadModel);
    let images = Streams::new(host.store.clone(), ListedImageReadModel);
    let batches = Streams::new(host.store.clone(), BatchReadModel);
    let parts = Streams::new(host.store.clone(), PartReadModel);
    let batch_run = BatchRun { batches: batches.clone(), cases: cases.clone() };
    let due = DueSanctions { standings: standings.clone() };
    let ladder = host.config.strike_ladder.clone();
    let (tasks, shutdown) = (host.tasks.clone(), host.shutdown.clone());
    let api = (
        CaseApi { decisions: decisions.clone() },
        ReviewApi { decisions: decisions.clone() },
        ReportApi { reports, cases: cases.clone() },
        LabelApi { store: host.store.clone() },
        LiveApi { live: Live::new(host, STREAMS) },
        StatementApi { decisions },
        StandingApi { standings: standings.clone() },
        ReviewsApi { standings: standings.clone() },
        BatchApi { batches, parts },
        JournalApi { store: host.store.clone() },
        MediaApi { images, cases: cases.clone() },
        VersionApi { lifecycle: lifecycle.clone() },
        DriftApi { store: host.store.clone() },
    );
    let watch = Watch { lifecycle: lifecycle.clone() };
    let measure = Measure { store: host.store.clone() };
    Parts::new(host)
        .api(api, TITLE, DESCRIPTION)
        .large_body(media::api::LARGE[0], media::api::BODY_BYTES)
        .large_body(media::api::LARGE[1], media::api::BODY_BYTES)
        .large_body(PROPOSE, PROPOSE_BYTES)
        .sweep(ForgetActivity)
        .sweep(ForgetShadows)
        .sweep(ForgetFigures)
        .on_start(move || async move {
            lifecycle.start(shadow_files).await?;
            tasks.spawn(due.run(shutdown.clone()));
            tasks.spawn(batch_run.run(shutdown.clone()));
            tasks.spawn(watch.run(shutdown.clone()));
            tasks.spawn(measure.run(shutdown));
            Ok(())
        })
        .runtime(|runtime| {
            let shadow = |apart| ShadowScreening {
                apart,
                analysers: Arc::clone(&analysers),
                shadows: shadows.clone(),
            };
            let runtime = runtime
                .read_model::<CaseEvent>(CaseReadModel)
                .read_model::<ClearanceEvent>(ClearanceReadModel)
                .read_model::<ListedImageEvent>(ListedImageReadModel)
                .read_model::<ReportEvent>(ReportReadModel)
                .read_model::<StandingEvent>(StandingReadModel)
                .read_model::<ScreeningEvent>(FigureReadModel)
                .read_model::<VersionEvent>(VersionReadModel)
                .read_model::<ShadowEvent>(ShadowReadModel)
                .read_model::<BatchEvent>(BatchReadModel)
                .read_model::<PartEvent>(PartReadModel)
                .projection(AccountProjection)
                .projection(PublishedProjection)
                .projection(ReachProjection)
                .reactor(ContentScreening {
                    analysers: Arc::clone(&analysers),
                    screenings,
                    clearances,
                    cases: cases.clone(),
                })
                .reactor(Confirmation { cases })
                .reactor(Strikes { standings, ladder })
                .reactor(shadow(false));
            // Nobody else has, or needs, what this instance was started with.
            if is_apart { runtime.reactor(shadow(true)) } else { runtime }
        })
}
