//! Which paths of a repository mean what.

use artifact_core::{MEMBERS, RepoPath};

/// The index.
pub(crate) const INDEX: &str = "index.yaml";
/// The first segment of charts that do not lie below upstream's root.
pub(crate) const EXTERNAL: &str = "_ext";
/// How a chart's file ends.
pub(crate) const CHART: &str = ".tgz";
/// What is appended to a chart's path for its provenance.
pub(crate) const PROVENANCE: &str = ".prov";

/// Whether a path begins with a segment that has a meaning of our own, so that no file of upstream
/// can be served under its own path there.
pub(crate) fn is_reserved(path: &RepoPath) -> bool {
    path.segments().next().is_some_and(|first| first == EXTERNAL || first == MEMBERS)
}

/// Whether a chart that lies under this path below upstream's root may keep it.
pub(crate) fn is_own_chart(path: &RepoPath) -> bool {
    path.as_str().ends_with(CHART) && !is_reserved(path)
}

/// The path of a chart that lies elsewhere, if its parts can be segments of one.
pub(crate) fn external_path(name: &str, version: &str, file: Option<&str>) -> Option<RepoPath> {
    let file = match file {
        Some(file) if file.ends_with(CHART) => file.to_owned(),
        _ => format!("{name}-{version}{CHART}"),
    };
    let path = RepoPath::from_decoded(&format!("{EXTERNAL}/{name}/{version}/{file}")).ok()?;
    (path.segments().count() == 4).then_some(path)
}

/// What a path below [`EXTERNAL`] names: the chart's name, and whether its provenance is meant.
pub(crate) fn external_chart(path: &RepoPath) -> Option<&str> {
    let chart = path.as_str().strip_suffix(PROVENANCE).unwrap_or(path.as_str());
    let mut segments = chart.split('/');
    let is_external = segments.next() == Some(EXTERNAL) && chart.ends_with(CHART);
    let name = segments.next()?;
    (is_external && segments.count() == 2).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_from_elsewhere_has_a_path_with_its_name_and_version() {
        for (name, version, file, path) in [
            ("a", "1.0.0+b", Some("x.tgz"), Some("_ext/a/1.0.0+b/x.tgz")),
            ("a", "1.0.0", Some("download"), Some("_ext/a/1.0.0/a-1.0.0.tgz")),
            ("a", "1.0.0", None, Some("_ext/a/1.0.0/a-1.0.0.tgz")),
            ("a/b", "1.0.0", None, None),
            ("..", "1.0.0", None, None),
            ("", "1.0.0", None, None),
            ("a", "1.0.0", Some("x/../../y.tgz"), None),
        ] {
            let found = external_path(name, version, file);
            assert_eq!(found.as_ref().map(RepoPath::as_str), path);
            let name_again = found.as_ref().and_then(external_chart);
            assert_eq!(name_again, path.map(|_| name));
        }
    }
}
