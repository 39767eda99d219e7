//! Comparing two tables of the same columns, row by row, in the database.

use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult, raw_sql};
use serde_json::Value;

use super::report::{DriftKind, DriftRow, TableDrift};
use crate::rebuild::{Replayable, Shadow, quoted};

#[derive(FromQueryResult)]
struct Column {
    name: String,
    /// Its place in the primary key.
    key: Option<i32>,
    /// Whether its type has no equality.
    is_text_like: bool,
}

#[derive(FromQueryResult)]
struct Found {
    kind: String,
    key: Option<Value>,
    columns: Value,
    different: i64,
    missing: i64,
    extra: i64,
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

/// A comparison of one table.
pub(super) struct Comparison<'a> {
    pub(super) txn: &'a DatabaseTransaction,
    pub(super) shadow: &'a Shadow,
    pub(super) projection: &'a dyn Replayable,
    pub(super) table: &'static str,
}

impl Comparison<'_> {
    /// How many rows the events come to.
    pub(super) async fn rows(&self) -> Result<u64, DbErr> {
        let query = format!("SELECT count(*) AS n FROM {}", self.shadow.shadow_of(self.table));
        let count = Count::find_by_statement(statement(query)).one(self.txn).await?;
        Ok(count.map_or(0, |count| to_count(count.n)))
    }

    /// How the live table differs from the shadow; `None` if it does not.
    pub(super) async fn drift(&self) -> Result<Option<TableDrift>, DbErr> {
        let columns = self.columns().await?;
        let not_derived: Vec<&str> = self
            .projection
            .not_derived()
            .iter()
            .filter(|(table, _)| *table == self.table)
            .map(|(_, column)| *column)
            .collect();
        let mut key: Vec<&Column> = columns.iter().filter(|column| column.key.is_some()).collect();
        key.sort_by_key(|column| column.key);
        let is_keyed = !key.is_empty()
            && key.iter().all(|column| !not_derived.contains(&column.name.as_str()));
        let derived: Vec<&Column> =
            columns.iter().filter(|column| !not_derived.contains(&column.name.as_str())).collect();
        let query =
            if is_keyed { self.by_key(&key, &derived) } else { self.by_contents(&key, &derived) };
        let found = Found::find_by_statement(statement(query)).all(self.txn).await?;
        let Some(first) = found.first() else { return Ok(None) };
        Ok(Some(TableDrift {
            table: self.table.to_owned(),
            different: to_count(first.different),
            missing: to_count(first.missing),
            extra: to_count(first.extra),
            rows: found.iter().map(Found::row).collect(),
        }))
    }

    async fn columns(&self) -> Result<Vec<Column>, DbErr> {
        let live = self.shadow.live_of(self.table);
        Column::find_by_statement(raw_sql!(
            Postgres,
            "SELECT a.attname::text AS name, array_position(i.indkey::smallint[], a.attnum) AS key,
                    a.atttypid IN ('json'::regtype, 'xml'::regtype) AS is_text_like
               FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
               WHERE a.attrelid = to_regclass({live}) AND a.attnum > 0 AND NOT a.attisdropped
               ORDER BY a.attnum"
        ))
        .all(self.txn)
        .await
    }

    /// Rows that are told apart by their key.
    fn by_key(&self, key: &[&Column], derived: &[&Column]) -> String {
        let mut object = Vec::new();
        let mut join = Vec::new();
        let mut order = Vec::new();
        for column in key {
            let name = quoted(&column.name);
            object.push(format!("{}, coalesce(l.{name}, s.{name})", literal(&column.name)));
            join.push(format!("l.{name} = s.{name}"));
            order.push(format!("coalesce(l.{name}, s.{name})"));
        }
        let differs: Vec<String> = derived
            .iter()
            .map(|column| {
                let name = literal(&column.name);
                format!(
                    "CASE WHEN {} IS DISTINCT FROM {} THEN {name} END",
                    column.of("l"),
                    column.of("s")
                )
            })
            .collect();
        let first = key.first().map(|column| quoted(&column.name)).unwrap_or_default();
        let mut query = format!(
            "WITH l AS (SELECT * FROM {live} {condition}), s AS (SELECT * FROM {shadow} {condition}),
             compared AS (
               SELECT jsonb_build_object({object}) AS key, row_number() OVER (ORDER BY {order}) AS place,
                      CASE WHEN l.{first} IS NULL THEN 'missing' WHEN s.{first} IS NULL THEN 'extra' ELSE 'different' END
                        AS kind,
                      CASE WHEN l.{first} IS NULL OR s.{first} IS NULL THEN '[]'
                           ELSE to_jsonb(array_remove(ARRAY[{differs}]::text[], NULL)) END AS columns
                 FROM l FULL JOIN s ON {join}
                 WHERE l.{first} IS NULL OR s.{first} IS NULL OR ROW({left}) IS DISTINCT FROM ROW({right}))",
            live = self.shadow.live_of(self.table),
            shadow = self.shadow.shadow_of(self.table),
            condition = self.condition(),
            object = object.join(", "),
            order = order.join(", "),
            differs = differs.join(", "),
            join = join.join(" AND "),
            left = of("l", derived),
            right = of("s", derived),
        );
        query.push_str(COUNTED);
        query
    }

    /// Rows that are told apart by what stands in them: as many of each as there should be.
    fn by_contents(&self, key: &[&Column], derived: &[&Column]) -> String {
        let names: Vec<String> = derived.iter().map(|column| quoted(&column.name)).collect();
        let object: Vec<String> = key
            .iter()
            .map(|column| format!("{}, {}", literal(&column.name), quoted(&column.name)))
            .collect();
        let mut query = format!(
            "WITH both_of_them AS (
               SELECT {l}, jsonb_build_object({object}) AS its_key, 1 AS n FROM {live} AS l {condition}
               UNION ALL
               SELECT {s}, NULL, -1 FROM {shadow} AS s {condition}),
             grouped AS (
               SELECT sum(n) AS n, array_agg(its_key ORDER BY its_key DESC) FILTER (WHERE n > 0) AS keys
                 FROM both_of_them GROUP BY {names} HAVING sum(n) <> 0),
             compared AS (
               SELECT CASE WHEN n > 0 THEN keys[m] END AS key, '[]'::jsonb AS columns,
                      CASE WHEN n > 0 THEN 'extra' ELSE 'missing' END AS kind,
                      row_number() OVER (ORDER BY n > 0, CASE WHEN n > 0 THEN keys[m] END) AS place
                 FROM grouped, generate_series(1, abs(n)::int) m)",
            object = object.join(", "),
            live = self.shadow.live_of(self.table),
            shadow = self.shadow.shadow_of(self.table),
            condition = self.condition(),
            l = named("l", derived),
            s = named("s", derived),
            names = names.join(", "),
        );
        query.push_str(COUNTED);
        query
    }

    /// Leaves out the rows that may have been swept.
    fn condition(&self) -> String {
        let swept = self.projection.swept();
        let swept = swept.iter().filter(|(table, _)| *table == self.table).map(|(_, sql)| *sql);
        let conditions: Vec<String> = swept.map(|sql| format!("({sql}) IS NOT TRUE")).collect();
        if conditions.is_empty() {
            String::new()
        } else {
            format!("WHERE {}", conditions.join(" AND "))
        }
    }
}

