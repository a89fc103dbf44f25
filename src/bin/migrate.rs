//! Brings the database's schema up to what this version of the program needs.

use std::process::ExitCode;

use archzero::{
    app::program,
    config::Config,
    error::{Code, Result},
    store::{
        self,
        migrate::{self, Status},
    },
};
use clap::{Parser, Subcommand};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// Brings the schema of the database up to what this version needs. Connects as `DATABASE_MIGRATE_URL`, if set, else as
/// `DATABASE_URL`; see docs/configuration.md.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Say what would be applied, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Create the database first, if there is none.
    #[arg(long, conflicts_with = "dry_run")]
    create_database: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Apply what is missing. This is what happens without any argument.
    Up,
    /// Say which migrations the database has.
    Status,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(async |config: Config| run(&config, &arguments).await)
}

async fn run(config: &Config, arguments: &Arguments) -> Result<()> {
    let options = store::migration_options(&config.database)?;
    if arguments.create_database {
        create_database(config, &options).await?;
    }
    let place = store::place(&options);
    let mut conn = store::reach(&options, config.database.connect_timeout).await?;
    let before = migrate::check_compatible(&mut conn).await?;
    let is_status = matches!(arguments.command, Some(Command::Status));
    let is_up = !is_status && !arguments.dry_run;
    if is_status {
        print_status(&place, &before);
    } else if before.pending() == 0 {
        program::say(format_args!(
            "{place} is up to date: {} migrations applied",
            applied(&before)
        ));
    } else if arguments.dry_run {
        program::say(format_args!(
            "{place} would get {} of {} migrations:",
            before.pending(),
            before.steps.len()
        ));
        print_missing_of(&before);
    } else {
        migrate::up(&mut conn).await?;
        program::say(format_args!(
            "{place} got {} of {} migrations:",
            before.pending(),
            before.steps.len()
        ));
        print_missing_of(&before);
    }
    let role = application_role(config)?;
    if is_up && role != options.get_username() {
        migrate::grant(&mut conn, &role).await?;
        program::say(format_args!("the role {role} may use it"));
    }
    // The work is done, whatever becomes of the connection.
    let _ = conn.close().await;
    Ok(())
}

/// Who works with what was migrated. The owner may be another role, so that the application cannot change the schema.
fn application_role(config: &Config) -> Result<String> {
    Ok(store::connect_options(&config.database)?.get_username().to_owned())
}

fn applied(status: &Status) -> usize {
    status.steps.len() - status.pending() + status.unknown.len()
}

fn print_missing_of(status: &Status) {
    for step in status.steps.iter().filter(|step| !step.applied) {
        program::say(format_args!("  {}  {}", step.version, step.description));
    }
}

fn print_status(place: &str, status: &Status) {
    program::say(format_args!(
        "{place} has {} of {} migrations:",
        status.steps.len() - status.pending(),
        status.steps.len()
    ));
    for step in &status.steps {
        program::say(format_args!(
            "  {}  {:<8}  {}",
            step.version,
            if step.applied { "applied" } else { "missing" },
            step.description
        ));
    }
    for version in &status.unknown {
        program::say(format_args!("  {version}  newer     this program does not know it"));
    }
    if status.pending() > 0 {
        program::say(format_args!("`migrate` applies what is missing"));
    }
}

/// From another database of the server: every server has one of these two.
async fn create_database(config: &Config, options: &PgConnectOptions) -> Result<()> {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    let patience = config.database.connect_timeout;
    if let Ok(conn) = store::reach(options, std::time::Duration::ZERO).await {
        // It may well be that this role cannot connect to any other.
        let _ = conn.close().await;
        return Ok(());
    }
    let mut maintenance: PgConnection = match store::reach(&options.clone().database("postgres"), patience).await {
        Err(error) if error.code != Code::ServiceUnavailable => {
            store::reach(&options.clone().database("template1"), patience).await?
        }
        other => other?,
    };
    if migrate::create_database(&mut maintenance, name).await? {
        program::say(format_args!("{} created", store::place(options)));
    }
    let _ = maintenance.close().await;
    Ok(())
}
