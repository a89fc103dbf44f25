//! The server: reads the configuration, opens its ports, waits for the database, loads what it keeps in memory, serves
//! until it is told to stop.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use archzero::{
    app::{self, AppState, Clock, Tail, program},
    audit,
    config::Config,
    error::{Code, Error, Result},
    http::{gate::Gate, health, serve::serve},
    job::{schedule, worker},
    store::{self, migrate, past::checkpoint},
    telemetry,
};
use clap::{Parser, Subcommand};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How often a start that waits for the database tries again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a probe waits for its answer.
const PROBE: Duration = Duration::from_secs(5);

/// Serves the API of Arc Zero. The configuration comes from the environment, see docs/configuration.md.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the server on this machine whether it is alive; for container probes.
    Healthcheck,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match program::configuration() {
        Ok(config) => config,
        Err(code) => return code,
    };
    if arguments.check_config {
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        eprintln!("the configuration is valid");
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.workers)
        .enable_all()
        .build();
    let outcome = runtime.map_err(Error::internal).and_then(|runtime| {
        let outcome = match arguments.command {
            Some(Command::Healthcheck) => runtime.block_on(ask_whether_alive(&config)),
            None => runtime.block_on(run(config)),
        };
        // Connections that outlived the grace period are not waited for a second time.
        runtime.shutdown_background();
        outcome
    });
    program::finish(outcome)
}

async fn run(config: Config) -> Result<()> {
    telemetry::init(&config).map_err(Error::internal)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));

    let (server, telemetry) = (&config.server, &config.telemetry);
    let notice = notice(&config);
    let gate = Gate::closed(telemetry);
    let metrics_gate = Gate::closed(telemetry);
    let listener = bind(server.address(), "API_PORT").await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let closed = CancellationToken::new();
    let grace = server.shutdown_grace.saturating_sub(notice);
    let serving = tokio::spawn(serve(listener, gate.router(), closed.clone(), grace));
    let metrics = if telemetry.metrics_enabled {
        let handle = telemetry::install(&config.application.version).map_err(Error::internal)?;
        let listener = bind(telemetry.metrics_address(), "METRICS_PORT").await?;
        // Until the very end, so that the last numbers can be fetched.
        tokio::spawn(serve(
            listener,
            metrics_gate.router(),
            CancellationToken::new(),
            Duration::ZERO,
        ));
        tokio::spawn(telemetry::upkeep(handle.clone()));
        Some(handle)
    } else {
        None
    };

    let state = tokio::select! {
        state = start(&config, &gate) => state?,
        () = stop.cancelled() => return Ok(()),
    };
    if let Some(handle) = metrics {
        let router = telemetry::metrics_router(&telemetry.metrics_path, handle, app::collectors(&state));
        metrics_gate.open(router.merge(health::with_causes(state.clone())));
    }
    gate.open(app::router(&state));
    let finished = CancellationToken::new();
    let idle = CancellationToken::new();
    let mut background = background(&state, &finished, &idle);
    tracing::info!(%address, base_url = server.base_url, "ready");

    // None of the background work ends by itself: without it this instance would go on serving what is no longer true.
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        ended = background.join_next() => Some(ended.and_then(std::result::Result::err)),
    };
    tracing::info!("stopping");
    state.health.stop();
    // Others can take over the jobs while the last requests are answered.
    idle.cancel();
    tokio::time::sleep(notice).await;
    closed.cancel();
    serving.await.map_err(Error::internal)?;
    // Requests that were still being answered needed these.
    finished.cancel();
    while background.join_next().await.is_some() {}
    state.db.close().await;
    match failure {
        None => Ok(()),
        Some(cause) => {
            let mut error = Error::new(Code::InternalServerError, "Background work ended; the log says why");
            error.source = cause.map(Into::into);
            Err(error)
        }
    }
}

/// How long load balancers get to notice that this instance is not ready any more before it stops accepting: in
/// production a few of their probes, elsewhere nobody wants to wait.
fn notice(config: &Config) -> Duration {
    let most = Duration::from_millis(if config.application.env.is_production() {
        5_000
    } else {
        250
    });
    most.min(config.server.shutdown_grace / 5)
}

