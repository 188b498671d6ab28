//! Repositories in directories, as generations to be merged and as places for what is made.

#![expect(unreachable_pub, reason = "shared by the measuring program and the tests")]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use artifact_core::{
    AssemblyContext, AssemblyError, BlobId, DocumentKind, Generation, KeyKind, Output, PublicKeys,
    RepoPath, RsaHash, Signer, SourceDocument, StoredFile, Timestamp, Variant,
};
use bytes::Bytes;
use ring::digest::{Context, SHA256, digest};

/// A repository in a directory, as member of a merge.
pub struct DirectoryGeneration {
    directory: PathBuf,
    member: String,
    path: RepoPath,
    url: String,
    body: Bytes,
}

impl DirectoryGeneration {
    /// The repository in `directory`, which is called `member` and lies at the root of its remote.
    pub fn open(directory: &Path, member: &str) -> io::Result<Self> {
        Ok(Self {
            directory: directory.to_owned(),
            member: member.to_owned(),
            path: RepoPath::from_decoded("repodata/repomd.xml").map_err(io::Error::other)?,
            url: format!("https://{member}.example/pub/repodata/repomd.xml"),
            body: fs::read(directory.join("repodata/repomd.xml"))?.into(),
        })
    }
}

impl Generation for DirectoryGeneration {
    fn document(&self) -> SourceDocument<'_> {
        SourceDocument {
            kind: DocumentKind("repomd"),
            path: &self.path,
            source: &Variant::SOURCE,
            member: &self.member,
            remote: None,
            position: 0,
            url: Some(&self.url),
            content_type: None,
            body: &self.body,
        }
    }

    fn open(&mut self, path: &str) -> Result<Option<Box<dyn Read + Send>>, AssemblyError> {
        match File::open(self.directory.join(path)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes what is made into a directory.
pub struct DirectoryOutput {
    directory: PathBuf,
    unnamed: HashMap<BlobId, PathBuf>,
    /// The paths that were named, in order, with their media types.
    pub named: Vec<(String, &'static str)>,
}

impl DirectoryOutput {
    pub fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), unnamed: HashMap::new(), named: Vec::new() })
    }
}

impl Output for DirectoryOutput {
    fn store(
        &mut self,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<(), AssemblyError>,
    ) -> Result<StoredFile, AssemblyError> {
        let path = self.directory.join("unnamed");
        let digest = Context::new(&SHA256);
        let mut sink = Counted { file: BufWriter::new(File::create(&path)?), digest, size: 0 };
        write(&mut sink)?;
        sink.flush()?;
        let bytes = sink.digest.finish().as_ref().try_into().map_err(io::Error::other)?;
        let stored = StoredFile { blob: BlobId::from_bytes(bytes), size: sink.size };
        let kept = self.directory.join(stored.blob.to_hex());
        fs::rename(path, &kept)?;
        self.unnamed.insert(stored.blob, kept);
        Ok(stored)
    }

    fn name(
        &mut self,
        file: StoredFile,
        path: &str,
        content_type: &'static str,
    ) -> Result<(), AssemblyError> {
        let target = self.directory.join(path);
        target.parent().map(fs::create_dir_all).transpose()?;
        let kept = self.unnamed.remove(&file.blob).ok_or_else(|| io::Error::other("not stored"))?;
        fs::rename(kept, target)?;
        self.named.push((path.to_owned(), content_type));
        Ok(())
    }
}

struct Counted {
    file: BufWriter<File>,
    digest: Context,
    size: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Signs with a hash, so that a test sees over what.
#[derive(Debug)]
pub struct HashSigner;

impl HashSigner {
    /// The signature over `data`.
    pub fn over(data: &[u8]) -> Bytes {
        digest(&SHA256, data).as_ref().to_vec().into()
    }
}

impl Signer for HashSigner {
    fn sign_openpgp(&self, data: &[u8], _: Timestamp) -> artifact_core::Result<Bytes> {
        Ok(Self::over(data))
    }

    fn sign_openpgp_armored(&self, data: &[u8], _: Timestamp) -> artifact_core::Result<Bytes> {
        Ok(Self::over(data))
    }

    fn sign_rsa(&self, _: RsaHash, data: &[u8]) -> artifact_core::Result<Bytes> {
        Ok(Self::over(data))
    }

    fn public_keys(&self) -> artifact_core::Result<PublicKeys> {
        let name = KeyKind::OpenPgp.name();
        Ok(PublicKeys {
            openpgp_armored: Bytes::from_static(name.as_bytes()),
            openpgp_key_id: "0".repeat(16),
            rsa_pem: Bytes::new(),
            rsa_file_name: String::new(),
        })
    }
}

/// The context of a merge that admits everything, made at one moment.
pub fn context(signer: &HashSigner) -> AssemblyContext<'_> {
    AssemblyContext {
        by_member: true,
        admits: &|_, _| true,
        changed_at: Timestamp::from_seconds(1_700_000_000),
        signer: Some(signer),
    }
}
