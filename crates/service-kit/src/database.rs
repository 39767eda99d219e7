//! The service's own schema: connections, and migrations in SQL files.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sea_orm_migration::{
    MigratorTraitSelf,
    prelude::{MigrationName, MigrationTrait, SchemaManager},
};

/// A migration: its name and its SQL.
pub type SqlMigration = (&'static str, &'static str);

/// Connections of one service process; Postgres serves some 300 for all processes together.
const CONNECTIONS: u32 = 24;

/// Opens a pool whose connections see the service's schema and nothing else.
///
/// # Errors
///
/// [`DbErr`] if the database does not answer within five seconds.
pub async fn connect(url: &str, schema: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(CONNECTIONS)
        .min_connections(2)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_mins(5))
        .sqlx_logging(false)
        .set_schema_search_path(schema.to_owned());
    Database::connect(options).await
}

struct SqlFile(SqlMigration);

impl MigrationName for SqlFile {
    fn name(&self) -> &str {
        self.0.0
    }
}

#[async_trait]
impl MigrationTrait for SqlFile {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.0.1).await?;
        Ok(())
    }
}

struct Migrator(Vec<SqlMigration>);

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.0
            .iter()
            .map(|migration| Box::new(SqlFile(*migration)) as Box<dyn MigrationTrait>)
            .collect()
    }
}

/// Applies what is missing: the runtime's tables, the kit's, then the service's own. Replicas that start together take turns.
///
/// # Errors
///
/// [`DbErr`] if a migration fails, or if the schema knows a migration that this build does not: a newer build was here.
pub async fn migrate(db: &DatabaseConnection, own: &[SqlMigration]) -> Result<(), DbErr> {
    let mut all = event_runtime::MIGRATIONS.to_vec();
    all.push(("0001_service_kit", include_str!("../migrations/0001_service_kit.sql")));
    all.extend_from_slice(own);
    // The lock ends with the session at the latest; it lives on its own connection for as long as the migrations run.
    let lock = sea_orm::TransactionTrait::begin(db).await?;
    lock.execute_unprepared(
        "SELECT pg_advisory_xact_lock(hashtext('peerlink.migrate.' || current_schema()))",
    )
    .await?;
    Migrator(all).up(db, None).await?;
    lock.commit().await
}
