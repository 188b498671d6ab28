//! Blobs that are not where their name says.
//!
//! Nothing in a bucket can be moved, and copying many gigabytes takes longer than clients wait for the end of
//! an upload. So the object that the parts of an upload became stays where it is, and an empty object,
//! a link, says in its key of which blob it is the bytes: `links/sha256/{hash}/{size}.{upload}.{name}` leads
//! to `whole/{upload}/{name}`. Links are looked for only where the blob's own key has nothing.
//!
//! A link names bytes that no other link and no other upload has, so there may be several of one blob, and
//! what is deleted late is never what somebody linked anew. A link without its bytes is nothing.
//! To delete is to remove the bytes and then the link: who breaks off in between leaves a link that
//! leads nowhere, and the same deletion, repeated, finds it.

use std::collections::BTreeMap;

use artifact_core::BlobId;
use artifact_core::ports::{BlobListing, BlobRead, ByteRange};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::keys::{self, Link};
use super::list::{PAGE, changed_at};

const AT_A_TIME: usize = 8;

/// A blob that a listing names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    /// Under its own key.
    Named(BlobListing),
    /// By a link, whose bytes were not looked for yet.
    Linked(BlobListing),
}

impl Found {
    const fn listing(self) -> BlobListing {
        match self {
            Self::Named(listing) | Self::Linked(listing) => listing,
        }
    }
}

impl Bucket {
    /// All links from blob `id`, whether they lead anywhere or not.
    pub(super) async fn links(&self, id: BlobId) -> Result<Vec<Link>, S3Failure> {
        let page = self.page(&keys::links(id), None, PAGE).await?;
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        Ok(keys.filter_map(|key| keys::link_at(&key)).map(|(_, link)| link).collect())
    }

    /// The size of the blob `id` if a link leads to it.
    pub(super) async fn linked_size(&self, id: BlobId) -> Result<Option<u64>, S3Failure> {
        for link in self.links(id).await? {
            if self.size(&link.target()).await? == Some(link.size) {
                return Ok(Some(link.size));
            }
        }
        Ok(None)
    }

    /// The bytes of `range` of the blob `id` if a link leads to it.
    pub(super) async fn open_linked(
        &self,
        id: BlobId,
        range: Option<ByteRange>,
    ) -> Result<Option<BlobRead>, S3Failure> {
        for link in self.links(id).await? {
            let opened = self.open(&link.target(), range).await?;
            if let Some(read) = opened.filter(|read| read.size == link.size) {
                return Ok(Some(read));
            }
        }
        Ok(None)
    }

    /// Makes the bytes that `link` names those of blob `id`.
    pub(super) async fn put_link(&self, id: BlobId, link: &Link) -> Result<(), S3Failure> {
        self.put_bytes(&keys::link(id, link), &Bytes::new()).await
    }

    /// Removes `link` from blob `id`, and the bytes that it names.
    pub(super) async fn delete_link(&self, id: BlobId, link: &Link) -> Result<(), S3Failure> {
        self.delete(&link.target()).await?;
        self.delete(&keys::link(id, link)).await
    }

    /// Up to `limit` blobs greater than `after`, in order, wherever their bytes are.
    pub(super) async fn list(
        &self,
        mut after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<BlobListing>, S3Failure> {
        let mut blobs = Vec::new();
        while blobs.len() < limit {
            let wanted = limit - blobs.len();
            let (named, linked) =
                tokio::try_join!(self.list_named(after, wanted), self.list_linked(after, wanted))?;
            let page = merged(named, linked, wanted);
            let is_last = page.len() < wanted;
            after = page.last().map(|found| found.listing().id);
            let present = stream::iter(page).map(|found| self.present(found)).buffered(AT_A_TIME);
            blobs.extend(present.try_collect::<Vec<_>>().await?.into_iter().flatten());
            if is_last {
                break;
            }
        }
        Ok(blobs)
    }

    /// Up to `limit` blobs greater than `after` that links are from, in order.
    async fn list_linked(
        &self,
        after: Option<BlobId>,
        limit: usize,
    ) -> Result<Vec<BlobListing>, S3Failure> {
        let mut found: Vec<BlobListing> = Vec::new();
        let mut position = after.map(keys::behind_links);
        while found.len() < limit {
            let page = self.page(keys::LINKS, position, PAGE).await?;
            let is_last = !page.is_truncated.unwrap_or(false);
            let objects = page.contents.unwrap_or_default();
            position = objects.last().and_then(|object| object.key.clone());
            for object in &objects {
                let Some((id, link)) = object.key.as_deref().and_then(keys::link_at) else {
                    continue;
                };
                if found.last().is_none_or(|last| last.id != id) {
                    let stored_at = changed_at(object)?;
                    found.push(BlobListing { id, size: link.size, stored_at });
                }
            }
            if is_last || position.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// `found`, unless it is a link that leads nowhere.
    async fn present(&self, found: Found) -> Result<Option<BlobListing>, S3Failure> {
        match found {
            Found::Named(listing) => Ok(Some(listing)),
            Found::Linked(listing) => {
                let size = self.linked_size(listing.id).await?;
                Ok(size.map(|size| BlobListing { size, ..listing }))
            }
        }
    }
}

/// The first `limit` of two listings in one order. What lies under a blob's own key is what is read.
fn merged(named: Vec<BlobListing>, linked: Vec<BlobListing>, limit: usize) -> Vec<Found> {
    let linked = linked.into_iter().map(Found::Linked);
    let found = linked.chain(named.into_iter().map(Found::Named));
    let in_order: BTreeMap<BlobId, Found> =
        found.map(|found| (found.listing().id, found)).collect();
    in_order.into_values().take(limit).collect()
}

#[cfg(test)]
mod tests {
    use artifact_core::Timestamp;

    use super::*;

    fn listing(first: u8, size: u64) -> BlobListing {
        let stored_at = Timestamp::from_millis(0);
        BlobListing { id: BlobId::from_bytes([first; 32]), size, stored_at }
    }

    #[test]
    fn two_listings_are_one_in_order_and_the_own_key_counts() {
        let named = vec![listing(1, 10), listing(3, 30)];
        let linked = vec![listing(0, 5), listing(3, 31), listing(4, 40)];
        let all = [
            Found::Linked(listing(0, 5)),
            Found::Named(listing(1, 10)),
            Found::Named(listing(3, 30)),
            Found::Linked(listing(4, 40)),
        ];
        for limit in 0..=5 {
            let expected = &all[..limit.min(4)];
            assert_eq!(merged(named.clone(), linked.clone(), limit), expected, "{limit}");
        }
    }
}
