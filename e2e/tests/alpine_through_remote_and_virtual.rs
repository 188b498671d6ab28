//! Alpine's indexes and packages through the cache.
//!
//! No package of this machine's distribution has apk, so the signed index is checked with openssl
//! and with a reader that shares no code with the server.

use anyhow::{Context, Result};
use e2e::clients::ShellHome;
use e2e::fixtures::serve_alpine;
use e2e::{Server, Tools, remote, virtual_of};
use testkit::Origin;

/// Takes an index apart: prints what its signatures are called and what it lists, and leaves the
/// RSA256 signature and what it signs in files.
const READER: &str = r#"
import gzip, io, tarfile, zlib
index = open("index", "rb").read()
first = zlib.decompressobj(31)
signatures = first.decompress(index)
content = first.unused_data
at = 0
while at < len(signatures):
    name = signatures[at:at + 100].split(b"\0")[0].decode()
    size = int(signatures[at + 124:at + 135], 8)
    print(name)
    if name.startswith(".SIGN.RSA256."):
        open("signature", "wb").write(signatures[at + 512:at + 512 + size])
    at += 512 + (size + 511) // 512 * 512
open("content", "wb").write(content)
with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as archive:
    assert archive.getnames() == ["DESCRIPTION", "APKINDEX"], archive.getnames()
    for line in archive.extractfile("APKINDEX").read().decode().splitlines():
        if line[:2] in ("P:", "V:"):
            print(line)
"#;

#[expect(clippy::print_stdout, reason = "the run says what it could not do")]
async fn reader(server: &Server, repository: &str) -> Result<(ShellHome, String)> {
    println!("no apk here: the index is checked with openssl and an independent reader");
    let home = ShellHome::new(&[("python", &Tools::get().await?.python)])?;
    home.write("reader.py", READER)?;
    let index = server.http().get(&format!("{repository}/x86_64/APKINDEX.tar.gz")).await?;
    assert_eq!(index.status, 200, "{}", index.text());
    home.write("index", &index.body)?;
    let printed = home.shell("python reader.py").await?.stdout;
    Ok((home, printed))
}

#[tokio::test]
async fn a_remote_passes_the_index_on_as_it_is() -> Result<()> {
    let mut origin = Origin::start().await;
    serve_alpine(&origin, "", &[("alpha", "1-r0", b"the package alpha")])?;
    let server = Server::start().await?;
    let repository = remote(&server, "alpine", "alpine", origin.base_url()).await?;
    let upstream = server.http().get(&origin.url("/x86_64/APKINDEX.tar.gz")).await?.body;
    for state in ["cold", "warm", "upstream stopped"] {
        let index = server.http().get(&format!("{repository}/x86_64/APKINDEX.tar.gz")).await?;
        assert_eq!(index.body, upstream, "{state}");
        assert!(index.header("content-encoding").is_empty(), "{state}");
        let package = server.http().get(&format!("{repository}/x86_64/alpha-1-r0.apk")).await?;
        assert_eq!(package.body, &b"the package alpha"[..], "{state}");
        assert_eq!(origin.count("/x86_64/alpha-1-r0.apk"), 1, "{state}");
        if state == "warm" {
            origin.stop().await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_virtual_merges_and_signs_with_the_key_that_its_advice_installs() -> Result<()> {
    let mut origin = Origin::start().await;
    serve_alpine(&origin, "/ours", &[("alpha", "1-r0", b"our alpha")])?;
    let theirs: &[(&str, &str, &[u8])] =
        &[("alpha", "1-r0", b"their alpha"), ("beta", "2-r0", b"their beta")];
    serve_alpine(&origin, "/theirs", theirs)?;
    let server = Server::start().await?;
    remote(&server, "ours", "alpine", origin.url("/ours/")).await?;
    remote(&server, "theirs", "alpine", origin.url("/theirs/")).await?;
    let repository = virtual_of(&server, "alpine", "alpine", &["ours", "theirs"]).await?;

    let advice = server.get("/api/v2/repositories/alpine/snippets").await?.text();
    let begin = advice.find("artifactapi-").context("the advice names the key")?;
    let name: String =
        advice.chars().skip(begin).take_while(|c| !matches!(c, '"' | ' ' | '\\')).collect();
    let key = server.http().get(&format!("{repository}/keys/{name}")).await?;
    assert_eq!(key.status, 200, "{name}: {}", key.text());
    let other =
        server.http().get(&format!("{repository}/keys/artifactapi-00000000.rsa.pub")).await?;
    assert_eq!(other.status, 404);

    for state in ["cold", "warm", "upstream stopped"] {
        let (home, printed) = reader(&server, &repository).await?;
        assert!(printed.contains(&format!(".SIGN.RSA256.{name}\n")), "{state}: {printed}");
        assert!(printed.ends_with("P:alpha\nV:1-r0\nP:beta\nV:2-r0\n"), "{state}: {printed}");
        home.write("key", &key.body)?;
        home.shell("openssl dgst -sha256 -verify key -signature signature content").await?;
        for (file, expected) in [("alpha-1-r0", "our alpha"), ("beta-2-r0", "their beta")] {
            let package = server.http().get(&format!("{repository}/x86_64/{file}.apk")).await?;
            assert_eq!(package.text(), expected, "{state}");
        }
        if state == "warm" {
            origin.stop().await;
        }
    }
    assert_eq!(origin.count("/theirs/x86_64/alpha-1-r0.apk"), 0);
    Ok(())
}
