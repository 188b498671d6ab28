//! What the kernel knows about a process: memory and processor time.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio::time::interval;

/// Of the kernel's interface, whatever the kernel's own clock does.
const TICKS_PER_SECOND: u32 = 100;
const SAMPLING: Duration = Duration::from_millis(5);
const MIB_IN_KIB: f64 = 1024.0;

/// Resident memory in MiB.
pub(crate) fn resident(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kibibytes.parse::<f64>()? / MIB_IN_KIB)
}

/// Processor time in seconds that a process and its children have used so far.
pub(crate) fn processor_seconds(id: u32) -> Result<f64> {
    let mut ticks = Stat::of(id)?.ticks;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(other) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile is nobody's child.
        if let Ok(stat) = Stat::of(other)
            && stat.parent == id
        {
            ticks += stat.ticks;
        }
    }
    Ok(ticks / f64::from(TICKS_PER_SECOND))
}

struct Stat {
    parent: u32,
    ticks: f64,
}

impl Stat {
    fn of(id: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name of the program, in parentheses, may hold anything.
        let (_, rest) = text.rsplit_once(')').context("no stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |index: usize| fields.get(index).copied().context("a short stat");
        let ticks = field(11)?.parse::<f64>()? + field(12)?.parse::<f64>()?;
        Ok(Self { parent: field(1)?.parse()?, ticks })
    }
}

/// Watches the resident memory of a process until it is asked for the peak.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    id: u32,
    before: f64,
    began: Instant,
    watching: JoinHandle<()>,
    peak: tokio::sync::watch::Receiver<f64>,
}

impl MemoryWatch {
    /// Growth is counted from here.
    pub(crate) fn start(id: u32) -> Result<Self> {
        let before = resident(id)?;
        let (tell, peak) = tokio::sync::watch::channel(before);
        let watching = tokio::spawn(async move {
            let mut tick = interval(SAMPLING);
            loop {
                tick.tick().await;
                let Ok(now) = resident(id) else { break };
                tell.send_if_modified(|peak| {
                    let is_higher = now > *peak;
                    *peak = peak.max(now);
                    is_higher
                });
            }
        });
        Ok(Self { id, before, began: Instant::now(), watching, peak })
    }

    /// How many MiB more than at the start there were at the highest.
    pub(crate) fn growth(self) -> Result<f64> {
        self.watching.abort();
        anyhow::ensure!(self.began.elapsed() >= SAMPLING, "too short to be watched");
        Ok(self.peak.borrow().max(resident(self.id)?) - self.before)
    }
}
