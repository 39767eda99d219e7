//! Which published events are meant, for `export` and `replay`.

use chrono::{DateTime, Utc};
use event_runtime::History;
use event_runtime::history::{Filter, TypePattern};
use uuid::Uuid;

use crate::fleet::Fleet;
use crate::value;

/// Which published events are meant; without any of these, all of them.
#[derive(clap::Args)]
pub(crate) struct Select {
    /// Of this type or of these, such as `post.published.v1` or `post.*`; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<TypePattern>,
    /// Of this aggregate
    #[arg(long, value_name = "ID")]
    aggregate: Option<Uuid>,
    /// That happened then or later: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", value_parser = value::moment)]
    from: Option<DateTime<Utc>>,
    /// That happened before: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", value_parser = value::moment)]
    to: Option<DateTime<Utc>>,
}

impl From<Select> for Filter {
    fn from(select: Select) -> Self {
        let Select { types, aggregate, from, to } = select;
        Self { types, aggregate_id: aggregate, from, to, ..Self::default() }
    }
}

/// The histories of the services.
pub(crate) fn sources(fleet: &Fleet) -> Vec<History> {
    fleet.sites.iter().map(|site| History::new(site.db.clone(), site.service)).collect()
}
