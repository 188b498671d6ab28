//! What was seen, as a table: a line per outage, a column per thing that clients do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cell::{Cell, Seen};
use crate::scene::Outage;

/// What was seen during one outage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: BTreeMap<Cell, (Seen, Duration)>,
    /// What readiness and health say.
    pub(crate) readiness: String,
    pub(crate) health: String,
    /// How long after its end everything worked again.
    pub(crate) recovered: Option<Duration>,
}

#[derive(Debug, Default)]
struct Matrix {
    rows: BTreeMap<Outage, Row>,
    ended: usize,
}

static MATRIX: Mutex<Matrix> = Mutex::new(Matrix { rows: BTreeMap::new(), ended: 0 });

/// The row of a test that runs. Shown when it ends, however it ends; the last one shows all.
#[derive(Debug)]
pub(crate) struct Report {
    outage: Outage,
    pub(crate) row: Row,
}

impl Report {
    pub(crate) fn of(outage: Outage) -> Self {
        Self { outage, row: Row::default() }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let mut matrix = MATRIX.lock().unwrap_or_else(PoisonError::into_inner);
        matrix.rows.insert(self.outage, self.row.clone());
        matrix.ended += 1;
        show(&BTreeMap::from([(self.outage, self.row.clone())]));
        if matrix.ended == Outage::ALL.len() {
            show(&matrix.rows);
        }
    }
}

fn show(rows: &BTreeMap<Outage, Row>) {
    let mut lines = vec![head()];
    lines.push(vec!["---".to_owned(); lines.iter().map(Vec::len).sum()]);
    lines.extend(rows.iter().map(|(outage, row)| line(*outage, row)));
    let lines: Vec<_> = lines.iter().map(|cells| format!("| {} |", cells.join(" | "))).collect();
    #[expect(clippy::print_stdout, reason = "the result of this suite")]
    {
        println!("\n{}\n", lines.join("\n"));
    }
}

fn head() -> Vec<String> {
    let cells = Cell::ALL.iter().map(|cell| format!("{cell:?}"));
    let rest = ["Readiness", "Health", "Recovered"].map(str::to_owned);
    [String::new()].into_iter().chain(cells).chain(rest).collect()
}

fn line(outage: Outage, row: &Row) -> Vec<String> {
    let cell = |cell: &Cell| match row.cells.get(cell) {
        Some((seen, took)) => format!("{seen} {} ms", took.as_millis()),
        None => "-".to_owned(),
    };
    let recovered =
        row.recovered.map_or_else(String::new, |took| format!("{} ms", took.as_millis()));
    [format!("{outage:?}")]
        .into_iter()
        .chain(Cell::ALL.iter().map(cell))
        .chain([row.readiness.clone(), row.health.clone(), recovered])
        .collect()
}
