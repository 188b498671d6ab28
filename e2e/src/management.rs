//! Repositories, as an operator makes them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::Server;

/// Creates a remote towards `base_url` with nothing but the required fields.
pub async fn remote(
    server: &Server,
    name: &str,
    package_type: &str,
    base_url: impl ToString,
) -> Result<String> {
    let base_url = base_url.to_string();
    let body = json!({"name": name, "package_type": package_type, "base_url": base_url});
    create(server, "remote", name, &body).await
}

/// Creates a virtual over `members`, in their order.
pub async fn virtual_of(
    server: &Server,
    name: &str,
    package_type: &str,
    members: &[&str],
) -> Result<String> {
    let body = json!({"name": name, "package_type": package_type, "members": members});
    create(server, "virtual", name, &body).await
}

/// Creates a local repository.
pub async fn local(server: &Server, name: &str, package_type: &str) -> Result<String> {
    create(server, "local", name, &json!({"name": name, "package_type": package_type})).await
}

/// Returns the repository's URL.
async fn create(server: &Server, kind: &str, name: &str, body: &Value) -> Result<String> {
    let collection = server.url(&format!("/api/v2/{kind}s"));
    let answer = server.http().post_json(&collection, body).await?;
    ensure!(answer.status == 201, "POST {body}: {} {}", answer.status, answer.text());
    Ok(server.repository(kind, name))
}
