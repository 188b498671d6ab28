//! Waiting for what becomes true by itself.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, interval, timeout};

const POLL: Duration = Duration::from_millis(50);

/// Asks until the answer is a value, and returns it with the time that it took. `what` names
/// what was waited for.
pub async fn eventually<T, F>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<(T, Duration)>
where
    F: Future<Output = Result<Option<T>>>,
{
    let began = Instant::now();
    let mut poll = interval(POLL);
    let asking = async {
        loop {
            poll.tick().await;
            if let Some(value) = ask().await? {
                return anyhow::Ok(value);
            }
        }
    };
    let value = timeout(limit, asking).await;
    let value = value.with_context(|| format!("not within {} s: {what}", limit.as_secs()))??;
    Ok((value, began.elapsed()))
}

/// What `work` comes to, if that takes no longer than `limit`.
pub async fn within<T>(
    what: &str,
    limit: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = timeout(limit, work).await;
    done.with_context(|| format!("not within {} s: {what}", limit.as_secs()))?
}
