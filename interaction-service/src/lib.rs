//! What people do with posts: they comment, react and look.
//!
//! [`comment`], [`reaction`] and [`view`] are the service's own aggregates; [`post`] is what it keeps of posts, which are
//! post-service's; [`takedown`] carries out what moderation decides.

use std::process::ExitCode;

use event_runtime::Streams;
use service_kit::{Definition, Host, Parts, label::LabelProjection, sql_migrations};
use shared_schemas::{
    CommentId, Service, comment::CommentEvent, moderation::Subject, reaction::ReactionEvent,
};

use crate::{
    comment::{api::CommentApi, projection::CommentReadModel},
    post::{mirror::Posts, projection::PostMirror},
    reaction::{api::ReactionApi, projection::ReactionReadModel},
    takedown::Takedown,
    token::projection::TokenProjection,
    view::api::ViewApi,
};

pub mod comment;
pub mod post;
pub mod reaction;
pub mod takedown;
pub mod token;
pub mod view;

const TITLE: &str = "PeerLink: interactions";
const DESCRIPTION: &str = "Comments on posts, reactions to them and views of them.";

/// The service: its name, its tables and its parts.
pub fn definition() -> Definition<()> {
    Definition {
        service: Service::Interaction,
        port: 8002,
        migrations: sql_migrations![
            "0001_post",
            "0002_comment",
            "0003_reaction",
            "0004_token",
            "0005_label"
        ],
        build,
    }
}

/// Runs the service until it is told to stop; the configuration comes from the environment.
pub fn run() -> ExitCode {
    service_kit::program::serve(&definition())
}

fn build(host: &Host<()>) -> Parts {
    let store = &host.store;
    let posts = Posts::new(store.db().clone(), host.clock.clone());
    let comments = Streams::new(store.clone(), CommentReadModel);
    let reactions = Streams::new(store.clone(), ReactionReadModel);
    let views = Streams::without_read_model(store.clone());

    Parts::new(host)
        .api(
            (
                CommentApi { comments: comments.clone(), posts: posts.clone() },
                ReactionApi { reactions, posts: posts.clone() },
                ViewApi { views, posts },
            ),
            TITLE,
            DESCRIPTION,
        )
        .runtime(|runtime| {
            runtime
                .read_model::<CommentEvent>(CommentReadModel)
                .read_model::<ReactionEvent>(ReactionReadModel)
                .projection(PostMirror)
                .projection(TokenProjection)
                .projection(labels())
                .reactor(Takedown { comments })
        })
}

/// The labels of comments.
fn labels() -> LabelProjection {
    let subject_id = |subject| match subject {
        Subject::Comment(CommentId(id)) => Some(id),
        Subject::Post(_) => None,
    };
    LabelProjection { group: "interaction.labels", subject_id }
}
