//! Docker Hub's names. Its official images have one component for people and two in the registry.

use artifact_core::Remote;
use registry_v2::ImageName;
use url::Url;

/// The hosts by which Docker Hub is known.
const HOSTS: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// What the registry puts before the name of an official image.
const OFFICIAL: &str = "library";

/// The name that upstream has for an image. One name for both spellings, so that they share their copies,
/// their rules and their downloads.
pub(super) fn upstream_name(name: &ImageName, remote: Option<&Remote>) -> String {
    if name.is_bare() && remote.is_some_and(is_hub) {
        return format!("{OFFICIAL}/{name}");
    }
    name.to_string()
}

fn is_hub(remote: &Remote) -> bool {
    let url = Url::parse(&remote.base_url);
    url.is_ok_and(|url| url.host_str().is_some_and(|host| is_host(host.trim_end_matches('.'))))
}

pub(crate) fn is_host(host: &str) -> bool {
    HOSTS.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hub_has_official_images() {
        for (base_url, name, expected) in [
            ("https://registry-1.docker.io", "alpine", "library/alpine"),
            ("https://registry-1.docker.io/v2/", "library/alpine", "library/alpine"),
            ("https://DOCKER.io", "alpine", "library/alpine"),
            ("https://index.docker.io.", "alpine", "library/alpine"),
            ("https://registry-1.docker.io", "me/app", "me/app"),
            ("https://quay.io", "alpine", "alpine"),
            ("https://docker.io.example.com", "alpine", "alpine"),
            ("https://host.example/docker.io", "alpine", "alpine"),
        ] {
            let remote = Remote::new(base_url);
            let name: ImageName = name.parse().unwrap();
            assert_eq!(upstream_name(&name, Some(&remote)), expected, "{base_url}");
        }
        assert_eq!(upstream_name(&"alpine".parse().unwrap(), None), "alpine");
    }
}
