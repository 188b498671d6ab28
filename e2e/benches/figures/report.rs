//! Figures with their spread and their targets, and the table that shows them.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::Result;

/// Measurements of one quantity in several rounds.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Vec<f64>);

/// What a figure has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
    /// Exactly this, in every round.
    Always(f64),
    /// Nothing; it explains the others.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    measured: Spread,
    unit: &'static str,
    target: Target,
    remark: String,
}

/// Prints sections as they come and remembers what was missed.
#[derive(Debug)]
pub(crate) struct Report {
    missed: Vec<String>,
    judged: usize,
}

impl Spread {
    /// Of measurements in any order.
    pub(crate) fn of(rounds: impl IntoIterator<Item = f64>) -> Self {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        Self(rounds)
    }

    /// The middle one; of an even number the upper of the two.
    pub(crate) fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn ends(&self) -> Option<(f64, f64)> {
        Some((*self.0.first()?, *self.0.last()?))
    }
}

impl Target {
    fn is_reached(self, measured: &Spread) -> Option<bool> {
        let median = measured.median();
        match self {
            Self::AtLeast(bound) => Some(median >= bound),
            Self::AtMost(bound) => Some(median <= bound),
            Self::Below(bound) => Some(median < bound),
            Self::Always(value) => {
                let differs = |round: &f64| round.total_cmp(&value).is_ne();
                Some(!measured.0.iter().any(differs))
            }
            Self::None => None,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}{unit}", number(bound)),
            Self::AtMost(bound) => format!("<= {}{unit}", number(bound)),
            Self::Below(bound) => format!("< {}{unit}", number(bound)),
            Self::Always(value) => format!("= {}{unit}", number(value)),
            Self::None => String::new(),
        }
    }
}

impl Figure {
    /// Something measured in `unit`, which follows the number as it is written here.
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, measured: Spread) -> Self {
        Self { what: what.into(), measured, unit, target: Target::None, remark: String::new() }
    }

    /// With what it has to be: judged by the median.
    pub(crate) fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// With a word of explanation.
    pub(crate) fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    fn is_reached(&self) -> Option<bool> {
        self.target.is_reached(&self.measured)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = format!("{}{}", number(self.measured.median()), self.unit);
        let spread = match self.measured.ends() {
            Some((low, high)) if low.total_cmp(&high).is_ne() => {
                format!("{} .. {}", number(low), number(high))
            }
            _ => String::new(),
        };
        let verdict = match self.is_reached() {
            Some(true) => "reached",
            Some(false) => "NOT reached",
            None => "",
        };
        let target = self.target.text(self.unit);
        let line = format!(
            "  {:<44} {median:>12}  {spread:<20} {target:<12} {verdict:<12} {}",
            self.what, self.remark
        );
        f.write_str(line.trim_end())
    }
}

impl Report {
    /// Prints the facts of the machine and the head of the table.
    pub(crate) fn begin(facts: &[String]) -> Result<Self> {
        let mut out = std::io::stdout().lock();
        for fact in facts {
            writeln!(out, "{fact}")?;
        }
        let head = format!(
            "\n  {:<44} {:>12}  {:<20} {:<12} verdict",
            "figure", "median", "lowest .. highest", "target"
        );
        writeln!(out, "{head}")?;
        Ok(Self { missed: Vec::new(), judged: 0 })
    }

    /// Prints figures that belong together.
    pub(crate) fn section(&mut self, title: &str, figures: Vec<Figure>) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{title}")?;
        for figure in figures {
            writeln!(out, "{figure}")?;
            let reached = figure.is_reached();
            self.judged += usize::from(reached.is_some());
            if reached == Some(false) {
                self.missed.push(figure.what);
            }
        }
        Ok(())
    }

    /// Prints the sum of it all.
    pub(crate) fn end(self, took: Duration) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let reached = self.judged - self.missed.len();
        writeln!(out, "\n{reached} of {} targets reached in {} s", self.judged, took.as_secs())?;
        for what in self.missed {
            writeln!(out, "  NOT reached: {what}")?;
        }
        Ok(())
    }
}

/// With as many digits as the size of the number deserves.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 || value.fract().abs() < f64::EPSILON {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
