//! Fills a database: with the reference data that everything needs, and, if asked to, with a sample landscape.

use std::{process::ExitCode, time::Instant};

use archzero::{
    app::program,
    config::Config,
    error::{Code, Error, Result},
    seed::{
        demo, reference,
        synthetic::{self, Parameters},
    },
    store::{self, migrate},
};
use clap::{Parser, ValueEnum};
use sqlx::{ConnectOptions, Connection, PgPool, postgres::PgPoolOptions};

/// Brings card types, rules and relationship types into the database, and a sample landscape if asked to. May be
/// repeated: what is there already is left alone.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A landscape to explore (enterprise-demo) or to measure with (synthetic).
    #[arg(long, value_enum)]
    sample: Option<Sample>,
    /// Cards of the synthetic landscape [default: 100000].
    #[arg(long, value_name = "N")]
    cards: Option<u32>,
    /// Relationships of the synthetic landscape [default: five per card].
    #[arg(long, value_name = "N")]
    relationships: Option<u32>,
    /// Which synthetic landscape of this size: the same number always gives the same one [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Load a sample into production, too.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sample {
    EnterpriseDemo,
    Synthetic,
}

impl Arguments {
    /// The landscape that was asked for; refuses sizes for one that has its own.
    fn parameters(&self) -> Result<Parameters> {
        let given = self.cards.is_some() || self.relationships.is_some() || self.seed.is_some();
        if given && self.sample != Some(Sample::Synthetic) {
            return Err(Error::invalid(
                "--cards, --relationships and --seed only go with --sample synthetic",
            ));
        }
        let usual = Parameters::default();
        let cards = self.cards.unwrap_or(usual.cards);
        Ok(Parameters {
            cards,
            relationships: self.relationships.unwrap_or(cards.saturating_mul(5)),
            seed: self.seed.unwrap_or(usual.seed),
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(async |config: Config| run(config, &arguments).await)
}

async fn run(config: Config, arguments: &Arguments) -> Result<()> {
    let parameters = arguments.parameters()?;
    if arguments.sample.is_some() && config.application.env.is_production() && !arguments.yes {
        let text = "APP_ENV is production: samples do not belong there. Add --yes if you mean it";
        return Err(Error::new(Code::UnprocessableEntity, text));
    }
    require_schema(&config).await?;
    // One thing happens after the other, and much at a time takes its time: no news for the log.
    let options = store::connect_options(&config.database)?.disable_statement_logging();
    let db = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
    let outcome = fill(&db, arguments.sample, parameters).await;
    db.close().await;
    outcome
}

async fn require_schema(config: &Config) -> Result<()> {
    let options = store::connect_options(&config.database)?;
    let mut conn = store::reach(&options, config.database.connect_timeout).await?;
    let status = migrate::check_compatible(&mut conn).await?;
    let _ = conn.close().await;
    if status.pending() > 0 {
        let (missing, all) = (status.pending(), status.steps.len());
        let text = format!(
            "{} lacks {missing} of {all} migrations: run `migrate` first",
            store::place(&options)
        );
        return Err(Error::new(Code::UnprocessableEntity, text));
    }
    Ok(())
}

async fn fill(db: &PgPool, sample: Option<Sample>, parameters: Parameters) -> Result<()> {
    let began = Instant::now();
    let seconds = || began.elapsed().as_secs_f64();
    let there = reference::load(db).await?;
    program::say(format_args!(
        "reference data: {} card types, {} rules, {} relationship types; {} ({:.1} s)",
        there.card_types,
        there.rules,
        there.relationship_types,
        if there.written == 0 {
            "nothing was missing".to_owned()
        } else {
            format!("{} written", there.written)
        },
        seconds()
    ));
    match sample {
        None => {}
        Some(Sample::EnterpriseDemo) => {
            let demo::Outcome { cards, relationships } = demo::load(db).await?;
            for (what, counts) in [("cards", cards), ("relationships", relationships)] {
                let demo::Counts {
                    created,
                    present,
                    deleted,
                } = counts;
                program::say(format_args!(
                    "enterprise-demo: {created} {what} created, {present} there already, {deleted} left deleted"
                ));
            }
            program::say(format_args!("enterprise-demo: done ({:.1} s)", seconds()));
        }
        Some(Sample::Synthetic) => {
            let Parameters {
                cards,
                relationships,
                seed,
            } = parameters;
            let done = synthetic::load(db, parameters).await?;
            program::say(format_args!(
                "synthetic landscape of {cards} cards and {relationships} relationships, seed {seed}: {} cards and {} relationships \
                 written, the rest was there ({:.1} s)",
                done.cards,
                done.relationships,
                seconds()
            ));
        }
    }
    Ok(())
}
