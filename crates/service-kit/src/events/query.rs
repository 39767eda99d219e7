//! What a client may ask for.

use chrono::{DateTime, Datelike as _, Utc};
use event_runtime::history::{Cursor, Filter, FilterError, MAX_PAGE, TypePattern};
use shared_schemas::{Service, UserId};
use uuid::Uuid;

use crate::Problem;

/// Types in one filter.
const TYPES: usize = 32;

/// Events of a page when the client names no number.
const DEFAULT_PAGE: u16 = 100;

/// The filters of a request.
pub(super) struct Parameters {
    pub(super) types: Option<String>,
    pub(super) aggregate: Option<Uuid>,
    pub(super) actor: Option<Uuid>,
    pub(super) correlation: Option<Uuid>,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

impl Parameters {
    /// What they mean.
    pub(super) fn filter(self) -> Result<Filter, Problem> {
        let invalid = |detail: String| Problem::bad_request("invalid-filter", detail);
        let types = self
            .types
            .map(|types| types.split(',').map(str::parse::<TypePattern>).collect::<Result<_, _>>())
            .transpose()
            .map_err(|error: FilterError| invalid(error.to_string()))?;
        let types: Vec<TypePattern> = types.unwrap_or_default();
        if types.len() > TYPES {
            return Err(invalid(format!("a filter holds {TYPES} types at most")));
        }
        let times = [self.from, self.to];
        if times.iter().flatten().any(|time| !(1..=9_999).contains(&time.year())) {
            return Err(invalid("times lie in the years 1 to 9999".to_owned()));
        }
        if let [Some(from), Some(to)] = times
            && from >= to
        {
            return Err(invalid("`from` must be before `to`".to_owned()));
        }
        Ok(Filter {
            types,
            aggregate_id: self.aggregate,
            actor: self.actor.map(UserId),
            correlation_id: self.correlation,
            from: self.from,
            to: self.to,
        })
    }
}

/// Where to begin.
pub(super) fn cursor(service: Service, token: Option<String>) -> Result<Cursor, Problem> {
    let Some(token) = token else { return Ok(Cursor::start(service)) };
    Cursor::parse_for(service, &token)
        .map_err(|error| Problem::bad_request("invalid-cursor", error.to_string()))
}

/// Events of a page.
pub(super) fn limit(limit: Option<u16>) -> Result<u16, Problem> {
    match limit.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(Problem::bad_request("invalid-limit", "limit must be 1 to 1000")),
    }
}
