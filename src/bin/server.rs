//! The server: reads the configuration, opens its ports, waits for the database, loads what it keeps in memory, serves
//! until it is told to stop.

use std::{process::ExitCode, time::Duration};

use archzero::{
    app::{self, AppState, Clock, Tail},
    config::Config,
    error::{Code, Error},
    http::{gate::Gate, health, serve::serve},
    store::{self, migrate},
    telemetry,
};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often a start that waits for the database tries again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long load balancers get to notice that this instance is not ready any more before it stops accepting.
const NOTICE: Duration = Duration::from_millis(500);

/// Serves the API of Arc Zero. The configuration comes from the environment, see docs/configuration.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the server on this machine whether it is ready; for container probes.
    Healthcheck,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        eprintln!("the configuration is valid");
        return ExitCode::SUCCESS;
    }
    let workers = config.server.workers;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match arguments.command {
        Some(Command::Healthcheck) => runtime.block_on(ask_whether_ready(&config)),
        None => runtime.block_on(run(config)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(error.as_ref());
            while let Some(error) = cause {
                eprintln!("{error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Failure> {
    // Two backends of the TLS library could be linked one day; say which.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::init(&config)?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));

    let (server, telemetry) = (&config.server, &config.telemetry);
    let gate = Gate::closed(telemetry);
    let metrics_gate = Gate::closed(telemetry);
    let listener = bind(server.address(), "API_HOST and API_PORT").await?;
    let address = listener.local_addr()?;
    let closed = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, gate.router(), closed.clone(), server.shutdown_grace));
    let metrics = if telemetry.metrics_enabled {
        let handle = telemetry::install(&config.application.version)?;
        let listener = bind(telemetry.metrics_address(), "METRICS_HOST and METRICS_PORT").await?;
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
        state = start(config.clone(), &gate) => state?,
        () = stop.cancelled() => return Ok(()),
    };
    if let Some(handle) = metrics {
        let path = &telemetry.metrics_path;
        let router = telemetry::metrics_router(path, handle, app::collectors(&state));
        metrics_gate.open(router.merge(health::with_causes(state.clone())));
    }
    gate.open(app::router(&state));
    let finished = CancellationToken::new();
    let background = [
        tokio::spawn(Tail::follow(state.clone(), finished.clone())),
        tokio::spawn(Tail::announce(state.clone(), finished.clone())),
    ];
    tracing::info!(%address, base_url = server.base_url, "ready");

    stop.cancelled().await;
    tracing::info!("stopping");
    state.health.stop();
    tokio::time::sleep(NOTICE.min(server.shutdown_grace)).await;
    closed.cancel();
    serving.await?;
    // Requests that were still being answered needed these.
    finished.cancel();
    for task in background {
        task.await?;
    }
    state.db.close().await;
    Ok(())
}

/// Waits for the database and its schema, then loads what is kept in memory. Only what waiting cannot mend is an error.
async fn start(config: Config, gate: &Gate) -> Result<AppState, Failure> {
    let db = store::connect(&config.database)?;
    let mut said = String::new();
    loop {
        let attempt = async {
            let status = migrate::check_compatible(&mut *db.acquire().await?).await?;
            if status.pending() > 0 {
                let reason = format!(
                    "{} of {} migrations are not applied",
                    status.pending(),
                    status.steps.len()
                );
                return Err(Error::new(Code::ServiceUnavailable, reason));
            }
            gate.wait_for("the graph is being loaded".to_owned());
            AppState::with_pool(config.clone(), Clock::default(), db.clone()).await
        };
        let error = match attempt.await {
            Ok(state) => return Ok(state),
            Err(error) if matches!(error.code, Code::ServiceUnavailable | Code::Timeout) => error,
            Err(error) => return Err(error.into()),
        };
        // Once per reason, not once per second.
        if said != error.message {
            tracing::warn!(error = &error as &dyn std::error::Error, "waiting: {}", error.message);
            said.clone_from(&error.message);
        }
        gate.wait_for(error.message);
        tokio::time::sleep(AGAIN).await;
    }
}

async fn bind(address: std::net::SocketAddr, keys: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address} ({keys}): {error}").into())
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
            // Whoever asks twice does not want to wait.
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(130);
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be heard; stop the server by force")
        }
    }
}

/// One HTTP request by hand: a probe needs no client library.
async fn ask_whether_ready(config: &Config) -> Result<(), Failure> {
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
            .write_all(b"GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), exchange)
        .await
        .map_err(|_| "no answer within 5 s")??;
    let status = answer.split(' ').nth(1);
    if status == Some("200") {
        return Ok(());
    }
    Err(answer.split("\r\n\r\n").nth(1).unwrap_or("no answer").into())
}
