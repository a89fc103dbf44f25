//! What an operator does without the API: the first administrator, a lost password, a lock, the verification of the log.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use archzero::{
    app::{Clock, program},
    audit::{self, verify},
    auth::{
        password,
        store::{self as people, NewUser},
        user::{self, Status, User},
    },
    config::Config,
    error::{Code, Error, Result},
    store::{self, Author},
};
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use sqlx::{Connection, PgConnection};

/// Administers users and verifies the audit trail. The configuration comes from the environment, see docs/configuration.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enter a user who can log in at once.
    CreateUser {
        /// Their e-mail address.
        #[arg(long)]
        email: String,
        /// What they may do: viewer, editor, architect, admin, auditor, system. May be given several times.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Their name; by default what stands before the @.
        #[arg(long)]
        name: Option<String>,
        /// A file whose first line is the password; without one a password is made and printed once.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// Succeed without doing anything when a user with this address exists.
        #[arg(long)]
        if_missing: bool,
    },
    /// Give a user a new password. Ends their sessions and lifts a lock.
    ResetPassword {
        /// Their e-mail address.
        #[arg(long)]
        email: String,
        /// A file whose first line is the password; without one a password is made and printed once.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Forget a user's failed log-ins.
    Unlock {
        /// Their e-mail address.
        #[arg(long)]
        email: String,
    },
    /// Compare the audit trail with its seals and print what is wrong. Fails when something is.
    VerifyAudit {
        /// The first seal.
        #[arg(long)]
        from: Option<i64>,
        /// The last seal.
        #[arg(long)]
        to: Option<i64>,
        /// A seal that must be there, as NUMBER:DIGEST. May be given several times.
        #[arg(long)]
        expected: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(async |config: Config| run(config, arguments.command).await)
}

async fn run(config: Config, command: Command) -> Result<()> {
    let options = store::connect_options(&config.database)?;
    let mut conn = store::reach(&options, config.database.connect_timeout).await?;
    let now = Clock::default().now();
    let cost = config.auth.password_hash_cost;
    match command {
        Command::CreateUser {
            email,
            roles,
            name,
            password_file,
            if_missing,
        } => {
            let email = email.trim().to_owned();
            if !user::is_email(&email) {
                return Err(Error::invalid(format!("'{email}' is not an e-mail address")));
            }
            let roles = user::roles(&roles).map_err(|violation| Error::validation(vec![violation]))?;
            let existing = people::find_credentials(&mut conn, &user::email_key(&email)).await?;
            if existing.is_some() && if_missing {
                return say(&format!("{email} exists already; nothing was changed"));
            }
            let chosen = Chosen::from(password_file.as_deref())?;
            let name = name
                .map(|n| n.trim().to_owned())
                .filter(|n| !n.is_empty())
                .unwrap_or_else(|| user::name_from(&email));
            let new = NewUser {
                email,
                name,
                roles,
                org_id: None,
                password_hash: Some(password::hash(chosen.password.clone(), cost).await?),
            };
            let mut tx = conn.begin().await?;
            let user = people::create_user(&mut tx, &Author::system("admin create-user"), new, now).await?;
            tx.commit().await?;
            let roles: Vec<_> = user.roles.iter().map(|r| r.name()).collect();
            say(&format!("created {} as {} ({})", user.email, roles.join(", "), user.id))?;
            chosen.reveal()
        }
        Command::ResetPassword { email, password_file } => {
            let chosen = Chosen::from(password_file.as_deref())?;
            let hash = password::hash(chosen.password.clone(), cost).await?;
            let mut tx = conn.begin().await?;
            let user = find(&mut tx, &email).await?;
            reset(&mut tx, &user, &hash, now).await?;
            tx.commit().await?;
            say(&format!("{} has a new password; their sessions have ended", user.email))?;
            chosen.reveal()
        }
        Command::Unlock { email } => {
            let mut tx = conn.begin().await?;
            let user = find(&mut tx, &email).await?;
            people::unlock(&mut tx, &user::email_key(&user.email)).await?;
            people::log_user(
                &mut tx,
                &Author::system("admin unlock"),
                user.id,
                "unlocked",
                user.version,
                &[],
            )
            .await?;
            tx.commit().await?;
            say(&format!("{} may try to log in again", user.email))
        }
        Command::VerifyAudit { from, to, expected } => {
            let expected: Vec<_> = expected.iter().map(|text| verify::mark(text)).collect::<Result<_>>()?;
            let request = verify::Request {
                from,
                to,
                expected,
                deadline: None,
            };
            let keys = audit::Keys::load(&config.audit, &mut conn).await?;
            tell(&audit::store::verify::run(&mut conn, &keys, &request).await?)
        }
    }
}

/// Prints the outcome of a verification.
fn tell(report: &verify::Report) -> Result<()> {
    let verify::Report {
        seals, rows, blanked, ..
    } = report;
    say(&format!(
        "{seals} seals over {rows} rows compared, {blanked} of them blanked"
    ))?;
    if let Some(unsealed) = report.unsealed.filter(|unsealed| *unsealed > 0) {
        say(&format!("{unsealed} rows are not sealed yet"))?;
    }
    if let Some(newest) = &report.newest {
        say(&format!(
            "newest seal: {}:{} of {}",
            newest.number, newest.digest, newest.recorded_at
        ))?;
    }
    for finding in &report.findings {
        let at = |name: &str, number: Option<i64>| number.map(|n| format!(" {name} {n}")).unwrap_or_default();
        let kind = serde_json::to_value(finding.kind).map_err(Error::internal)?;
        let kind = kind.as_str().unwrap_or_default().to_owned();
        let place = at("seal", finding.seal) + &at("position", finding.position);
        say(&format!("{kind}{place}: {}", finding.detail))?;
    }
    if report.ok {
        return say("the audit trail is as it was sealed");
    }
    let more = if report.truncated { " and more" } else { "" };
    Err(Error::new(
        Code::UnprocessableEntity,
        format!(
            "{}{more} findings: the audit trail is not as it was sealed",
            report.findings.len()
        ),
    ))
}

async fn find(conn: &mut PgConnection, email: &str) -> Result<User> {
    let missing = || {
        Error::new(
            Code::NotFound,
            format!("there is no user with the address {}", email.trim()),
        )
    };
    let found = people::find_credentials(conn, &user::email_key(email))
        .await?
        .ok_or_else(missing)?;
    people::lock_user(conn, found.user_id).await?.ok_or_else(missing)
}

async fn reset(conn: &mut PgConnection, user: &User, hash: &str, now: DateTime<Utc>) -> Result<()> {
    let author = Author::system("admin reset-password");
    if user.status == Status::Deactivated {
        return Err(Error::new(
            Code::UnprocessableEntity,
            format!("{} was deactivated; activate the user first", user.email),
        ));
    }
    people::reset_password(conn, &author, user, hash, now).await?;
    if user.status == Status::Invited {
        // They have a password now, which is all an invitation is for.
        let active = User {
            status: Status::Active,
            ..user.clone()
        };
        people::save_user(conn, &author, "activated", user, active, now).await?;
    }
    Ok(())
}

/// A password that the operator brought, or one made here.
struct Chosen {
    password: String,
    made: bool,
}

impl Chosen {
    fn from(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else {
            return Ok(Self {
                password: password::generate(),
                made: true,
            });
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Error::invalid(format!("the password file {} cannot be read: {error}", file.display())))?;
        let password = text.lines().next().unwrap_or_default().to_owned();
        let violations = password::violations("password", &password);
        if violations.is_empty() {
            Ok(Self { password, made: false })
        } else {
            Err(Error::validation(violations))
        }
    }

    /// Prints a password that nobody knows yet.
    fn reveal(&self) -> Result<()> {
        if self.made {
            say(&format!("password: {}", self.password))
        } else {
            Ok(())
        }
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").map_err(Error::internal)
}
