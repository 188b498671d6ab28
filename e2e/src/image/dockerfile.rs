//! The shipped Dockerfile without what has to be pulled.

use anyhow::{Context, Result, ensure};

/// The last stage of `dockerfile`, on an empty base that `runtime` fills. What it copies from
/// the stage before comes from the build context, by the same path.
pub(crate) fn last_stage_on_scratch(dockerfile: &str, runtime: &str) -> Result<String> {
    let lines: Vec<_> = dockerfile.lines().collect();
    let is_base = |line: &&str| line.starts_with("FROM ");
    let first = lines.iter().rposition(is_base).context("the Dockerfile has no stage")?;
    let mut stage = vec!["FROM scratch".to_owned(), format!("COPY {runtime}/ /")];
    let rest = lines.get(first + 1..).unwrap_or_default();
    stage.extend(rest.iter().map(|line| line.replace("--from=build ", "")));
    let stage = stage.join("\n");
    ensure!(!stage.contains("--from="), "the last stage copies from a stage that is not built");
    Ok(stage)
}

#[cfg(test)]
mod tests {
    use super::last_stage_on_scratch;

    #[test]
    fn only_the_base_and_the_source_of_copies_are_replaced() {
        let dockerfile = "FROM rust AS build\nRUN cargo build\n\nFROM distroless\n\
                          COPY --from=build --chown=1:1 /image/data /data\nUSER 1:1\n";
        let stage = last_stage_on_scratch(dockerfile, "runtime").unwrap();
        let expected =
            "FROM scratch\nCOPY runtime/ /\nCOPY --chown=1:1 /image/data /data\nUSER 1:1";
        assert_eq!(stage, expected);
    }

    #[test]
    fn a_copy_from_elsewhere_is_not_passed_over() {
        let dockerfile = "FROM distroless\nCOPY --from=busybox /bin/sh /bin/sh\n";
        assert!(last_stage_on_scratch(dockerfile, "runtime").is_err());
        assert!(last_stage_on_scratch("RUN true", "runtime").is_err());
    }
}
