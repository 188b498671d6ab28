//! How repositories are doing, out of what this process knows about their upstreams.

use std::time::Duration;

use admin_types::{MemberStatus, State, Status};
use artifact_core::ports::{OriginState, Upstream};
use artifact_core::{Definition, Repository, Virtual};

use crate::snapshot::{Mounted, Snapshot};

/// How deep members of members are looked at. Only damaged data is deeper.
const DEEPEST: usize = 16;

/// The status of a stored repository.
pub(super) fn of(stored: &Repository, snapshot: &Snapshot, upstream: &dyn Upstream) -> Status {
    at_depth(stored, snapshot, upstream, 0)
}

fn at_depth(
    stored: &Repository,
    snapshot: &Snapshot,
    upstream: &dyn Upstream,
    depth: usize,
) -> Status {
    let Some(mounted) = snapshot.by_id(stored.id) else { return not_loaded() };
    match &stored.definition {
        Definition::Local(_) => Status::new(State::Ok),
        Definition::Remote(remote) if remote.offline => Status::new(State::Offline),
        Definition::Remote(_) => of_remote(mounted, upstream),
        Definition::Virtual(virtual_) => of_virtual(virtual_, snapshot, upstream, depth),
    }
}

fn not_loaded() -> Status {
    let error = "the repository could not be loaded, the log of the server says why";
    Status { last_error: Some(error.to_owned()), ..Status::new(State::Down) }
}

fn of_remote(mounted: &Mounted, upstream: &dyn Upstream) -> Status {
    match &mounted.upstream {
        Some(target) => of_origin(upstream.state(target)),
        None => Status::new(State::Ok),
    }
}

fn of_origin(origin: OriginState) -> Status {
    let (state, error) = match origin {
        OriginState::Closed => return Status::new(State::Ok),
        OriginState::Open { retry_after } => {
            (State::Down, format!("upstream keeps failing, next attempt {}", within(retry_after)))
        }
        OriginState::HalfOpen => {
            (State::Down, "upstream kept failing, an attempt is under way".to_owned())
        }
        OriginState::CoolDown { retry_after } => (
            State::RateLimited,
            format!("upstream asked us to wait, retry {}", within(retry_after)),
        ),
    };
    Status { last_error: Some(error), ..Status::new(state) }
}

/// `in 12 s`, rounded up so that it never promises too much.
fn within(wait: Duration) -> String {
    format!("in {} s", wait.as_millis().div_ceil(1000))
}

fn of_virtual(
    virtual_: &Virtual,
    snapshot: &Snapshot,
    upstream: &dyn Upstream,
    depth: usize,
) -> Status {
    let state_of = |name: &str| match snapshot.find(name) {
        Some(member) if depth < DEEPEST => {
            at_depth(&member.repository, snapshot, upstream, depth + 1).state
        }
        Some(_) | None => State::Down,
    };
    let members: Vec<_> = virtual_
        .members
        .iter()
        .map(|name| MemberStatus { name: name.to_string(), state: state_of(name.as_str()) })
        .filter(|member| !matches!(member.state, State::Ok | State::Offline))
        .collect();
    let state = if members.is_empty() { State::Ok } else { State::Degraded };
    Status { members, ..Status::new(state) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_decides_the_state_of_a_remote() {
        let wait = Duration::from_millis(1500);
        for (origin, state, error) in [
            (OriginState::Closed, State::Ok, None),
            (
                OriginState::Open { retry_after: wait },
                State::Down,
                Some("upstream keeps failing, next attempt in 2 s"),
            ),
            (
                OriginState::HalfOpen,
                State::Down,
                Some("upstream kept failing, an attempt is under way"),
            ),
            (
                OriginState::CoolDown { retry_after: wait },
                State::RateLimited,
                Some("upstream asked us to wait, retry in 2 s"),
            ),
        ] {
            let status = of_origin(origin);
            assert_eq!((status.state, status.last_error.as_deref()), (state, error));
        }
    }
}
