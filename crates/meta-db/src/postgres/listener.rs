//! The connection that hears of changes, and everybody who waits for it.
//!
//! It is opened when somebody waits for the first time, opened again whenever it breaks, and
//! closed with the store. It promises nothing: who waits asks by itself now and then.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use artifact_core::ports::WakeUps;
use futures_util::stream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{AsyncMessage, Client};

use super::connector::Connector;
use crate::error::StoreError;

/// Until the connection is open, and until each sign of life.
const ANSWER: Duration = Duration::from_secs(5);
/// Between signs of life: a frozen server would keep the connection open for ever.
const SILENCE: Duration = Duration::from_secs(15);
/// Between attempts to connect: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

const LISTEN: &str = "LISTEN artifactapi_changes";
const SIGN_OF_LIFE: &str = "SELECT 1";

/// Fans the hints of one connection out.
pub(crate) struct Listener {
    connector: Connector,
    hints: watch::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Listener {
    /// Connects to nothing yet.
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, hints: watch::Sender::new(()), task: Mutex::default() }
    }

    /// Hints from now on, until the listener is dropped. Must be called within a runtime.
    pub(crate) fn wake_ups(&self) -> WakeUps {
        let hints = self.hints.subscribe();
        self.start();
        let next = |mut hints: watch::Receiver<()>| async move {
            hints.changed().await.ok().map(|()| ((), hints))
        };
        Box::pin(stream::unfold(hints, next))
    }

    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            *task = Some(tokio::spawn(listen(self.connector.clone(), self.hints.clone())));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Listens for ever.
async fn listen(connector: Connector, hints: watch::Sender<()>) {
    let mut pause = PAUSE.0;
    loop {
        let began = Instant::now();
        let error = hear(&connector, &hints).await;
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "no notifications from the database for a moment"
        );
        pause = if began.elapsed() > PAUSE.1 { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
        sleep(pause).await;
    }
}

/// Listens until the connection breaks, and says why it did.
async fn hear(connector: &Connector, hints: &watch::Sender<()>) -> StoreError {
    let (client, mut connection) = match timeout(ANSWER, connector.connect()).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return error.into(),
        Err(_) => return StoreError::Unanswered,
    };
    // Driving the connection delivers the notifications and the answers to `attend`.
    let deliver = async {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => hints.send_replace(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.into(),
                None => return StoreError::Unanswered,
            }
        }
    };
    tokio::select! {
        error = deliver => error,
        error = attend(&client, hints) => error,
    }
}

/// Asks for notifications, and now and then whether the server still lives.
async fn attend(client: &Client, hints: &watch::Sender<()>) -> StoreError {
    let mut statement = LISTEN;
    loop {
        match timeout(ANSWER, client.batch_execute(statement)).await {
            Ok(Ok(())) if statement == LISTEN => {
                // Something may have changed before anybody listened.
                hints.send_replace(());
                statement = SIGN_OF_LIFE;
            }
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return StoreError::Unanswered,
        }
        sleep(SILENCE).await;
    }
}
