//! From a configuration to a running server, and to its end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use artifact_core::{Clock, SystemClock};
use artifact_engine::admin::{Access, Admin, ServerInfo};
use artifact_http::{Authentication, Ended, HttpService, Limits, Server, Shutdown};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::banner::Banner;
use crate::configuration::Configuration;
use crate::signals::Signals;
use crate::wiring::Wired;
use crate::{logging, say, wiring};

/// The version that the server names everywhere.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How often the recorder sorts its samples into buckets; between that it only collects.
const UPKEEP: Duration = Duration::from_secs(5);
/// From a cached file to a large one from far away.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// Serves until a signal.
pub(crate) fn serve(configuration: Configuration) -> anyhow::Result<()> {
    logging::install(configuration.log_format, &configuration.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(run(configuration))
}

async fn run(configuration: Configuration) -> anyhow::Result<()> {
    let signals = Signals::listen().context("signals cannot be received")?;
    // Before the engine and the service, whose metric handles are made once.
    let recorder = install_recorder()?;
    // Before the engine, so that clients wait in line while a database is brought up to date.
    let server = bind(&configuration).await?;
    let address = server.local_address()?;
    let wired = wiring::start_engine(&configuration, address).await?;
    let service = http_service(&configuration, &wired, recorder.clone());
    let Wired { engine, s3, unprepared, .. } = wired;
    say(&Banner { configuration: &configuration, engine: &engine, address }.to_string());

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let shutdown = Shutdown::default();
    tasks.spawn(stop.clone().run_until_cancelled_owned(keep_up(recorder)));
    if let Some(s3) = s3 {
        tasks.spawn(stop.clone().run_until_cancelled_owned(wiring::abort_stale_uploads(s3)));
    }
    if let Some(database) = unprepared {
        tasks.spawn(stop.clone().run_until_cancelled_owned(database.prepare()));
    }
    tasks.spawn(stop.clone().run_until_cancelled_owned(signals.conduct(shutdown.clone())));
    let ended = server.serve(service, shutdown).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    engine.shutdown(grace(ended)).await;
    tracing::info!(?ended, "stopped");
    Ok(())
}

/// How long fetches may go on that nobody reads any more: they fill the cache, but whoever cut
/// the connections is in a hurry.
const fn grace(ended: Ended) -> Duration {
    match ended {
        Ended::Drained => Duration::from_secs(5),
        Ended::Cut => Duration::ZERO,
    }
}

async fn bind(configuration: &Configuration) -> anyhow::Result<Server> {
    let limits = Limits { shutdown_timeout: configuration.shutdown_timeout, ..Limits::default() };
    let mut failure = io::Error::other("no address");
    for candidate in configuration.listen.candidates() {
        match Server::bind(candidate, limits.clone()).await {
            Ok(server) => return Ok(server),
            Err(error) => failure = error,
        }
    }
    let hint = "choose another one with LISTEN_ADDR";
    Err(failure).with_context(|| format!("cannot listen on {} ({hint})", configuration.listen))
}

fn http_service(
    configuration: &Configuration,
    wired: &Wired,
    recorder: PrometheusHandle,
) -> HttpService {
    let engine = &wired.engine;
    let (access, authentication) = match &configuration.admin_token {
        Some(token) => (Access::Token, Authentication::with_token(token)),
        None => (Access::Open, Authentication::open()),
    };
    let authentication = match &wired.replica_secret {
        Some(secret) => authentication.with_replica_secret(secret),
        None => authentication,
    };
    let authentication = authentication.with_ticket_secret(&wired.ticket_secret);
    let started_at = SystemClock.now();
    let server = ServerInfo { version: VERSION.to_owned(), started_at, access };
    let management = Arc::new(Admin::new(Arc::clone(engine), server));
    HttpService::builder(Arc::clone(engine), management)
        .trusted_proxies(configuration.trusted_proxies.clone())
        .registry_hosts(configuration.registry_hosts.clone())
        .registry_namespaces(configuration.registry_namespaces.clone())
        .authentication(authentication)
        .metrics(move || recorder.render())
        .build()
}

fn install_recorder() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    artifact_http::describe_metrics(VERSION, option_env!("SOURCE_REVISION").unwrap_or("unknown"));
    Ok(handle)
}

async fn keep_up(recorder: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        recorder.run_upkeep();
    }
}
