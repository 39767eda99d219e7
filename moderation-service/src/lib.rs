//! The moderation service: screens what people publish, and keeps the cases that ask for a decision.

pub mod account;
pub mod case;
pub mod confirm;
pub mod content;
pub mod screening;
pub mod settings;

use std::{process::ExitCode, sync::Arc};

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, sql_migrations};
use shared_schemas::{Service, moderation::CaseEvent};

use crate::{
    account::projection::AccountProjection,
    case::{api::CaseApi, projection::CaseReadModel},
    confirm::reactor::Confirmation,
    content::{projection::ForgetActivity, reactor::ContentScreening},
    settings::Config,
};

/// Title and description of the document.
const TITLE: &str = "PeerLink moderation";
const DESCRIPTION: &str = "Cases about posts and comments whose analysis asks for a decision. For moderators and administrators.";

/// What the service is.
pub fn definition() -> Definition<Config> {
    Definition {
        service: Service::Moderation,
        port: 8003,
        migrations: sql_migrations!["0001_moderation_case", "0002_screening"],
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
    let analyser = Arc::clone(&host.config.analyser);
    Parts::new(host)
        .api(CaseApi { cases: cases.clone() }, TITLE, DESCRIPTION)
        .sweep(ForgetActivity)
        .runtime(|runtime| {
            runtime
                .read_model::<CaseEvent>(CaseReadModel)
                .projection(AccountProjection)
                .reactor(ContentScreening { analyser, screenings, cases: cases.clone() })
                .reactor(Confirmation { cases })
        })
}
