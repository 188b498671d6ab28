//! Cached files, against nginx, in alternating rounds.

use anyhow::{Result, ensure};
use e2e::{DataDirectory, HttpClient};
use testkit::{Origin, Script};

use crate::nginx::Nginx;
use crate::process::processor_seconds;
use crate::report::{Figure, Spread, Target};
use crate::subject::{Subject, whole};
use crate::wrk::{Load, Round};

const ROUNDS: usize = 7;
const REMOTE: &str = "files";

/// A file and what is promised about it.
struct Case {
    size: &'static str,
    path: &'static str,
    length: u64,
    load: Load<'static>,
    throughput: Throughput,
    target: f64,
}

#[derive(Clone, Copy)]
enum Throughput {
    Requests,
    Bytes,
}

const CASES: [Case; 3] = [
    Case {
        size: "2 KiB",
        path: "/small.bin",
        length: 2 << 10,
        load: Load { connections: 64, seconds: 2, headers: &[] },
        throughput: Throughput::Requests,
        target: 1.2,
    },
    Case {
        size: "200 KiB",
        path: "/medium.bin",
        length: 200 << 10,
        load: Load { connections: 64, seconds: 2, headers: &[] },
        throughput: Throughput::Bytes,
        target: 1.0,
    },
    Case {
        size: "200 MiB",
        path: "/large.bin",
        length: 200 << 20,
        load: Load { connections: 4, seconds: 3, headers: &[] },
        throughput: Throughput::Bytes,
        target: 1.1,
    },
];

impl Throughput {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests per second",
            Self::Bytes => "bytes per second",
        }
    }

    fn of(self, round: &Round) -> f64 {
        match self {
            Self::Requests => round.requests_per_second,
            Self::Bytes => round.bytes_per_second,
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::Requests => format!("{value:.0}/s"),
            Self::Bytes => format!("{:.2} GB/s", value / 1e9),
        }
    }
}

/// One side of the comparison.
struct Side {
    url: String,
    process: u32,
}

/// What one side did in one round.
struct Measured {
    round: Round,
    processor_per_request: f64,
}

/// Both sides of one round, one after the other.
struct Pair {
    ours: Measured,
    theirs: Measured,
}

impl Side {
    async fn run(&self, load: Load<'_>) -> Result<Measured> {
        let before = processor_seconds(self.process)?;
        let round = load.run(&self.url).await?;
        let used = processor_seconds(self.process)? - before;
        Ok(Measured { round, processor_per_request: used / round.requests })
    }

    /// Fetches the file into the cache and loads the server for a moment.
    async fn warm_up(&self, case: &Case) -> Result<()> {
        let http = HttpClient::new();
        for _ in 0..2 {
            let answer = whole(&http, &self.url, &[]).await?;
            let length = u64::try_from(answer.body.len())?;
            ensure!(length == case.length, "{}: {length} bytes", self.url);
        }
        Load { seconds: 1, ..case.load }.run(&self.url).await?;
        Ok(())
    }
}

impl Pair {
    /// Who goes first changes from round to round, so that a drift of the machine cancels out.
    async fn measure(number: usize, load: Load<'_>, ours: &Side, theirs: &Side) -> Result<Self> {
        if number.is_multiple_of(2) {
            let ours = ours.run(load).await?;
            return Ok(Self { ours, theirs: theirs.run(load).await? });
        }
        let theirs = theirs.run(load).await?;
        Ok(Self { ours: ours.run(load).await?, theirs })
    }
}

/// Every case.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let origin = Origin::start().await;
    let subject = Subject::start(DataDirectory::new()?).await?;
    subject.add_remote(REMOTE, "generic", &origin).await?;
    let nginx = Nginx::start(&origin).await?;
    let mut figures = Vec::new();
    for case in &CASES {
        origin.on(case.path, Script::generated(case.length));
        let ours = Side { url: subject.file(REMOTE, case.path), process: subject.id()? };
        let theirs = Side { url: nginx.url(case.path), process: nginx.id()? };
        ours.warm_up(case).await?;
        theirs.warm_up(case).await?;
        let mut pairs = Vec::new();
        for number in 0..ROUNDS {
            pairs.push(Pair::measure(number, case.load, &ours, &theirs).await?);
        }
        let fetched = origin.count(case.path);
        ensure!(fetched == 2, "{}: fetched {fetched} times by two caches", case.path);
        figures.extend(judge(case, &pairs));
    }
    Ok(figures)
}

fn judge(case: &Case, pairs: &[Pair]) -> [Figure; 3] {
    let throughput = |measured: &Measured| case.throughput.of(&measured.round);
    let slow = |measured: &Measured| measured.round.slow;
    let processor = |measured: &Measured| measured.processor_per_request;
    let rate = |value| case.throughput.text(value);
    let time = |value: f64| format!("{:.2} ms", value * 1e3);
    let short = |value: f64| format!("{:.1} us", value * 1e6);
    [
        compare(format!("{}, {}", case.size, case.throughput.name()), pairs, throughput, rate)
            .with_target(Target::AtLeast(case.target)),
        compare(format!("{}, p99 latency", case.size), pairs, slow, time)
            .with_target(Target::AtMost(1.0)),
        compare(format!("{}, processor time per request", case.size), pairs, processor, short),
    ]
}

/// Our figure by theirs, round by round; the remark holds the medians of both.
fn compare(
    what: String,
    pairs: &[Pair],
    figure: impl Fn(&Measured) -> f64,
    text: impl Fn(f64) -> String,
) -> Figure {
    let ratios = pairs.iter().map(|pair| figure(&pair.ours) / figure(&pair.theirs));
    let ours = Spread::of(pairs.iter().map(|pair| figure(&pair.ours)));
    let theirs = Spread::of(pairs.iter().map(|pair| figure(&pair.theirs)));
    let remark = format!("{} to nginx's {}", text(ours.median()), text(theirs.median()));
    Figure::new(what, "x", Spread::of(ratios)).with_remark(remark)
}
