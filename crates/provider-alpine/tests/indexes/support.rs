//! Indexes for tests, and those who sign them.

use artifact_core::{
    DocumentError, DocumentKind, Error, ErrorKind, Inspection, Provider as _, PublicKeys, RepoPath,
    RepositoryKind, Result, RewriteContext, Rewritten, RsaHash, Signer, SourceDocument, Timestamp,
    Variant,
};
use bytes::Bytes;
use formats::archive::{Entries, TarWriter, compress, members};
use provider_alpine::AlpineProvider;

pub(crate) const PATH: &str = "v3.22/main/x86_64/APKINDEX.tar.gz";
pub(crate) const KEY_FILE: &str = "artifactapi-0123abcd.rsa.pub";

/// An index at one of the members.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) member: &'static str,
    pub(crate) url: Option<String>,
    pub(crate) body: Bytes,
}

impl Index {
    /// With this text, at the ordinary place.
    pub(crate) fn of(member: &'static str, text: &str) -> Self {
        let url = Some(format!("https://{member}.example/alpine/{PATH}"));
        Self { member, url, body: archive(text) }
    }
}

/// An archive with a signature of upstream's.
pub(crate) fn archive(text: &str) -> Bytes {
    let mut signature = TarWriter::new();
    signature.file(".SIGN.RSA.upstream.rsa.pub", &[7; 256]).unwrap();
    let mut content = TarWriter::new();
    content.file("DESCRIPTION", b"v3.22.1").unwrap();
    content.file("APKINDEX", text.as_bytes()).unwrap();
    let both = [signature.without_end(), content.finish()].map(|part| compress(&part).unwrap());
    both.concat().into()
}

/// The text in an archive.
pub(crate) fn text(archive: &[u8]) -> String {
    let content: Vec<u8> =
        members(archive, 1 << 30).unwrap().into_iter().flat_map(|member| member.content).collect();
    let found = Entries::new(&content).map(std::result::Result::unwrap);
    let index = found.into_iter().find(|entry| entry.name == "APKINDEX").unwrap();
    String::from_utf8(index.content.to_vec()).unwrap()
}

/// A record as indexes of the distribution have it.
pub(crate) fn record(name: &str, version: &str, architecture: &str, identity: &str) -> String {
    format!(
        "C:Q1{identity}=\nP:{name}\nV:{version}\nA:{architecture}\nS:1200\nI:4096\nT:it: works\n\
         U:https://{name}.example/\nL:MIT\no:{name}\nm:A <a@b.example>\nt:1700000000\nc:abc\n\
         k:10\nD:so:libc.musl-x86_64.so.1 !{name}-old\ni:docs {name}={version}\np:cmd:{name}={version}\n\n"
    )
}

/// How an index is asked for.
pub(crate) struct Asking<'a> {
    pub(crate) kind: RepositoryKind,
    pub(crate) path: &'a str,
    pub(crate) admits: &'a (dyn Fn(&str) -> bool + Send + Sync),
    pub(crate) signer: Option<&'a dyn Signer>,
}

impl Default for Asking<'_> {
    fn default() -> Self {
        Self { kind: RepositoryKind::Virtual, path: PATH, admits: &|_| true, signer: Some(&Scribe) }
    }
}

impl Asking<'_> {
    /// What clients get, with the facts.
    pub(crate) fn rewrite(&self, indexes: &[Index]) -> Result<Rewritten, DocumentError> {
        let path = RepoPath::from_decoded(self.path).unwrap();
        let documents: Vec<_> = indexes
            .iter()
            .enumerate()
            .map(|(position, index)| document(index, &path, position))
            .collect();
        let context = RewriteContext {
            wanted: &Variant::new("archive"),
            admits: self.admits,
            secure: true,
            kind: self.kind,
            path: &path,
            changed_at: Timestamp::from_seconds(1_700_000_000),
            signer: self.signer,
        };
        AlpineProvider::new().rewrite(&documents, &context)
    }
}

/// What a virtual repository of these members serves.
pub(crate) fn merged(indexes: &[Index]) -> Rewritten {
    Asking::default().rewrite(indexes).unwrap()
}

/// What a remote serves of this index.
pub(crate) fn passed_on(index: &Index) -> Result<Rewritten, DocumentError> {
    let asking = Asking { kind: RepositoryKind::Remote, signer: None, ..Asking::default() };
    asking.rewrite(std::slice::from_ref(index))
}

pub(crate) fn inspected(index: &Index) -> Result<Inspection, DocumentError> {
    let path = RepoPath::from_decoded(PATH).unwrap();
    AlpineProvider::new().inspect(&document(index, &path, 0))
}

fn document<'a>(index: &'a Index, path: &'a RepoPath, position: usize) -> SourceDocument<'a> {
    SourceDocument {
        kind: DocumentKind("apkindex"),
        path,
        source: &Variant::SOURCE,
        member: index.member,
        remote: None,
        position,
        url: index.url.as_deref(),
        content_type: None,
        body: &index.body,
    }
}

/// The only rendition.
pub(crate) fn body(rewritten: &Rewritten) -> Bytes {
    let [rendition] = rewritten.renditions.as_slice() else { panic!("{rewritten:?}") };
    assert_eq!(rendition.variant, Variant::new("archive"));
    assert_eq!(rendition.content_type, "application/gzip");
    assert!(rendition.body.is_fixed());
    rendition.body.fill("")
}

/// Signs in a way that nobody could verify.
#[derive(Debug)]
pub(crate) struct Scribe;

impl Signer for Scribe {
    fn sign_openpgp(&self, _: &[u8], _: Timestamp) -> Result<Bytes> {
        panic!("not the OpenPGP key")
    }

    fn sign_openpgp_armored(&self, _: &[u8], _: Timestamp) -> Result<Bytes> {
        panic!("not the OpenPGP key")
    }

    fn sign_rsa(&self, hash: RsaHash, data: &[u8]) -> Result<Bytes> {
        Ok(format!("{hash:?} {}", data.len()).into())
    }

    fn public_keys(&self) -> Result<PublicKeys> {
        Ok(PublicKeys {
            openpgp_armored: Bytes::new(),
            openpgp_key_id: String::new(),
            rsa_pem: Bytes::new(),
            rsa_file_name: KEY_FILE.to_owned(),
        })
    }
}

/// Cannot sign.
#[derive(Debug)]
pub(crate) struct Locked;

impl Signer for Locked {
    fn sign_openpgp(&self, _: &[u8], _: Timestamp) -> Result<Bytes> {
        self.sign_rsa(RsaHash::Sha1, b"")
    }

    fn sign_openpgp_armored(&self, _: &[u8], _: Timestamp) -> Result<Bytes> {
        self.sign_rsa(RsaHash::Sha1, b"")
    }

    fn sign_rsa(&self, _: RsaHash, _: &[u8]) -> Result<Bytes> {
        Err(Error::new(ErrorKind::Unavailable, "the keys are locked away"))
    }

    fn public_keys(&self) -> Result<PublicKeys> {
        Scribe.public_keys()
    }
}
