//! The generations that are put together, opened part by part.

use artifact_core::{AssemblyContext, AssemblyError, DocumentError, Generation, MEMBERS};
use formats::compression::Decompressed;

use crate::locations::Locator;
use crate::primary::Package;
use crate::repomd::Repomd;
use crate::survey;

/// Every generation with what its index says, in order of precedence.
pub(super) struct Sources<'a> {
    generations: &'a mut [Box<dyn Generation>],
    context: &'a AssemblyContext<'a>,
    indexes: Vec<Index>,
}

struct Index {
    repomd: Repomd,
    locator: Locator,
    member: String,
}

impl<'a> Sources<'a> {
    pub(super) fn read(
        generations: &'a mut [Box<dyn Generation>],
        context: &'a AssemblyContext<'a>,
    ) -> Result<Self, DocumentError> {
        let mut indexes = Vec::with_capacity(generations.len());
        for generation in generations.iter() {
            let document = generation.document();
            indexes.push(Index {
                repomd: Repomd::read(document.body)?,
                locator: Locator::of(&document)?,
                member: document.member.to_owned(),
            });
        }
        if indexes.is_empty() {
            return Err(DocumentError::Absent("no member has this repository".to_owned()));
        }
        Ok(Self { generations, context, indexes })
    }

    pub(super) fn count(&self) -> usize {
        self.indexes.len()
    }

    /// The directory that all indexes are of: empty, or ending with a slash.
    pub(super) fn root(&self) -> &str {
        self.indexes.first().map_or("", |index| index.locator.root())
    }

    /// Opens the first part of the generation at `position` that is of one of these kinds.
    pub(super) fn open(
        &mut self,
        position: usize,
        kinds: &[&str],
    ) -> Result<Option<Decompressed<'static>>, AssemblyError> {
        let (Some(index), Some(generation)) =
            (self.indexes.get_mut(position), self.generations.get_mut(position))
        else {
            return Ok(None);
        };
        let record = kinds.iter().find_map(|kind| index.repomd.of_kind(kind)).cloned();
        let Some(record) = record else { return Ok(None) };
        survey::open(generation.as_mut(), &mut index.locator, &record).map(Some)
    }

    /// How clients of what is made address a package of the generation at `position`. `None`: it is
    /// refused by a policy, or has no path.
    pub(super) fn link(
        &mut self,
        position: usize,
        package: &Package,
    ) -> Result<Option<String>, DocumentError> {
        let Some(index) = self.indexes.get_mut(position) else { return Ok(None) };
        let Some(file) = index.locator.locate(&package.href, package.base.as_deref())? else {
            return Ok(None);
        };
        if !(self.context.admits)(position, &file.path) {
            return Ok(None);
        }
        if self.context.by_member {
            return Ok(Some(format!("{MEMBERS}/{}/{}", index.member, file.path)));
        }
        let root = index.locator.root();
        Ok(Some(match file.path.strip_prefix(root) {
            Some(below) => below.to_owned(),
            None => format!("{}{}", "../".repeat(root.matches('/').count()), file.path),
        }))
    }
}
