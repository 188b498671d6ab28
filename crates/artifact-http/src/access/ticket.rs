//! Tickets: short-lived proofs of what somebody may do, for clients that fetch one before they work.
//!
//! A ticket is signed and not stored, so that every replica that has the same secret can read it without asking
//! anybody. It outlives a revocation by its own lifetime at most.
//!
//! `artifactapi-ticket.<claims>.<tag>`: the claims are JSON, both parts Base64 for URLs, the tag is the HMAC-SHA256 of
//! the encoded claims.

use std::fmt;

use artifact_core::{Permission, RepositoryName, Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

const MARK: &str = "artifactapi-ticket.";
/// No ticket that we issue is longer.
const LONGEST: usize = 8 * 1024;

/// What a ticket says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ticket {
    holder: String,
    expires_at: Timestamp,
    /// Repositories that may be read, and whether they may be written, too.
    grants: Vec<(RepositoryName, bool)>,
}

impl Ticket {
    /// A ticket for `holder`, who is anybody if the name is empty.
    pub(crate) fn new(
        holder: &str,
        expires_at: Timestamp,
        grants: Vec<(RepositoryName, bool)>,
    ) -> Self {
        Self { holder: holder.to_owned(), expires_at, grants }
    }

    /// Whose it is.
    pub(crate) fn holder(&self) -> &str {
        &self.holder
    }

    /// From when on it is worth nothing.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it was issued for this.
    pub(crate) fn allows(&self, permission: Permission<'_>) -> bool {
        let granted = |wanted: &str| self.grants.iter().find(|(name, _)| name.as_str() == wanted);
        match permission {
            Permission::Identify => true,
            Permission::Read(name) => granted(name).is_some(),
            Permission::Write(name) => granted(name).is_some_and(|(_, may_write)| *may_write),
            Permission::Administer => false,
        }
    }
}

/// Signs tickets, and knows its own again.
pub(crate) struct TicketOffice(hmac::Key);

impl TicketOffice {
    /// An office with this secret, which replicas share.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// The text of a ticket; `None` if it says too much.
    pub(crate) fn issue(&self, ticket: &Ticket) -> Option<String> {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(ticket).ok()?);
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, claims.as_bytes()));
        Some([MARK, &claims, ".", &tag].concat()).filter(|text| text.len() <= LONGEST)
    }

    /// Whether `text` claims to be a ticket.
    pub(crate) fn is_ticket(text: &[u8]) -> bool {
        text.starts_with(MARK.as_bytes())
    }

    /// The ticket of a text that this office issued and that has not expired at `now`.
    pub(crate) fn read(&self, text: &[u8], now: Timestamp) -> Option<Ticket> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
        let (claims, tag) = text.strip_prefix(MARK)?.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, claims.as_bytes(), &tag).ok()?;
        let ticket: Ticket = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        Some(ticket).filter(|ticket| now < ticket.expires_at)
    }
}

impl fmt::Debug for TicketOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketOffice(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn office(secret: &str) -> TicketOffice {
        TicketOffice::new(&Secret::new(secret))
    }

    fn ticket() -> Ticket {
        let expires_at = Timestamp::from_seconds(NOW.as_seconds() + 900);
        let grants = vec![("hub".parse().unwrap(), false), ("apps".parse().unwrap(), true)];
        Ticket::new("ci", expires_at, grants)
    }

    #[test]
    fn a_ticket_is_read_by_whoever_has_the_secret_until_it_expires() {
        let text = office("shared").issue(&ticket()).unwrap();
        assert!(TicketOffice::is_ticket(text.as_bytes()));
        assert_eq!(office("shared").read(text.as_bytes(), NOW), Some(ticket()));
        assert_eq!(office("other").read(text.as_bytes(), NOW), None);
        assert_eq!(office("shared").read(text.as_bytes(), ticket().expires_at()), None);
    }

    #[test]
    fn a_ticket_that_was_touched_is_none() {
        let text = office("shared").issue(&ticket()).unwrap();
        for index in MARK.len()..text.len() {
            let mut touched = text.clone().into_bytes();
            touched[index] = if touched[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(office("shared").read(&touched, NOW), None, "{index}");
        }
        for other in ["", MARK, "artifactapi-ticket..", "artifactapi-ticket.e30.e30"] {
            assert_eq!(office("shared").read(other.as_bytes(), NOW), None, "{other}");
        }
        let long = [MARK, &"A".repeat(LONGEST)].concat();
        assert_eq!(office("shared").read(long.as_bytes(), NOW), None);
    }

    #[test]
    fn a_ticket_allows_what_it_was_issued_for() {
        use Permission::{Administer, Identify, Read, Write};
        for (permission, expected) in [
            (Read("hub"), true),
            (Write("hub"), false),
            (Read("apps"), true),
            (Write("apps"), true),
            (Read("else"), false),
            (Administer, false),
            (Identify, true),
        ] {
            assert_eq!(ticket().allows(permission), expected, "{permission:?}");
        }
    }
}
