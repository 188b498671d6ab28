//! A process and its children as one thing to stop and kill.
//!
//! Signals go to processes, not to a group: every child of PostgreSQL leads its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Alive,
    /// Stopped by a signal.
    Frozen,
    /// Ended, and perhaps waited for by nobody.
    Gone,
}

/// Sends `signal` to one process; one that is gone is left in peace.
pub(crate) fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}

/// Stops `root` and everything below it. All of it stands still when this returns.
pub(crate) fn freeze(root: u32) {
    wait_until(|| {
        let tree = tree_of(root);
        let moving: Vec<_> = tree.iter().filter(|(_, state)| **state == State::Alive).collect();
        for (process, _) in &moving {
            signal(**process, Signal::STOP);
        }
        moving.is_empty()
    });
}

/// Lets `root` and everything below it go on.
pub(crate) fn thaw(root: u32) {
    for process in tree_of(root).into_keys() {
        signal(process, Signal::CONT);
    }
}

/// Kills `root` and everything below it. The children are gone when this returns; `root`
/// waits for its parent.
pub(crate) fn kill(root: u32) {
    // A parent that stands still neither starts children nor mourns them.
    freeze(root);
    let tree = tree_of(root);
    for process in tree.keys() {
        signal(*process, Signal::KILL);
    }
    wait_until(|| tree.keys().all(|process| state_of(*process).1 == State::Gone));
}

/// Waits for an event of the operating system that cannot be subscribed to.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() && began.elapsed() < LIMIT {
        std::thread::sleep(POLL);
    }
}

/// `root` and its descendants.
fn tree_of(root: u32) -> BTreeMap<u32, State> {
    let listing = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = listing.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let known: Vec<_> = processes.map(|process| (process, state_of(process))).collect();
    let mut tree = BTreeMap::from([(root, state_of(root).1)]);
    loop {
        let before = tree.len();
        for (process, (parent, state)) in &known {
            if parent.is_some_and(|parent| tree.contains_key(&parent)) {
                tree.insert(*process, *state);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}

/// The parent and the state of a process.
fn state_of(process: u32) -> (Option<u32>, State) {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    parse_state(&line).unwrap_or((None, State::Gone))
}

/// The name, in parentheses, may hold anything; state and parent follow it.
fn parse_state(line: &str) -> Option<(Option<u32>, State)> {
    let mut fields = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = match fields.next()? {
        "T" => State::Frozen,
        "Z" | "X" => State::Gone,
        _ => State::Alive,
    };
    Some((fields.next()?.parse().ok(), state))
}

#[cfg(test)]
mod tests {
    use super::{State, parse_state, state_of};

    #[test]
    fn a_name_with_parentheses_and_spaces_is_skipped() {
        let line = "42 (a) S 1 (b)) T 7 42 42 0 -1";
        assert_eq!(parse_state(line), Some((Some(7), State::Frozen)));
        assert_eq!(parse_state("43 (redis) Z 1 2"), Some((Some(1), State::Gone)));
        assert_eq!(parse_state(""), None);
    }

    #[test]
    fn this_process_is_alive_and_a_process_that_never_was_is_gone() {
        assert_eq!(state_of(std::process::id()).1, State::Alive);
        assert_eq!(state_of(u32::MAX), (None, State::Gone));
    }
}
