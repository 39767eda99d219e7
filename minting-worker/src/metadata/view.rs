//! Metadata as it is stored.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use content_blocks::{Block, Codec};
use content_pins::Kept;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};
use shared_schemas::{MintId, UserId, consent::TextWish};

use super::document::Metadata;

/// What a token says, and where that is kept.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Stored {
    /// Whose token.
    pub mint_id: MintId,
    /// The version of the content's aggregate that carried the text.
    pub content_version: i64,
    /// What its author let be said of it.
    pub text_wish: TextWish,
    /// What hides the text in the commitment.
    pub salt: Vec<u8>,
    /// The document's CID.
    pub cid: String,
    /// The document.
    pub document: Vec<u8>,
    /// The picture.
    pub image: Vec<u8>,
    /// The places that gave every block back when they were asked last.
    pub kept_at: Vec<String>,
    /// What the others said.
    pub not_kept_at: Vec<String>,
    /// When they were asked last.
    pub checked_at: Option<DateTime<Utc>>,
}

impl Stored {
    /// The blocks.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            document: Block::of(Codec::Raw, self.document.clone()),
            image: Block::of(Codec::Raw, self.image.clone()),
        }
    }
}

/// What a token says.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn find(db: &impl ConnectionTrait, mint_id: MintId) -> Result<Option<Stored>, DbErr> {
    Stored::find_by_statement(raw_sql!(
        Postgres,
        "SELECT mint_id, content_version, text_wish, salt, cid, document, image, kept_at, not_kept_at, checked_at
           FROM metadata WHERE mint_id = {mint_id}"
    ))
    .one(db)
    .await
}

/// Leaves metadata with nobody but this table, while moderation hides the content.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn put_away(txn: &DatabaseTransaction, mint_id: MintId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(
        Postgres,
        "UPDATE metadata SET check_at = NULL, checked_at = NULL, kept_at = ARRAY[]::text[], not_kept_at = ARRAY[]::text[],
             put_away = true
           WHERE mint_id = {mint_id}"
    ))
    .await?;
    Ok(())
}

/// Has metadata that was put away given to its places again.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn take_back(
    db: &impl ConnectionTrait,
    mint_id: MintId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    db.execute_raw(raw_sql!(
        Postgres,
        "UPDATE metadata SET check_at = {now}, put_away = false WHERE mint_id = {mint_id} AND put_away"
    ))
    .await?;
    Ok(())
}

/// What somebody's tokens say: the CIDs of the documents, oldest first.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn cids_of_author(
    db: &impl ConnectionTrait,
    author_id: UserId,
) -> Result<Vec<(String, String)>, DbErr> {
    #[derive(FromQueryResult)]
    struct Cids {
        cid: String,
        image_cid: String,
    }

    let rows = Cids::find_by_statement(raw_sql!(
        Postgres,
        "SELECT d.cid, d.image_cid FROM metadata d JOIN mint m ON m.id = d.mint_id
           WHERE m.author_id = {author_id} ORDER BY m.requested_at, m.id"
    ))
    .all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.cid, row.image_cid)).collect())
}

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose token.
    pub mint_id: MintId,
    /// The version of the content's aggregate that carried the text.
    pub content_version: i64,
    /// What its author lets be said of it.
    pub text_wish: TextWish,
    /// What hides the text in the commitment.
    pub salt: Vec<u8>,
    /// The document and the picture.
    pub metadata: Metadata,
}

/// Keeps what tokens are to say, in the place of what they were to say before.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn put_all(db: &impl ConnectionTrait, drafts: &[Draft]) -> Result<(), DbErr> {
    let row = |draft: &Draft| {
        let Metadata { document, image } = &draft.metadata;
        json!({
            "mint_id": draft.mint_id, "content_version": draft.content_version, "text_wish": draft.text_wish,
            "salt": BASE64.encode(&draft.salt), "cid": document.cid().to_string(), "image_cid": image.cid().to_string(),
            "document": BASE64.encode(document.bytes()), "image": BASE64.encode(image.bytes()),
        })
    };
    let rows: Value = drafts.iter().map(row).collect();
    db.execute_raw(raw_sql!(
        Postgres,
        "INSERT INTO metadata (mint_id, content_version, text_wish, salt, cid, image_cid, document, image,
                               kept_at, not_kept_at)
           SELECT mint_id, content_version, text_wish, decode(salt, 'base64'), cid, image_cid, decode(document, 'base64'),
                  decode(image, 'base64'), array[]::text[], array[]::text[]
             FROM jsonb_to_recordset({rows})
                    AS row (mint_id uuid, content_version bigint, text_wish text, salt text, cid text, image_cid text,
                            document text, image text)
           ON CONFLICT ON CONSTRAINT metadata_pkey DO UPDATE
             SET content_version = EXCLUDED.content_version, text_wish = EXCLUDED.text_wish, salt = EXCLUDED.salt,
                 cid = EXCLUDED.cid, image_cid = EXCLUDED.image_cid, document = EXCLUDED.document,
                 image = EXCLUDED.image, kept_at = EXCLUDED.kept_at, not_kept_at = EXCLUDED.not_kept_at,
                 checked_at = NULL, check_at = NULL"
    ))
    .await?;
    Ok(())
}

