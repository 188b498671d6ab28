//! Documents that name files: published together with everything that leads to them.

use artifact_core::ports::{
    Absence, Durability, Need, Precondition, PublishedSet, Relation, RowSet,
};
use artifact_core::{
    Algorithm, ArtifactRow, Class, Digest, Digests, Error, ErrorKind, Fault, NamedFile, Outcome,
    Publication, RepoPath, RequestBody, Result, Submission,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use super::Conversation;
use crate::crash_point::crash_point;
use crate::request::Reply;
use crate::rows::HotRow;
use crate::selection::matches_strongly;
use crate::storing::{self, NewBlob};
use crate::verdict::text;

/// A document that was read, with what is known of its bytes.
struct Document<'a> {
    body: &'a Bytes,
    digests: &'a Digests,
    publication: &'a Publication,
}

impl Conversation<'_> {
    pub(super) async fn publish(
        &self,
        submission: &Submission,
        body: Option<RequestBody>,
    ) -> Result<Reply> {
        let body = self.receive(body, submission.limit).await?;
        let mut hasher = self.shared.parts.spool.hasher(&[Algorithm::Sha512]);
        hasher.update(&body);
        let digests = hasher.digests();
        let publication = self.rules.read(submission, &body, &digests)?;
        self.check_needs(&publication.needs).await?;
        let document = Document { body: &body, digests: &digests, publication: &publication };
        let set = self.set_of(&document).await?;
        for row in self.store(&document, set).await? {
            self.shared.rows.keep(row);
        }
        let (name, aliases) = (submission.name.as_str(), submission.aliases.as_slice());
        Ok(self.word(&Outcome::Published { name, publication: &publication, aliases }))
    }

    async fn receive(&self, body: Option<RequestBody>, limit: u64) -> Result<Bytes> {
        let too_large = || {
            let text = format!("a document has at most {limit} bytes");
            self.fault(ErrorKind::TooLarge, Fault::TooLarge, text)
        };
        let mut body =
            body.ok_or_else(|| Error::new(ErrorKind::BadRequest, "the request has no body"))?;
        if body.length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut received = BytesMut::new();
        while let Some(chunk) = body.stream.next().await.transpose()? {
            if received.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            received.extend_from_slice(&chunk);
        }
        if body.length.is_some_and(|length| length != received.len() as u64) {
            let text = "the body is shorter than its announced length";
            return Err(Error::new(ErrorKind::BadRequest, text));
        }
        Ok(received.freeze())
    }

    /// Looks for what the document names. The transaction that publishes it looks again; here every
    /// missing file is found and sizes are compared.
    async fn check_needs(&self, needs: &[NamedFile]) -> Result<()> {
        let mut missing = Vec::new();
        for need in needs {
            match self.size_of(need).await? {
                None if need.absence == Absence::Refused => missing.push(&need.digest),
                Some(size) if size != need.size => {
                    let text = format!(
                        "{} has {size} bytes, not {} as the document says",
                        need.digest, need.size
                    );
                    return Err(self.fault(ErrorKind::BadRequest, Fault::Size, text));
                }
                None | Some(_) => {}
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(self.missing(missing)) }
    }

    async fn size_of(&self, need: &NamedFile) -> Result<Option<u64>> {
        for path in &need.any_of {
            if let Some(hot) = self.shared.rows.get(&self.key(path)).await? {
                return Ok(Some(hot.row.size));
            }
        }
        Ok(None)
    }

    fn missing<'d>(&self, digests: impl IntoIterator<Item = &'d Digest>) -> Error {
        let details: Vec<String> = digests.into_iter().map(Digest::to_string).collect();
        let text = "the document names files that are not here";
        self.fault(ErrorKind::BadRequest, Fault::MissingFiles, text).with_details(details)
    }

    async fn set_of(&self, document: &Document<'_>) -> Result<RowSet> {
        let publication = document.publication;
        let mut rows = vec![(self.row(document, &publication.path)?, Precondition::Any)];
        for (index, alias) in publication.aliases.iter().enumerate() {
            // The conditions of the request are about what it names: the alias in its path.
            let precondition =
                if index == 0 { self.condition(alias).await? } else { Precondition::Any };
            rows.push((self.row(document, alias)?, precondition));
        }
        let needs = publication.needs.iter().map(|need| Need {
            any_of: need.any_of.iter().map(|path| self.key(path)).collect(),
            absence: need.absence,
            afterwards: need.afterwards,
        });
        let relation = publication.subject.as_ref().map(|subject| Relation {
            subject: subject.path.as_str().to_owned(),
            descriptor: subject.descriptor.clone(),
        });
        Ok(RowSet { rows, needs: needs.collect(), relation, promised_at: None })
    }

    fn row(&self, document: &Document<'_>, path: &RepoPath) -> Result<ArtifactRow> {
        let Document { body, digests, publication } = document;
        let blob = digests
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
        let now = self.shared.parts.clock.now();
        let is_alias = *path != publication.path;
        Ok(ArtifactRow {
            key: self.key(path),
            blob,
            size: body.len() as u64,
            class: if is_alias { Class::Mutable } else { Class::Immutable },
            content_type: Some(publication.content_type.clone()),
            // An alias does not tell from its path what its document is called.
            upstream_etag: is_alias.then(|| publication.digest.to_string()),
            upstream_last_modified: None,
            upstream_url: None,
            checksums: (*digests).clone(),
            fetched_at: now,
            validated_at: now,
            expires_at: None,
            generation: 0,
        })
    }

    /// What the conditions of the request mean for the row that is stored now.
    async fn condition(&self, alias: &RepoPath) -> Result<Precondition> {
        let headers = self.call.request.headers;
        let (wanted, unwanted) = (text(headers, &IF_MATCH), text(headers, &IF_NONE_MATCH));
        if wanted.is_none() && unwanted.is_none() {
            return Ok(Precondition::Any);
        }
        let held = self.shared.rows.read(&self.key(alias)).await?;
        let names = |list: &str, held: &HotRow| matches_strongly(list, &held.etag);
        let holds = match &held {
            Some(held) => {
                wanted.is_none_or(|list| names(list, held))
                    && !unwanted.is_some_and(|list| names(list, held))
            }
            None => wanted.is_none(),
        };
        if !holds {
            return Err(unexpected());
        }
        Ok(held.map_or(Precondition::Absent, |held| Precondition::Unchanged(held.row.generation)))
    }

    /// Stores the bytes, then the rows that lead to them.
    async fn store(&self, document: &Document<'_>, set: RowSet) -> Result<Vec<ArtifactRow>> {
        let size = document.body.len() as u64;
        let mut spool = self.shared.parts.spool.create(Some(size), &[]).await?;
        spool.append(document.body.clone()).await?;
        crash_point!("before-hash-check");
        let id = document
            .digests
            .blob_id()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the spool computed no SHA-256"))?;
        let blob = NewBlob { id, source: spool.path(), size, durability: Durability::Strict };
        storing::store(self.shared, blob, self.commit(document.publication, set)).await
    }

    async fn commit(&self, publication: &Publication, set: RowSet) -> Result<Vec<ArtifactRow>> {
        let keys: Vec<_> = set.rows.iter().map(|(row, _)| row.key.clone()).collect();
        match self.shared.parts.meta.publish_set(set).await? {
            PublishedSet::Stored(rows) => Ok(rows),
            PublishedSet::Missing(indexes) => {
                let missing = indexes.iter().filter_map(|index| publication.needs.get(*index));
                for path in missing.clone().flat_map(|need| &need.any_of) {
                    self.shared.rows.forget(&self.key(path));
                }
                Err(self.missing(missing.map(|need| &need.digest)))
            }
            PublishedSet::Conflict { index, .. } => {
                if let Some(key) = keys.get(index) {
                    self.shared.rows.forget(key);
                }
                Err(unexpected())
            }
        }
    }
}

fn unexpected() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the stored document is not the one expected")
}
