//! What a flight has to fetch.

use std::sync::Arc;

use artifact_core::ports::{Conditions, Intent, Redirects, Trust, UpstreamRequest};
use artifact_core::{Class, Digests, RowKey, Target};
use url::Url;

use crate::freshness::Lifetimes;
use crate::rows::HotRow;
use crate::snapshot::Mounted;
use crate::verdict::Asked;

/// Everything a leader needs to know; complete before the flight is registered.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about the target and the remote"
)]
pub(crate) struct Job {
    /// The remote.
    pub(crate) mounted: Arc<Mounted>,
    /// What is fetched.
    pub(crate) target: Target,
    /// Where the result is stored.
    pub(crate) key: RowKey,
    /// How its freshness is judged.
    pub(crate) class: Class,
    /// The time rules.
    pub(crate) lifetimes: Lifetimes,
    /// Where to fetch it.
    pub(crate) url: Url,
    /// Where the URL came from.
    pub(crate) trust: Trust,
    /// Document or file.
    pub(crate) intent: Intent,
    /// The media type to send; `None` takes upstream's.
    pub(crate) content_type: Option<&'static str>,
    /// Whether HTML can be right.
    pub(crate) html_allowed: bool,
    /// Whether a 403 means absence.
    pub(crate) forbidden_means_missing: bool,
    /// What the body must hash to.
    pub(crate) expected: Digests,
    /// How long the body must be.
    pub(crate) expected_size: Option<u64>,
    /// The largest body that is stored.
    pub(crate) limit: u64,
    /// The copy that is held and may be confirmed.
    pub(crate) held: Option<Arc<HotRow>>,
    /// The row whose bytes were lost and are fetched anew.
    pub(crate) heal: Option<Arc<HotRow>>,
    /// Whether nothing may be shown before everything is verified.
    pub(crate) verify_before_serve: bool,
    /// Whether an absence is believed at once although a copy is held.
    pub(crate) believe_absence: bool,
    /// How long an absence is remembered.
    pub(crate) negative_ttl: std::time::Duration,
}

impl Job {
    /// The request that opens the flight.
    pub(crate) fn request(&self) -> Option<UpstreamRequest> {
        let target = Arc::clone(self.mounted.upstream.as_ref()?);
        let conditions = self.held.as_ref().map_or_else(Conditions::default, |held| Conditions {
            etag: held.row.upstream_etag.clone(),
            last_modified: held.row.upstream_last_modified.clone(),
        });
        Some(UpstreamRequest {
            redirects: if self.has_substitute() { Redirects::Moves } else { Redirects::All },
            accept: self.target.accept,
            compressed: self.intent == Intent::Metadata,
            conditions,
            ..UpstreamRequest::get(target, self.url.clone(), self.trust, self.intent)
        })
    }

    /// The row that the result will replace.
    pub(crate) fn replaces(&self) -> Option<&Arc<HotRow>> {
        self.held.as_ref().or(self.heal.as_ref())
    }

    /// Whether `row` is what this flight was to bring: newer than what is held, and of the right bytes.
    pub(crate) fn is_satisfied_by(&self, row: &HotRow) -> bool {
        let seen = self.replaces().map_or(0, |replaced| replaced.row.generation);
        let is_required = self.expected.blob_id().is_none_or(|blob| blob == row.row.blob);
        row.row.generation > seen && is_required
    }

    /// What decides how the answer is judged.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            conditional: self.held.is_some(),
            html_allowed: self.html_allowed,
            forbidden_means_missing: self.forbidden_means_missing,
            see_other_means_missing: self.has_substitute(),
            authenticated: self.mounted.has_credential(),
        }
    }

    /// Whether something takes its place where upstream does not have it.
    fn has_substitute(&self) -> bool {
        self.mounted.provider.substitute(&self.target).is_some()
    }

    /// Whether a broken transfer may be continued: never where two versions could be mixed.
    pub(crate) fn is_resumable(&self) -> bool {
        self.class == Class::Immutable || !self.expected.is_empty()
    }
}
