//! Stored files and documents.

use artifact_core::{Class, Described, Error, ErrorKind, Reading, Result};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use super::{Conversation, absent, replace};
use crate::answer::{self, CacheNote};
use crate::request::Reply;

impl Conversation<'_> {
    pub(super) async fn read(&self, reading: &Reading) -> Result<Reply> {
        let Self { shared, call, rules, .. } = *self;
        let key = self.key(&reading.path);
        let hot = shared.rows.get(&key).await?.ok_or_else(absent)?;
        if reading.promises && call.request.method == Method::HEAD {
            shared.promises.make(shared, &key).await?;
        }
        let class =
            if hot.row.class == Class::Immutable { Class::Immutable } else { Class::Mutable };
        let mut reply =
            answer::from_row(shared, &call.asking(), &hot, class, CacheNote::Hit { ttl: None })
                .await?
                .ok_or_else(|| {
                    Error::new(ErrorKind::Unavailable, "the bytes of this file are missing")
                })?;
        let mut described = rules.describe(&Described::of(&hot.row));
        if reply.status == StatusCode::PARTIAL_CONTENT {
            // Several parts have a type of their own.
            described.remove(CONTENT_TYPE);
        }
        replace(&mut reply.headers, described);
        Ok(reply)
    }
}
