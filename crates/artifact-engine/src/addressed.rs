//! What is asked of a virtual repository by its digest.
//!
//! It is the same wherever it comes from, so no upstream is asked for what a member holds: what a client asks for after a
//! name is with the member that knew the name. Only for the rest the order of members decides, beginning with the one
//! that gave something of the package last.

use std::sync::Arc;

use artifact_core::{Result, RowKey, Target};

use crate::copies;
use crate::pins::Pin;
use crate::remote::Wanted;
use crate::request::Reply;
use crate::snapshot::Mounted;
use crate::virtual_repository::{Tried, Walk, tried};

impl<'a> Walk<'a> {
    /// Serves what is named by its digest. The member that its package is pinned to may fail without ending the walk,
    /// because the order need not have begun with it.
    pub(crate) async fn serve_addressed(self, target: &Target) -> Result<Reply> {
        if let Some(reply) = self.serve_held(target).await? {
            return Ok(reply);
        }
        let walk = self.within_holder().await?;
        if let Some(member) = walk.pinned(target).await
            && let Some(asked) = walk.asked_of(member)?
            && let Ok(reply) = walk.serve_from(member, target, &asked).await
        {
            return Ok(reply);
        }
        walk.serve_first(target).await
    }

    /// The answer of the first member that holds `target`: of those whose rows are hot, which costs nothing to find
    /// out, else of all.
    async fn serve_held(self, target: &Target) -> Result<Option<Reply>> {
        let Self { shared, .. } = self;
        for is_hot in [true, false] {
            for member in self.members {
                let Some(asked) = self.asked_of(member)? else { continue };
                let is_held = match shared.rows.hot(&key_of(member, &asked)) {
                    Some(_) => is_hot,
                    None => !is_hot && self.holds(member, &asked).await?,
                };
                if !is_held {
                    continue;
                }
                let served = self.serve_from(member, target, &asked).await;
                if let Tried::Found(reply) = tried(member, served)? {
                    if let Some(pin) = self.pin_of(target) {
                        shared.pins.suggest(pin, member.id());
                    }
                    return Ok(Some(reply));
                }
            }
        }
        Ok(None)
    }

    /// Whether a member has the row, or makes it of another one. What a hosted repository holds must be known; a remote
    /// that cannot say is asked as if it held nothing.
    async fn holds(self, member: &Arc<Mounted>, asked: &Target) -> Result<bool> {
        let Self { shared, .. } = self;
        let is_remote = member.upstream.is_some();
        match shared.rows.get(&key_of(member, asked)).await {
            Ok(Some(_)) => Ok(true),
            Ok(None) if is_remote && member.denial(asked.path.as_str()).is_none() => {
                Ok(copies::adopt(shared, &Wanted::new(member, asked)?).await.is_some())
            }
            Ok(None) => Ok(false),
            Err(_) if is_remote => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The member that gave something of the package of `target` last.
    async fn pinned(self, target: &Target) -> Option<&'a Arc<Mounted>> {
        let Self { shared, .. } = self;
        let pin = self.pin_of(target)?;
        let id = shared.pins.find(shared.parts.ttl.as_ref(), &pin).await?;
        self.members.iter().find(|member| member.id() == id)
    }

    /// Remembers who answered, for what will be asked next.
    pub(crate) async fn pin(self, target: &Target, member: &Mounted) {
        let Self { shared, .. } = self;
        if let Some(pin) = self.pin_of(target) {
            shared.pins.set(shared.parts.ttl.as_ref(), pin, member.id()).await;
        }
    }

    /// Only types whose names lead to digests have anything to pin.
    fn pin_of(self, target: &Target) -> Option<Pin> {
        let mounted = self.call.mounted;
        mounted.provider.defaults().digest_header?;
        Some(Pin { repository: mounted.id(), package: target.package.clone()? })
    }
}

/// The row of what was `asked` of `member`.
pub(crate) fn key_of(member: &Mounted, asked: &Target) -> RowKey {
    RowKey { repository: member.id(), path: asked.path.clone(), variant: asked.source.clone() }
}
