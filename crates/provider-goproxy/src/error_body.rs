use artifact_core::{ErrorBody, Problem};

/// One line of plain text, which `go` prints behind the status.
pub(crate) fn error_body(problem: &Problem<'_>) -> ErrorBody {
    ErrorBody {
        content_type: "text/plain; charset=utf-8",
        body: format!("{} (req {})\n", problem.message, problem.request_id).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_the_id_of_the_request() {
        let problem = Problem {
            status: 404,
            message: "no such version",
            request_id: "r1",
            ..Problem::default()
        };
        let body = error_body(&problem);
        assert_eq!(&body.body[..], b"no such version (req r1)\n");
        assert!(body.content_type.starts_with("text/plain"));
    }
}
