//! Bytes first, then what refers to them, and in between nothing that collects them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifact_core::ports::{Durability, Pinned};
use artifact_core::{BlobId, Result};

use crate::crash_point::crash_point;
use crate::shared::Shared;

/// Longer than any upload to a store takes. A pin that its owner could not take away ends then.
const PIN: Duration = Duration::from_secs(6 * 3600);

/// A verified file that is to become a blob.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewBlob<'a> {
    pub(crate) id: BlobId,
    pub(crate) source: &'a Path,
    pub(crate) size: u64,
    pub(crate) durability: Durability,
}

/// Stores a blob and then does what `refer` does: writing the row that refers to it. The blob is
/// pinned meanwhile, so that the collector neither deletes what was found to be there already
/// nor takes the newcomer for garbage.
pub(crate) async fn store<T>(
    shared: &Shared,
    blob: NewBlob<'_>,
    refer: impl Future<Output = Result<T>>,
) -> Result<T> {
    let pin = pin(shared, blob.id).await?;
    let stored = async {
        let NewBlob { id, source, size, durability } = blob;
        shared.parts.blobs.put_file(id, source, size, durability).await?;
        crash_point!("after-bytes-before-database");
        refer.await
    }
    .await;
    pin.release(shared);
    stored
}

/// Does what `refer` does: writing a row that refers to a blob which is stored already. `None` if it is not.
pub(crate) async fn refer_to_stored<T>(
    shared: &Shared,
    id: BlobId,
    size: u64,
    refer: impl Future<Output = Result<T>>,
) -> Result<Option<T>> {
    let pin = pin(shared, id).await?;
    let referred = async {
        let is_stored = match pin.found {
            Pinned::Live => true,
            Pinned::Absent => false,
            Pinned::Revived => shared.parts.blobs.stat(id).await? == Some(size),
        };
        if is_stored { refer.await.map(Some) } else { Ok(None) }
    }
    .await;
    pin.release(shared);
    referred
}

/// A blob that is not collected until the pin is released, or ends by itself.
#[must_use]
pub(crate) struct Pin {
    id: BlobId,
    owner: String,
    /// Whether the blob was there.
    pub(crate) found: Pinned,
}

/// Keeps a blob, stored or not, from being collected.
pub(crate) async fn pin(shared: &Shared, id: BlobId) -> Result<Pin> {
    let owner = owner(&shared.settings.replica);
    let until = shared.parts.clock.now().plus(PIN);
    let found = shared.parts.meta.pin(id, &owner, until).await?;
    Ok(Pin { id, owner, found })
}

impl Pin {
    /// Lets the blob go.
    pub(crate) fn release(self, shared: &Shared) {
        unpin(shared, self.id, self.owner);
    }
}

/// Takes a pin away, behind the caller's back: nobody has to wait for that.
fn unpin(shared: &Shared, id: BlobId, owner: String) {
    let meta = std::sync::Arc::clone(&shared.parts.meta);
    shared.tasks.spawn(async move {
        if let Err(error) = meta.unpin(id, &owner).await {
            tracing::debug!(%error, blob = %id, "a pin stays until it ends by itself");
        }
    });
}

/// A name that no other pin and no other claim has.
pub(crate) fn owner(replica: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{replica}/{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
