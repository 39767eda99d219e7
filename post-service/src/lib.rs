//! The post service: posts, and what people did with them.

pub mod engagement;
pub mod post;
pub mod takedown;
pub mod token;

use std::process::ExitCode;

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, label::LabelProjection, sql_migrations};
use shared_schemas::{PostId, Service, moderation::Subject, post::PostEvent};

use crate::{
    engagement::projection::EngagementProjection,
    post::{api::PostApi, projection::PostReadModel},
    takedown::Takedown,
    token::projection::TokenProjection,
};

/// Title and description of the document.
const TITLE: &str = "PeerLink posts";
const DESCRIPTION: &str =
    "Posts: drafts, publication, archive, and the totals of what people did with them.";

/// What the service is.
pub fn definition() -> Definition<()> {
    Definition {
        service: Service::Post,
        port: 8001,
        migrations: sql_migrations!["0001_post", "0002_engagement", "0003_token", "0004_label"],
        build,
    }
}

/// Serves until told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<()>) -> Parts {
    let posts = Streams::new(host.store.clone(), PostReadModel);
    Parts::new(host).api(PostApi { posts: posts.clone() }, TITLE, DESCRIPTION).runtime(|runtime| {
        runtime
            .read_model::<PostEvent>(PostReadModel)
            .projection(EngagementProjection)
            .projection(TokenProjection)
            .projection(labels())
            .reactor(Takedown { posts })
    })
}

/// The labels of posts.
fn labels() -> LabelProjection {
    let subject_id = |subject| match subject {
        Subject::Post(PostId(id)) => Some(id),
        Subject::Comment(_) => None,
    };
    LabelProjection { group: "post.labels", subject_id }
}
