//! Tables beside the live ones, under the same names in a schema of their own.
//!
//! A projection's statements name no schema, so with the shadow schema first in the search path they read and write the
//! shadow tables, and whatever else they read is found where it always is.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde_json::json;

use super::{RebuildError, blueprint::Blueprint};
use crate::{EventStore, lease::IDLE_TIMEOUT};

/// How long the exchange waits for those who hold the tables; everybody who comes after them waits as long.
const LOCK_TIMEOUT: &str = "300ms";

/// The shadow tables of one projection.
pub(crate) struct Shadow {
    /// The schemas, quoted.
    live: String,
    schema: String,
    /// The search path in which statements mean the shadow tables.
    path: String,
    tables: &'static [&'static str],
    blueprint: Blueprint,
    /// The identities of the tables; others under the same names belong to another run.
    ids: Vec<i64>,
}

/// How durable shadow tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// They become the live ones.
    Logged,
    /// They are compared and dropped.
    Unlogged,
}

#[derive(FromQueryResult)]
struct Names {
    live: String,
    schema: String,
    exists: bool,
    path: String,
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

#[derive(FromQueryResult)]
struct Id {
    oid: i64,
}

#[derive(FromQueryResult)]
struct Table {
    name: String,
}

#[derive(FromQueryResult)]
struct Statement {
    text: String,
}

/// Rows that a transaction has written to live tables before a page.
pub(crate) struct Written(i64);

impl Shadow {
    /// Makes empty tables like the live ones; those that a run before has left behind are dropped.
    pub(crate) async fn create(
        store: &EventStore,
        tables: &'static [&'static str],
        durability: Durability,
    ) -> Result<Self, RebuildError> {
        let names = Names::find_by_statement(raw_sql!(
            Postgres,
            "SELECT quote_ident(current_schema()) AS live, quote_ident(current_schema() || '_shadow') AS schema,
                    to_regnamespace(quote_ident(current_schema() || '_shadow')) IS NOT NULL AS exists,
                    current_setting('search_path') AS path"
        ))
        .one(store.db())
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("the current schema".to_owned()))?;
        let Names { live, schema, exists, path } = names;
        if !exists {
            let statement = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
            if let Err(source) = store.db().execute_unprepared(&statement).await {
                return Err(RebuildError::NoShadowSchema { schema, source });
            }
        }
        let work = store.begin().await?;
        let txn = work.txn();
        let blueprint = Blueprint::of(txn, tables).await?;
        blueprint.check()?;
        let mut shadow = Self {
            path: format!("{schema}, {path}"),
            live,
            schema,
            tables,
            blueprint,
            ids: Vec::new(),
        };
        shadow.drop_in(txn).await?;
        let kind = match durability {
            Durability::Logged => "",
            Durability::Unlogged => "UNLOGGED",
        };
        for table in tables {
            txn.execute_unprepared(&format!(
                "CREATE {kind} TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)",
                shadow.shadow_of(table),
                shadow.live_of(table)
            ))
            .await?;
        }
        txn.execute_unprepared(&format!("SET LOCAL search_path TO {}", shadow.path)).await?;
        txn.execute_unprepared(&shadow.blueprint.script()).await?;
        shadow.ids = shadow.ids_now(txn).await?;
        work.commit().await?;
        Ok(shadow)
    }

    /// The quoted name of a live table.
    pub(crate) fn live_of(&self, table: &str) -> String {
        format!("{}.{}", self.live, quoted(table))
    }

    /// The quoted name of a shadow table.
    pub(crate) fn shadow_of(&self, table: &str) -> String {
        format!("{}.{}", self.schema, quoted(table))
    }

    /// Lets a transaction's statements mean the shadow tables, if they are still those of this run.
    pub(crate) async fn enter(&self, txn: &DatabaseTransaction) -> Result<Written, RebuildError> {
        let tables: Vec<String> = self.tables.iter().map(|table| self.shadow_of(table)).collect();
        txn.execute_unprepared(&format!(
            "SET LOCAL search_path TO {}; LOCK TABLE {} IN ROW EXCLUSIVE MODE",
            self.path,
            tables.join(", ")
        ))
        .await
        .map_err(|error| if is_missing(&error) { RebuildError::Overtaken } else { error.into() })?;
        if self.ids_now(txn).await? != self.ids {
            return Err(RebuildError::Overtaken);
        }
        self.written(txn).await
    }

    /// Refuses what a page has written to live tables.
    pub(crate) async fn check_writes(
        &self,
        txn: &DatabaseTransaction,
        before: &Written,
    ) -> Result<(), RebuildError> {
        if self.written(txn).await?.0 == before.0 {
            return Ok(());
        }
        let live = self.live.as_str();
        // Figures of the transactions before may be among them, but something was written now.
        let table = Table::find_by_statement(raw_sql!(
            Postgres,
            "SELECT relname::text AS name FROM pg_stat_xact_user_tables
               WHERE quote_ident(schemaname) = {live} AND n_tup_ins + n_tup_upd + n_tup_del > 0
               ORDER BY n_tup_ins + n_tup_upd + n_tup_del DESC LIMIT 1"
        ))
        .one(txn)
        .await?;
        let table = table.map_or_else(|| "another table".to_owned(), |table| table.name);
        Err(RebuildError::WritesElsewhere { table })
    }

    /// The statistics of this session count its last transactions too, so only differences mean something.
    async fn written(&self, txn: &DatabaseTransaction) -> Result<Written, RebuildError> {
        let live = self.live.as_str();
        let count = Count::find_by_statement(raw_sql!(
            Postgres,
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint AS n
               FROM pg_stat_xact_user_tables WHERE quote_ident(schemaname) = {live}"
        ))
        .one(txn)
        .await?;
        Ok(Written(count.map_or(0, |count| count.n)))
    }

    /// Lets the planner know the new tables.
    pub(crate) async fn analyze(&self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let tables: Vec<String> = self.tables.iter().map(|table| self.shadow_of(table)).collect();
        connection.execute_unprepared(&format!("ANALYZE {}", tables.join(", "))).await?;
        Ok(())
    }

    /// Keeps an exchange away until the transaction ends. In a transaction that reads one snapshot it has to come first.
    pub(crate) async fn hold_live(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        let tables: Vec<String> = self.tables.iter().map(|table| self.live_of(table)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", tables.join(", "));
        txn.execute_unprepared(&lock).await?;
        Ok(())
    }

    /// Bounds the waiting of a transaction that is about to make others wait.
    pub(crate) async fn be_brief(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        txn.execute_unprepared(&format!(
            "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
             SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'"
        ))
        .await?;
        Ok(())
    }

    /// Keeps everybody out of the live tables: first those who write, and with them those who read, since a reader that
    /// goes on to write would be a deadlock.
    pub(crate) async fn lock_live(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        let tables: Vec<String> = self.tables.iter().map(|table| self.live_of(table)).collect();
        let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
        txn.execute_unprepared(&lock).await?;
        Ok(())
    }

    /// Puts the shadow tables in the place of the live ones, which the transaction has locked; who may use them stays.
    pub(crate) async fn exchange(&self, txn: &DatabaseTransaction) -> Result<(), RebuildError> {
        txn.execute_unprepared(&format!("SET LOCAL search_path TO {}", self.live)).await?;
        self.blueprint.check_unchanged(&Blueprint::of(txn, self.tables).await?)?;
        let mut script = self.rights(txn).await?;
        let live: Vec<String> = self.tables.iter().map(|table| self.live_of(table)).collect();
        script.push(format!("DROP TABLE {}", live.join(", ")));
        for table in self.tables {
            script.push(format!("ALTER TABLE {} SET SCHEMA {}", self.shadow_of(table), self.live));
        }
        txn.execute_unprepared(&script.join(";\n")).await?;
        Ok(())
    }

    /// The statements that give the shadow tables the owners and grants of the live ones.
    async fn rights(&self, txn: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
        let (schema, live, tables) = (self.schema.as_str(), self.live.as_str(), json!(self.tables));
        let statements = Statement::find_by_statement(raw_sql!(
            Postgres,
            "WITH t AS (
               SELECT c.oid, format('%s.%I', {schema}, value) AS shadow, c.relowner, c.relacl
                 FROM jsonb_array_elements_text({tables})
                   JOIN pg_class c ON c.oid = to_regclass({live} || '.' || quote_ident(value)))
             SELECT format('ALTER TABLE %s OWNER TO %s', shadow, relowner::regrole) AS text
               FROM t WHERE relowner::regrole::text <> quote_ident(current_user)
             UNION ALL
             SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, shadow,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
               FROM t, aclexplode(relacl) a WHERE a.grantee <> relowner
             UNION ALL
             SELECT format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, c.attname, shadow,
                           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
               FROM t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attacl IS NOT NULL, aclexplode(c.attacl) a
               WHERE a.grantee <> relowner"
        ))
        .all(txn)
        .await?;
        Ok(statements.into_iter().map(|statement| statement.text).collect())
    }

    /// Drops the tables, if they are still those of this run.
    pub(crate) async fn drop(&self, store: &EventStore) -> Result<(), DbErr> {
        let work = store.begin().await?;
        if self.ids_now(work.txn()).await? == self.ids {
            self.drop_in(work.txn()).await?;
        }
        work.commit().await
    }

    async fn drop_in(&self, txn: &DatabaseTransaction) -> Result<(), DbErr> {
        let tables: Vec<String> = self.tables.iter().map(|table| self.shadow_of(table)).collect();
        let statement = format!("DROP TABLE IF EXISTS {} CASCADE", tables.join(", "));
        txn.execute_unprepared(&statement).await?;
        Ok(())
    }

    async fn ids_now(&self, txn: &DatabaseTransaction) -> Result<Vec<i64>, DbErr> {
        let (schema, tables) = (self.schema.as_str(), json!(self.tables));
        let ids = Id::find_by_statement(raw_sql!(
            Postgres,
            "SELECT to_regclass({schema} || '.' || quote_ident(value))::oid::bigint AS oid
               FROM jsonb_array_elements_text({tables}) WITH ORDINALITY AS t (value, n)
               WHERE to_regclass({schema} || '.' || quote_ident(value)) IS NOT NULL ORDER BY n"
        ))
        .all(txn)
        .await?;
        Ok(ids.into_iter().map(|id| id.oid).collect())
    }
}

/// A name as an SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a table was not found.
fn is_missing(error: &DbErr) -> bool {
    crate::error::sql_state(error).as_deref() == Some("42P01")
}

/// Whether a lock was not had in time, or would have been a deadlock: nothing was done, and may be tried again.
pub(crate) fn is_locked(error: &DbErr) -> bool {
    crate::error::sql_state(error).is_some_and(|state| ["55P03", "40P01"].contains(&state.as_str()))
}
