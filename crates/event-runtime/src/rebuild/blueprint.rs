//! What a table consists of besides its columns, as the statements that make it so.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, raw_sql};
use serde_json::{Value, json};

use super::RebuildError;

/// Constraints, indexes, triggers and settings of tables, read from the catalog. Names of relations are written without
/// their schema, so that they mean the shadow tables where there are any, and the live ones elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blueprint(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct Part {
    /// [`NOTE`], [`OBSTACLE`], or the place of a statement among the others.
    phase: i32,
    table_name: String,
    text: String,
}

/// What `LIKE` copies by itself; here so that a change of it is seen.
const NOTE: i32 = 0;

/// What an exchange would lose.
const OBSTACLE: i32 = 9;

impl Blueprint {
    /// Reads the catalog; the search path has to begin with the schema of the live tables.
    pub(super) async fn of(
        connection: &impl ConnectionTrait,
        tables: &[&str],
    ) -> Result<Self, DbErr> {
        let tables: Value = json!(tables);
        let parts = Part::find_by_statement(raw_sql!(
            Postgres,
            "WITH t AS (
               SELECT value AS name, to_regclass(quote_ident(current_schema()) || '.' || quote_ident(value))::oid AS oid
                 FROM jsonb_array_elements_text({tables})),
             part (phase, table_name, text) AS (
               SELECT 0, t.name, format('%s %s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod),
                                        a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
                 FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
                   LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
               UNION ALL
               SELECT 0, t.name, format('%s %s', c.conname, pg_get_constraintdef(c.oid, true))
                 FROM t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'c'
               UNION ALL
               SELECT 1, t.name, format('ALTER TABLE %I SET (%s)', t.name, array_to_string(c.reloptions, ', '))
                 FROM t JOIN pg_class c ON c.oid = t.oid AND c.reloptions IS NOT NULL
               UNION ALL
               SELECT 1, t.name, format('COMMENT ON TABLE %I IS %L', t.name, obj_description(t.oid, 'pg_class'))
                 FROM t WHERE obj_description(t.oid, 'pg_class') IS NOT NULL
               UNION ALL
               SELECT CASE c.contype WHEN 'f' THEN 4 ELSE 2 END, t.name,
                      format('ALTER TABLE %I ADD CONSTRAINT %I %s', t.name, c.conname, pg_get_constraintdef(c.oid, true))
                 FROM t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'x', 'f')
               UNION ALL
               SELECT 3, t.name, pg_get_indexdef(i.indexrelid, 0, true)
                 FROM t JOIN pg_index i ON i.indrelid = t.oid
                 WHERE NOT EXISTS (SELECT FROM pg_constraint c
                                     WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid AND c.contype IN ('p', 'u', 'x'))
               UNION ALL
               SELECT 5, t.name, pg_get_triggerdef(g.oid, true)
                 FROM t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
               UNION ALL
               SELECT 9, t.name, 'it does not exist' FROM t WHERE t.oid IS NULL
               UNION ALL
               SELECT 9, t.name, 'it is no plain table, or has row security'
                 FROM t JOIN pg_class c ON c.oid = t.oid
                 WHERE c.relkind <> 'r' OR c.relispartition OR c.relhassubclass OR c.relrowsecurity
               UNION ALL
               SELECT 9, t.name, format('%s refers to it', c.conrelid::regclass)
                 FROM t JOIN pg_constraint c ON c.confrelid = t.oid AND c.contype = 'f'
                 WHERE c.conrelid NOT IN (SELECT oid FROM t WHERE oid IS NOT NULL)
               UNION ALL
               SELECT DISTINCT 9, t.name, format('%s is made of it', r.ev_class::regclass)
                 FROM t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
                                        AND d.classid = 'pg_rewrite'::regclass
                   JOIN pg_rewrite r ON r.oid = d.objid
               UNION ALL
               SELECT 9, t.name, format('%s belongs to it; an identity column would not', d.objid::regclass)
                 FROM t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
                                        AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
                   JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S')
             SELECT phase, table_name, text FROM part ORDER BY phase, table_name, text"
        ))
        .all(connection)
        .await?;
        Ok(Self(parts))
    }

    /// Refuses tables that cannot be exchanged.
    pub(super) fn check(&self) -> Result<(), RebuildError> {
        self.0.iter().find(|part| part.phase == OBSTACLE).map_or(Ok(()), |part| {
            Err(RebuildError::Unsupported {
                table: part.table_name.clone(),
                obstacle: part.text.clone(),
            })
        })
    }

    /// Refuses tables that are no longer as they were.
    pub(super) fn check_unchanged(&self, now: &Self) -> Result<(), RebuildError> {
        let changed = (self.0.iter().find(|part| !now.0.contains(part)))
            .or_else(|| now.0.iter().find(|part| !self.0.contains(part)));
        changed.map_or(Ok(()), |part| Err(RebuildError::Changed { table: part.table_name.clone() }))
    }

    /// The statements that turn tables with the same columns into the same tables.
    pub(super) fn script(&self) -> String {
        let statements = self.0.iter().filter(|part| ![NOTE, OBSTACLE].contains(&part.phase));
        statements.map(|part| part.text.as_str()).collect::<Vec<_>>().join(";\n")
    }
}
