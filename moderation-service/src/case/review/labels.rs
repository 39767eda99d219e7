//! What everybody is told of content before they look at it.

use event_runtime::EventStore;
use poem_openapi::{Object, OpenApi, param::Query, payload::Json, types::Example};
use service_kit::{Caller, Problem, example};
use shared_schemas::moderation::ContentLabel;
use uuid::Uuid;

use super::view;
use crate::case::api::Tag;

/// Ids per request.
const MOST: usize = 100;

/// The endpoint.
pub struct LabelApi {
    /// Where the labels are.
    pub store: EventStore,
}

/// Content and its labels.
#[derive(Clone, Debug, Object)]
#[oai(example)]
struct Labelled {
    /// The post or comment.
    subject_id: Uuid,
    /// Its labels.
    labels: Vec<ContentLabel>,
}

impl Example for Labelled {
    fn example() -> Self {
        Self { subject_id: example::id(3), labels: vec![ContentLabel::Sensitive] }
    }
}

#[OpenApi(tag = "Tag::Transparency")]
impl LabelApi {
    /// Read labels
    ///
    /// The labels of posts and comments as they read now; content without any is left out. For everybody who is signed in. Fails with 400 for
    /// ids that are none or too many, and 401 without a token.
    #[oai(path = "/moderation/labels", method = "get", operation_id = "readLabels")]
    async fn read_labels(
        &self,
        _caller: Caller,
        /// Up to a hundred ids of posts and comments, separated by commas.
        #[oai(validator(min_length = 36, max_length = 3699))]
        ids: Query<String>,
    ) -> Result<Json<Vec<Labelled>>, Problem> {
        let malformed = |_: uuid::Error| {
            Problem::bad_request("invalid-ids", "ids are those of posts and comments, by commas")
        };
        let ids: Vec<Uuid> =
            ids.0.split(',').map(str::parse).collect::<Result<_, _>>().map_err(malformed)?;
        if ids.len() > MOST {
            return Err(Problem::bad_request("too-many-ids", format!("{MOST} ids are the most")));
        }
        let rows = view::labels(self.store.db(), &ids).await?;
        let labelled = rows.into_iter().map(|row| {
            Ok(Labelled { subject_id: row.subject_id, labels: serde_json::from_value(row.labels)? })
        });
        let labelled: Result<Vec<_>, serde_json::Error> = labelled.collect();
        labelled.map(Json).map_err(|error| Problem::internal(&error))
    }
}
