//! The roles, the database and the schemas, as SQL for psql.

use std::fmt::Write as _;

use anyhow::Result;

use crate::services::SERVICES;

/// What makes `database` ready for the services; running it again changes nothing but passwords.
pub(crate) struct Provision {
    /// To be run in any database: roles, and the database itself.
    pub(crate) cluster: String,
    /// To be run in the new database: schemas and who may do what.
    pub(crate) database: String,
}

/// One role for each service that keeps data, which owns one schema, another one for shadow tables, and sees no others.
///
/// # Errors
///
/// The error of `password_of`.
pub(crate) fn provision(
    database: &str,
    password_of: impl Fn(&str) -> Result<String>,
) -> Result<Provision> {
    let name = identifier(database);
    // Two programs that provision at the same time would fail with "tuple concurrently updated".
    let mut cluster = String::from("SELECT pg_advisory_lock(78652);\n");
    let mut schemas = String::from("SELECT pg_advisory_lock(78652);\n");
    writeln!(
        cluster,
        "SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS \
         (SELECT FROM pg_database WHERE datname = {}) \\gexec",
        literal(database)
    )?;
    writeln!(cluster, "REVOKE ALL ON DATABASE {name} FROM PUBLIC;")?;
    writeln!(schemas, "REVOKE ALL ON SCHEMA public FROM PUBLIC;")?;
    for service in &SERVICES {
        let Some(schema) = service.schema else { continue };
        // A role may make no schemas; where its projections are rebuilt has to be there.
        let shadow = identifier(&format!("{schema}_shadow"));
        let (role, schema) = (identifier(service.name), identifier(schema));
        let password = literal(&password_of(service.name)?);
        writeln!(
            cluster,
            "SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS \
             (SELECT FROM pg_roles WHERE rolname = {}) \\gexec\n\
             ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {password};\n\
             ALTER ROLE {role} SET search_path = {schema};\n\
             GRANT CONNECT ON DATABASE {name} TO {role};",
            literal(service.name)
        )?;
        writeln!(
            schemas,
            "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role};\n\
             REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;\n\
             CREATE SCHEMA IF NOT EXISTS {shadow} AUTHORIZATION {role};\n\
             REVOKE ALL ON SCHEMA {shadow} FROM PUBLIC;"
        )?;
    }
    Ok(Provision { cluster, database: schemas })
}

/// The same as one psql script, which connects to the database itself.
///
/// # Errors
///
/// The error of `password_of`.
pub fn provision_sql(
    database: &str,
    password_of: impl Fn(&str) -> Result<String>,
) -> Result<String> {
    let parts = provision(database, password_of)?;
    Ok(format!("{}\\connect {database}\n{}", parts.cluster, parts.database))
}

/// `name` as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as an SQL string.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
