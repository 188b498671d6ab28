//! A server that is too old, as far as it says itself.

use meta_db::{PostgresError, PostgresSettings, PostgresStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One message to the client.
fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 4).unwrap();
    let mut message = vec![kind];
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(content);
    message
}

/// Answers every query with one row of one text.
async fn serve(mut client: TcpStream, answer: &str) -> std::io::Result<()> {
    let length = client.read_u32().await?;
    client.read_exact(&mut vec![0; length as usize - 4]).await?;
    let ready = message(b'Z', b"I");
    client.write_all(&[message(b'R', &[0; 4]), ready.clone()].concat()).await?;
    loop {
        let kind = client.read_u8().await?;
        let length = client.read_u32().await?;
        client.read_exact(&mut vec![0; length as usize - 4]).await?;
        if kind != b'Q' {
            continue;
        }
        let mut column = vec![0, 1];
        column.extend_from_slice(b"version\0");
        column.extend_from_slice(&[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
        ]);
        let mut row = vec![0, 1];
        row.extend_from_slice(&u32::try_from(answer.len()).unwrap().to_be_bytes());
        row.extend_from_slice(answer.as_bytes());
        let answers =
            [message(b'T', &column), message(b'D', &row), message(b'C', b"SHOW\0"), ready.clone()];
        client.write_all(&answers.concat()).await?;
    }
}

#[tokio::test]
async fn a_server_before_version_12_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let settings = PostgresSettings {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        user: "artifacts".to_owned(),
        password: artifact_core::Secret::new("password"),
        database: "artifacts".to_owned(),
        tls: meta_db::TlsMode::Disable,
        pool_size: 4,
    };
    let key = meta_db::EncryptionKey::from_bytes([7; 32]);
    let store = PostgresStore::new(settings, key, directory.path().join("kept.json")).unwrap();
    let server = async {
        let (client, _) = listener.accept().await.unwrap();
        serve(client, "110022").await
    };
    let error = tokio::select! {
        prepared = store.prepare() => prepared.unwrap_err(),
        ended = server => panic!("the server ended: {ended:?}"),
    };
    assert!(matches!(&error, PostgresError::TooOld(version) if version == "11.22"), "{error:?}");
}
