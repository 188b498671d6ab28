//! Many clients ask at once for one large file that nobody has asked for before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use e2e::DataDirectory;
use futures_util::future::try_join_all;
use http::header::HOST;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use testkit::{Origin, Script};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::process::MemoryWatch;
use crate::report::{Figure, Spread, Target};
use crate::subject::Subject;

const ROUNDS: usize = 3;
const CLIENTS: usize = 50;
const LENGTH: usize = 256 << 20;
const CHUNK: usize = 64 << 10;
const REMOTE: &str = "files";
/// Until every request has been read by the server and waits for upstream.
const GATHERING: Duration = Duration::from_millis(300);
const MILLISECONDS: f64 = 1e3;

/// What one crowd saw.
struct Round {
    fetches: usize,
    first_bytes: Vec<Duration>,
    growth: f64,
    took: Duration,
}

/// Every round.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let content = testkit::pattern(0, LENGTH);
    let origin = Origin::start().await;
    let subject = Subject::start(DataDirectory::new()?).await?;
    subject.add_remote(REMOTE, "generic", &origin).await?;
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        rounds.push(round(&subject, &origin, &format!("/crowd-{number}.bin"), &content).await?);
    }
    judge(&rounds)
}

/// Upstream holds its head back until all have asked; from then on time counts.
async fn round(subject: &Subject, origin: &Origin, path: &str, content: &Bytes) -> Result<Round> {
    let (script, gate) = Script::ok(content.clone()).with_gate(CHUNK);
    origin.on(path, script);
    let url = subject.file(REMOTE, path);
    let memory = MemoryWatch::start(subject.id()?)?;
    let (open, opened) = watch::channel(None);
    let client = |_| tokio::spawn(fetch(url.clone(), content.clone(), opened.clone()));
    let clients = try_join_all((0..CLIENTS).map(client));
    let upstream = async {
        gate.arrived(1).await;
        sleep(GATHERING).await;
        let began = Instant::now();
        let _ = open.send(Some(began));
        gate.release_all();
        began
    };
    let (first_bytes, began) = tokio::join!(clients, upstream);
    let first_bytes = first_bytes?.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(Round {
        fetches: origin.count(path),
        first_bytes,
        growth: memory.growth()?,
        took: began.elapsed(),
    })
}

/// Fetches `url` on a connection of its own, compares every byte, and returns how long after
/// upstream's the first byte came.
async fn fetch(
    url: String,
    content: Bytes,
    opened: watch::Receiver<Option<Instant>>,
) -> Result<Duration> {
    let uri: Uri = url.parse()?;
    let authority = uri.authority().context("no authority")?.as_str();
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(uri.path()).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    let mut body = answer.into_body();
    let mut first = None;
    let mut position = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        first.get_or_insert_with(Instant::now);
        let expected = content.get(position..position + data.len());
        ensure!(expected == Some(&*data), "other bytes than upstream's after {position}");
        position += data.len();
    }
    ensure!(position == content.len(), "only {position} bytes");
    connection.abort();
    let began = opened.borrow().context("an answer before upstream's")?;
    Ok(first.context("no byte")?.saturating_duration_since(began))
}

fn judge(rounds: &[Round]) -> Result<Vec<Figure>> {
    let mut fetches = Vec::new();
    for round in rounds {
        fetches.push(f64::from(u32::try_from(round.fetches)?));
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * MILLISECONDS;
    let of_all =
        |round: &Round| milliseconds(round.first_bytes.iter().copied().max().unwrap_or_default());
    let of_half =
        |round: &Round| Spread::of(round.first_bytes.iter().copied().map(milliseconds)).median();
    let all_bytes = f64::from(u32::try_from(LENGTH)?) * f64::from(u32::try_from(CLIENTS)?);
    let speed = |round: &Round| all_bytes / round.took.as_secs_f64() / 1e9;
    Ok(vec![
        Figure::new("requests to upstream", "", Spread::of(fetches))
            .with_target(Target::Always(1.0))
            .with_remark("every client got every byte, compared with upstream's"),
        Figure::new(
            "first byte after upstream's, last client",
            " ms",
            Spread::of(rounds.iter().map(of_all)),
        )
        .with_target(Target::AtMost(50.0)),
        Figure::new(
            "first byte after upstream's, median client",
            " ms",
            Spread::of(rounds.iter().map(of_half)),
        ),
        Figure::new(
            "growth of resident memory",
            " MiB",
            Spread::of(rounds.iter().map(|round| round.growth)),
        )
        .with_target(Target::Below(64.0)),
        Figure::new("bytes to all clients together", " GB/s", Spread::of(rounds.iter().map(speed))),
    ])
}