/// Whether it is stored of any of these mints what their tokens say.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn is_any_known(db: &impl ConnectionTrait, mint_ids: &[MintId]) -> Result<bool, DbErr> {
    let ids = json!(mint_ids);
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS found FROM jsonb_array_elements_text({ids}) AS wanted
               JOIN metadata ON mint_id = CAST(wanted AS uuid) LIMIT 1"
        ))
        .await?;
    Ok(row.is_some())
}

/// How many of these drafts are what is stored, of a text that is still the newest.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn count_current(txn: &DatabaseTransaction, drafts: &[Draft]) -> Result<usize, DbErr> {
    #[derive(FromQueryResult)]
    struct Count {
        current: i64,
    }
    let row = |draft: &Draft| json!({ "id": draft.mint_id, "cid": draft.metadata.document.cid().to_string(), "version": draft.content_version });
    let rows: Value = drafts.iter().map(row).collect();
    let count = Count::find_by_statement(raw_sql!(
        Postgres,
        "SELECT count(*) AS current FROM jsonb_to_recordset({rows}) AS draft (id uuid, cid text, version bigint)
           JOIN metadata d ON d.mint_id = draft.id AND d.cid = draft.cid
           JOIN mint m ON m.id = draft.id
           JOIN content c ON (c.kind, c.id) = (m.subject_kind, m.subject_id) AND c.version = draft.version"
    ))
    .one(txn)
    .await?;
    Ok(count.and_then(|count| usize::try_from(count.current).ok()).unwrap_or(0))
}

/// Remembers what the places said, and when to ask them again.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn checked(
    db: &impl ConnectionTrait,
    mint_ids: &[MintId],
    kept: &Kept,
    checked_at: DateTime<Utc>,
    check_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (at, not_at, ids) = (kept.at.clone(), kept.not_at.clone(), json!(mint_ids));
    db.execute_raw(raw_sql!(
        Postgres,
        "UPDATE metadata SET kept_at = {at}, not_kept_at = {not_at}, checked_at = {checked_at}, check_at = {check_at}
           WHERE mint_id IN (SELECT CAST(wanted AS uuid) FROM jsonb_array_elements_text({ids}) AS wanted)"
    ))
    .await?;
    Ok(())
}

/// Takes what is to be checked first, and puts its next check off so that nobody else takes it.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn take_check(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    check_at: DateTime<Utc>,
) -> Result<Option<Stored>, DbErr> {
    Stored::find_by_statement(raw_sql!(
        Postgres,
        "UPDATE metadata SET check_at = {check_at}
           WHERE mint_id = (SELECT mint_id FROM metadata WHERE check_at <= {now}
                              ORDER BY check_at LIMIT 1 FOR UPDATE SKIP LOCKED)
           RETURNING mint_id, content_version, text_wish, salt, cid, document, image, kept_at, not_kept_at, checked_at"
    ))
    .one(db)
    .await
}

/// Forgets what a token says, and with it the salt.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn forget(txn: &DatabaseTransaction, mint_id: MintId) -> Result<(), DbErr> {
    txn.execute_raw(raw_sql!(Postgres, "DELETE FROM metadata WHERE mint_id = {mint_id}")).await?;
    Ok(())
}

/// Whether a block is part of what some token says.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn is_wanted(db: &impl ConnectionTrait, cid: &str) -> Result<bool, DbErr> {
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS found FROM metadata WHERE (cid = {cid} OR image_cid = {cid}) AND NOT put_away LIMIT 1"
        ))
        .await?;
    Ok(row.is_some())
}

/// Whether a document is the one of a token whose content went away.
///
/// # Errors
///
/// [`DbErr`] if the database fails.
pub async fn is_gone(db: &impl ConnectionTrait, cid: &str) -> Result<bool, DbErr> {
    let row = db
        .query_one_raw(raw_sql!(
            Postgres,
            "SELECT 1 AS found FROM mint WHERE cid = {cid} AND tombstoned LIMIT 1"
        ))
        .await?;
    Ok(row.is_some())
}
