//! The list of mints, moved by many events in few statements. Says what `apply` says of each of them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use event_runtime::{InlineProjection as _, Recorded};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, raw_sql};
use serde_json::{Value, json};
use shared_schemas::mint::{MintEvent, MintState};

use super::super::{projection::MintReadModel, view::columns};

/// What happens to many mints at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Requested,
    Pinned,
    Planned,
    Signed,
    Broadcast,
    Mined,
    Final,
}

/// Rows of one statement, and when they happened.
type Groups = Vec<((Kind, DateTime<Utc>), Vec<Value>)>;

/// Applies the first event of every mint, then the second of every mint, and so on.
pub(in crate::mint) async fn apply_all(
    model: &MintReadModel,
    txn: &DatabaseTransaction,
    recorded: &[Recorded<MintEvent>],
) -> Result<(), DbErr> {
    let mut next: HashMap<_, usize> = HashMap::new();
    let mut layers: Vec<Vec<&Recorded<MintEvent>>> = Vec::new();
    for one in recorded {
        let at = next.entry(one.aggregate_id).or_default();
        if layers.len() == *at {
            layers.push(Vec::new());
        }
        if let Some(layer) = layers.get_mut(*at) {
            layer.push(one);
        }
        *at += 1;
    }
    for layer in layers {
        let mut groups: Groups = Vec::new();
        for one in layer {
            let Some((kind, row)) = row(one) else {
                model.apply(txn, one).await?;
                continue;
            };
            let key = (kind, one.occurred_at);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        for ((kind, at), rows) in groups {
            write(txn, kind, at, Value::Array(rows)).await?;
        }
    }
    Ok(())
}

fn row(recorded: &Recorded<MintEvent>) -> Option<(Kind, Value)> {
    let id = recorded.aggregate_id;
    Some(match &recorded.event {
        MintEvent::Requested { subject, author_id } => {
            let (kind, subject_id) = columns(*subject);
            let row =
                json!({ "id": id, "kind": kind, "subject_id": subject_id, "author_id": author_id });
            (Kind::Requested, row)
        }
        MintEvent::Pinned { cid, digest, owner } => {
            (Kind::Pinned, json!({ "id": id, "cid": cid, "digest": digest, "owner": owner }))
        }
        MintEvent::Planned { lane, erc1155_id } => {
            (Kind::Planned, json!({ "id": id, "lane": lane, "token_id": erc1155_id }))
        }
        MintEvent::Signed { hash, nonce, attempt, .. } => {
            (Kind::Signed, json!({ "id": id, "hash": hash, "nonce": nonce, "attempt": attempt }))
        }
        MintEvent::Broadcast { .. } => (Kind::Broadcast, json!({ "id": id })),
        MintEvent::Mined { hash, block, block_hash } => (
            Kind::Mined,
            json!({ "id": id, "hash": hash, "block": block, "block_hash": block_hash }),
        ),
        MintEvent::Final { .. } => (Kind::Final, json!({ "id": id })),
        MintEvent::Withdrawn {}
        | MintEvent::Reorged { .. }
        | MintEvent::Parked { .. }
        | MintEvent::Retried {}
        | MintEvent::Tombstoned {}
        | MintEvent::Restored {} => return None,
    })
}

async fn write(
    txn: &DatabaseTransaction,
    kind: Kind,
    at: DateTime<Utc>,
    rows: Value,
) -> Result<(), DbErr> {
    let state = match kind {
        Kind::Requested | Kind::Pinned => MintState::ReadyForMinting,
        Kind::Final => MintState::MintingCompleted,
        Kind::Planned | Kind::Signed | Kind::Broadcast | Kind::Mined => {
            MintState::MintingInProgress
        }
    };
    let state = state.as_str();
    let statement = match kind {
        Kind::Requested => raw_sql!(
            Postgres,
            "INSERT INTO mint (id, subject_kind, subject_id, author_id, state, stage, requested_at, updated_at)
               SELECT r.id, r.kind, r.subject_id, r.author_id, {state}, 'REQUESTED', {at}, {at}
                 FROM jsonb_to_recordset({rows}) AS r (id uuid, kind text, subject_id uuid, author_id uuid)
               ON CONFLICT ON CONSTRAINT mint_pkey
                 DO UPDATE SET state = EXCLUDED.state, stage = EXCLUDED.stage, updated_at = EXCLUDED.updated_at,
                   cid = NULL, digest = NULL, owner = NULL"
        ),
        Kind::Pinned => raw_sql!(
            Postgres,
            "UPDATE mint SET stage = 'PINNED', cid = r.cid, digest = r.digest, owner = r.owner, updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid, cid text, digest text, owner text) WHERE mint.id = r.id"
        ),
        Kind::Planned => raw_sql!(
            Postgres,
            "UPDATE mint SET state = {state}, stage = 'PLANNED', lane = r.lane, token_id = r.token_id, updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid, lane text, token_id text) WHERE mint.id = r.id"
        ),
        Kind::Signed => raw_sql!(
            Postgres,
            "UPDATE mint SET stage = 'SIGNED', tx_hash = r.hash, nonce = r.nonce, attempt = r.attempt, updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid, hash text, nonce bigint, attempt bigint)
               WHERE mint.id = r.id"
        ),
        Kind::Mined => raw_sql!(
            Postgres,
            "UPDATE mint SET state = {state}, stage = 'MINED', tx_hash = r.hash, block = r.block, block_hash = r.block_hash,
                 updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid, hash text, block bigint, block_hash text)
               WHERE mint.id = r.id"
        ),
        Kind::Broadcast => raw_sql!(
            Postgres,
            "UPDATE mint SET state = {state}, stage = 'BROADCAST', updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid) WHERE mint.id = r.id"
        ),
        Kind::Final => raw_sql!(
            Postgres,
            "UPDATE mint SET state = {state}, stage = 'FINAL', updated_at = {at}
               FROM jsonb_to_recordset({rows}) AS r (id uuid) WHERE mint.id = r.id"
        ),
    };
    txn.execute_raw(statement).await?;
    Ok(())
}