/// What an instance does besides answering requests: what these need, until `stop`; jobs, until `idle`.
fn background(state: &AppState, stop: &CancellationToken, idle: &CancellationToken) -> JoinSet<()> {
    let mut work = JoinSet::new();
    work.spawn(Tail::follow(state.clone(), stop.clone()));
    work.spawn(Tail::announce(state.clone(), stop.clone()));
    work.spawn(worker::follow(state.clone(), app::kinds(), idle.clone()));
    let schedules = app::schedules(&state.config);
    work.spawn(schedule::follow(state.clone(), schedules, idle.clone()));
    work.spawn(checkpoint::follow(
        state.db.clone(),
        state.config.known_at.checkpoint_every,
        stop.clone(),
    ));
    work.spawn(audit::sealer::follow(state.clone(), stop.clone()));
    work
}

/// Waits for the database and its schema, then loads what is kept in memory. Only what waiting cannot mend is an error.
async fn start(config: &Config, gate: &Gate) -> Result<AppState> {
    let options = store::connect_options(&config.database)?;
    let db = store::connect(&config.database)?;
    let mut said = String::new();
    loop {
        let attempt = async {
            let mut conn = store::reach(&options, config.database.connect_timeout).await?;
            let status = migrate::check_compatible(&mut conn).await?;
            if status.pending() > 0 {
                let (missing, all) = (status.pending(), status.steps.len());
                let text = format!("{missing} of {all} migrations are not applied: run `migrate`");
                return Err(Error::new(Code::ServiceUnavailable, text));
            }
            gate.wait_for("the graph is being loaded".to_owned());
            AppState::with_pool(config.clone(), Clock::default(), db.clone()).await
        };
        let error = match attempt.await {
            Ok(state) => return Ok(state),
            Err(error) if matches!(error.code, Code::ServiceUnavailable | Code::Timeout) => error,
            Err(error) => return Err(error),
        };
        // Once per reason, not once per second.
        if said != error.message {
            let database = store::place(&options);
            tracing::warn!(
                database,
                error = &error as &dyn std::error::Error,
                "waiting: {}",
                error.message
            );
            said.clone_from(&error.message);
        }
        // Everybody may ask whether the server is ready, and not everybody is to know where the database is.
        let missing = error
            .details
            .as_ref()
            .is_some_and(|details| details["dependency"] == "database");
        gate.wait_for(if missing {
            "the database does not answer".to_owned()
        } else {
            error.message
        });
        tokio::time::sleep(AGAIN).await;
    }
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        let text = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("Port {port} is in use by another program; stop it, or choose another port with {key}")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!("This user may not listen on port {port}; choose one above 1023 with {key}")
            }
            std::io::ErrorKind::AddrNotAvailable => {
                format!(
                    "{} is no address of this machine; see {}",
                    address.ip(),
                    key.replace("PORT", "HOST")
                )
            }
            _ => format!("Cannot listen on {address}"),
        };
        let mut explained = Error::new(Code::UnprocessableEntity, text);
        explained.source = Some(error.into());
        explained
    })
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
            // Whoever asks twice does not want to wait. The codes are those of shells: 128 and the signal.
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            tracing::warn!("told twice to stop: stopping at once");
            std::process::exit(code);
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be heard; stop the server by force");
        }
    }
}

/// One HTTP request by hand: a probe needs no client library.
async fn ask_whether_alive(config: &Config) -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut address = config.server.address();
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let failed = |text: String| Error::new(Code::ServiceUnavailable, text);
    let answer = match tokio::time::timeout(PROBE, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(format!("{address} does not answer: {error}"))),
        Err(_) => {
            return Err(failed(format!(
                "{address} does not answer within {} s",
                PROBE.as_secs()
            )));
        }
    };
    // Where health checks are switched off, any answer at all is a sign of life.
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(_) if !config.telemetry.health_check_enabled => Ok(()),
        _ => Err(failed(format!(
            "{address} answers: {}",
            answer.lines().next().unwrap_or("nothing")
        ))),
    }
}
