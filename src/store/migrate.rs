//! The one migrator: the `migrate` program, the server at start and every test go through here.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Executor, PgConnection,
    migrate::{MigrateError, Migrator},
};

use crate::error::{Code, Error, Result};

/// The migrations compiled into this program.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// One migration and whether this database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number that orders it.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// Whether it has been applied.
    pub applied: bool,
}

/// Where a database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The migrations of this program, in order.
    pub steps: Vec<Step>,
    /// Migrations the database has and this program does not know: the database is newer.
    pub unknown: Vec<i64>,
}

impl Status {
    /// Migrations still to be applied.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.steps.iter().filter(|s| !s.applied).count()
    }
}

/// Reads where the database stands, changing nothing.
pub async fn status(conn: &mut PgConnection) -> Result<Status> {
    let has_table: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *conn)
        .await?;
    let applied: Vec<i64> = if has_table {
        sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
            .fetch_all(&mut *conn)
            .await?
    } else {
        Vec::new()
    };
    let steps: Vec<Step> = MIGRATOR
        .iter()
        .map(|m| Step {
            version: m.version,
            description: m.description.to_string(),
            applied: applied.contains(&m.version),
        })
        .collect();
    let unknown = applied.into_iter().filter(|v| !MIGRATOR.version_exists(*v)).collect();
    Ok(Status { steps, unknown })
}

/// Applies what is missing. Two callers at once are safe: the migrator takes an advisory lock. A table locked by
/// others is waited for five seconds at a time, so that a migration never queues the whole application behind it.
pub async fn up(conn: &mut PgConnection) -> Result<Status> {
    conn.execute("set lock_timeout = '5s'").await?;
    conn.execute("set statement_timeout = 0").await?;
    let before = status(conn).await?;
    if before.pending() == 0 {
        return Ok(before);
    }
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_ignore_missing(true);
    let mut attempt = 1;
    loop {
        match migrator.run(&mut *conn).await {
            Ok(()) => break,
            Err(error) if attempt < 10 && error.to_string().contains("lock timeout") => {
                attempt += 1;
                tracing::warn!(attempt, "a table is locked by others; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(explain(conn, error).await),
        }
    }
    status(conn).await
}

/// What an operator can do about a migration that failed.
async fn explain(conn: &mut PgConnection, error: MigrateError) -> Error {
    let (text, lacks_privilege) = match &error {
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            let state = cause
                .as_database_error()
                .and_then(|refusal| refusal.code().map(std::borrow::Cow::into_owned));
            let what = match &error {
                MigrateError::ExecuteMigration(_, version) => {
                    format!("Migration {version} failed; nothing of it was applied")
                }
                _ => "The migrations could not be applied".to_owned(),
            };
            (what, state.as_deref() == Some("42501"))
        }
        MigrateError::VersionMismatch(version) => {
            let text = format!(
                "Migration {version} was applied in another form than this program has; is this a database of another build?"
            );
            (text, false)
        }
        other => (format!("The migrations could not be applied: {other}"), false),
    };
    let text = if lacks_privilege {
        let role: String = sqlx::query_scalar("select quote_ident(current_user)")
            .fetch_one(conn)
            .await
            .unwrap_or_default();
        format!(
            "{text}. The role {role} lacks a privilege: as the owner of the database, `grant usage, create on schema public to {role}`, \
             or set DATABASE_MIGRATE_URL to a role that owns the schema"
        )
    } else {
        text
    };
    let mut explained = Error::new(Code::UnprocessableEntity, text);
    explained.source = Some(error.into());
    explained
}

/// Creates a database if there is none of that name; `maintenance` is a connection to another one of the server. Tells whether it did.
pub async fn create_database(maintenance: &mut PgConnection, name: &str) -> Result<bool> {
    let quoted = name.replace('"', "\"\"");
    // From the empty template, so that neither its encoding nor what a template holds can get in the way.
    let statement = format!("create database \"{quoted}\" encoding 'UTF8' template template0");
    match maintenance.execute(AssertSqlSafe(statement)).await {
        Ok(_) => Ok(true),
        Err(error) => {
            let state = error
                .as_database_error()
                .and_then(|refusal| refusal.code().map(std::borrow::Cow::into_owned));
            match state.as_deref() {
                // There already, or made by another at the same moment.
                Some("42P04" | "23505") => Ok(false),
                Some("42501") => {
                    let role: String = sqlx::query_scalar("select quote_ident(current_user)")
                        .fetch_one(maintenance)
                        .await
                        .unwrap_or_default();
                    let text = format!(
                        "The role {role} may not create databases; as a superuser, `alter role {role} createdb`, or create {name} yourself"
                    );
                    let mut explained = Error::new(Code::UnprocessableEntity, text);
                    explained.source = Some(error.into());
                    Err(explained)
                }
                _ => Err(error.into()),
            }
        }
    }
}

/// Lets the application's role work with what the owner's role, that of `conn`, has made: everything but to change the
/// change log or the list of migrations. May be repeated.
pub async fn grant(conn: &mut PgConnection, role: &str) -> Result<()> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let statements = [
        "grant usage on schema public to $",
        "grant select, insert, update, delete on all tables in schema public to $",
        "revoke insert, update, delete on changes from $",
        // Position, transaction and time of a row are for the database to say.
        "grant insert (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after) on changes to $",
        "revoke update, delete on seals, change_digests from $",
        "grant execute on function blank_changes to $",
        "revoke insert, update, delete on _sqlx_migrations from $",
        "grant usage, select, update on all sequences in schema public to $",
    ];
    for statement in statements {
        let statement = statement.replace('$', &role);
        if let Err(error) = conn.execute(AssertSqlSafe(statement)).await {
            let mut explained = Error::new(
                Code::UnprocessableEntity,
                format!("The role {role} of DATABASE_URL cannot be given its rights; does it exist?"),
            );
            explained.source = Some(error.into());
            return Err(explained);
        }
    }
    Ok(())
}

/// Refuses a database that is newer than this program can serve; one that is merely newer is fine (a rolled-back image
/// must start). The schema says itself which programs may: `settings.min_app_version`.
pub async fn check_compatible(conn: &mut PgConnection) -> Result<Status> {
    let status = status(conn).await?;
    if status.unknown.is_empty() {
        return Ok(status);
    }
    let minimum: Option<String> = sqlx::query_scalar("select value from settings where name = 'min_app_version'")
        .fetch_optional(&mut *conn)
        .await?;
    let (own, minimum) = (env!("CARGO_PKG_VERSION"), minimum.unwrap_or_default());
    if version_parts(own) < version_parts(&minimum) {
        return Err(Error::new(
            Code::UnprocessableEntity,
            format!(
                "The database's schema is newer and needs at least version {minimum} of the program; this is {own}"
            ),
        ));
    }
    tracing::warn!(newer = ?status.unknown, "the database is newer than this program, which it still allows");
    Ok(status)
}

fn version_parts(text: &str) -> Vec<u64> {
    text.split(['.', '-', '+'])
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::version_parts;

    #[test]
    fn versions_compare_by_number() {
        assert!(version_parts("0.10.0") > version_parts("0.9.12"));
        assert!(version_parts("1.0.0-rc.1") >= version_parts("1.0.0"));
    }
}
