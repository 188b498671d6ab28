//! Announcements of all replicas, this one included, come in here.

use artifact_core::ports::Announcement;
use fred::interfaces::{EventInterface, PubsubInterface};
use fred::types::Message;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::RedisError;
use super::keeper::Purpose;
use super::session::Session;

/// Hands on what is said on a channel.
pub(crate) struct Listener {
    channel: String,
    /// Weak: the streams of receivers end with the cache.
    receivers: broadcast::WeakSender<Announcement>,
}

impl Listener {
    pub(crate) fn new(channel: String, receivers: broadcast::WeakSender<Announcement>) -> Self {
        Self { channel, receivers }
    }

    async fn hand_on(&self, mut messages: broadcast::Receiver<Message>) {
        loop {
            match messages.recv().await {
                Ok(message) => self.hand_on_one(&message),
                Err(RecvError::Lagged(lost)) => tracing::warn!(lost, "announcements were lost"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn hand_on_one(&self, message: &Message) {
        let announcement = message.value.as_bytes().and_then(decoded);
        let Some(announcement) = announcement else {
            tracing::debug!("what is said on the channel is no announcement");
            return;
        };
        if let Some(receivers) = self.receivers.upgrade() {
            // Fails only when nobody listens.
            let _ = receivers.send(announcement);
        }
    }
}

impl Purpose for Listener {
    const NAME: &'static str = "announcements";

    async fn serve(&self, mut session: Session) -> RedisError {
        let messages = session.client().message_rx();
        if let Err(failed) = session.patient().subscribe(self.channel.clone()).await {
            return RedisError::Command(failed);
        }
        tokio::select! {
            ended = session.ended() => ended,
            () = self.hand_on(messages) => RedisError::Disconnected,
        }
    }
}

/// An announcement as it travels.
#[derive(Deserialize, Serialize)]
struct Wire {
    topic: String,
    message: String,
}

/// `announcement` as it travels.
pub(crate) fn encoded(announcement: Announcement) -> String {
    let Announcement { topic, message } = announcement;
    serde_json::json!({ "topic": topic, "message": message }).to_string()
}

fn decoded(text: &[u8]) -> Option<Announcement> {
    let Wire { topic, message } = serde_json::from_slice(text).ok()?;
    Some(Announcement { topic, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_travel_whole() {
        for (topic, message) in [("rows", "a:b"), ("", ""), ("\"{", "\n\u{0}ü")] {
            let announcement =
                Announcement { topic: topic.to_owned(), message: message.to_owned() };
            assert_eq!(decoded(encoded(announcement.clone()).as_bytes()), Some(announcement));
        }
    }

    #[test]
    fn anything_else_is_no_announcement() {
        for text in ["", "x", "{}", "[]", r#"{"topic":"a"}"#, r#"{"topic":1,"message":"b"}"#] {
            assert_eq!(decoded(text.as_bytes()), None, "{text}");
        }
    }
}
