//! One decision about many cases: each in a transaction of its own, so that one refusal stops nothing.

use event_runtime::Expected;
use service_kit::{Caller, Problem};
use shared_schemas::{CaseId, choice::UnknownChoice};

use super::{
    body::{DecideMany, DecidedMany, DecidedOne},
    view,
};
use crate::case::{body::Decide, decide::Decisions};

/// Cases per call.
const MOST: i64 = 100;

impl Decisions {
    /// Decides each of many cases.
    ///
    /// # Errors
    ///
    /// 400 unless exactly one of ids and cluster is given; 503 if the database does not answer.
    pub async fn decide_many(
        &self,
        caller: &Caller,
        request: DecideMany,
    ) -> Result<DecidedMany, Problem> {
        let DecideMany { case_ids, cluster_id, decision, reasons, note } = request;
        let decide = Decide { decision, reasons, note }.cleaned()?;
        let ids = match (case_ids, cluster_id) {
            (Some(ids), None) => ids,
            (None, Some(cluster)) => {
                view::open_in_cluster(self.cases.store().db(), &cluster, MOST).await?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Problem::bad_request(
                    "which-cases",
                    "name either `case_ids` or a `cluster_id`",
                ));
            }
        };
        let mut cases = Vec::with_capacity(ids.len());
        for id in ids {
            cases.push(self.decide_one(caller, id, decide.clone()).await?);
        }
        Ok(DecidedMany { cases })
    }

    async fn decide_one(
        &self,
        caller: &Caller,
        case_id: CaseId,
        decide: Decide,
    ) -> Result<DecidedOne, Problem> {
        match self.decide(caller, case_id, Expected::Any, decide).await {
            Ok(row) => {
                let state =
                    row.state.parse().map_err(|error: UnknownChoice| Problem::internal(&error))?;
                Ok(DecidedOne { case_id, state: Some(state), problem: None, detail: None })
            }
            Err(problem) if problem.status().is_client_error() => {
                let details = problem.details().clone();
                let (problem, detail) = (Some(details.kind), details.detail);
                Ok(DecidedOne { case_id, state: None, problem, detail })
            }
            Err(fault) => Err(fault),
        }
    }
}