/// The end of both queries: the first rows, each with how many there are of its kind.
const COUNTED: &str = "
             SELECT kind, key, columns, count(*) FILTER (WHERE kind = 'different') OVER () AS different,
                    count(*) FILTER (WHERE kind = 'missing') OVER () AS missing,
                    count(*) FILTER (WHERE kind = 'extra') OVER () AS extra
               FROM compared ORDER BY place LIMIT 10";

impl Column {
    /// The column as something that can be compared.
    fn of(&self, table: &str) -> String {
        let name = quoted(&self.name);
        if self.is_text_like { format!("{table}.{name}::text") } else { format!("{table}.{name}") }
    }
}

impl Found {
    fn row(&self) -> DriftRow {
        let kind = match self.kind.as_str() {
            "missing" => DriftKind::Missing,
            "extra" => DriftKind::Extra,
            _ => DriftKind::Different,
        };
        let columns = serde_json::from_value(self.columns.clone()).unwrap_or_default();
        DriftRow { kind, key: self.key.clone().unwrap_or(Value::Null), columns }
    }
}

fn of(table: &str, columns: &[&Column]) -> String {
    columns.iter().map(|column| column.of(table)).collect::<Vec<_>>().join(", ")
}

fn named(table: &str, columns: &[&Column]) -> String {
    let columns =
        columns.iter().map(|column| format!("{} AS {}", column.of(table), quoted(&column.name)));
    columns.collect::<Vec<_>>().join(", ")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn to_count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "made of names that the catalog gave, quoted, and of conditions that are constants of the program"
)]
fn statement(query: String) -> sea_orm::Statement {
    sea_orm::Statement::from_string(sea_orm::DatabaseBackend::Postgres, query)
}
