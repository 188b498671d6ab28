use artifact_core::{ErrorBody, Problem};

/// One line: installers print no more of it, if any.
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
            status: 403,
            message: "refused by a policy",
            request_id: "r1",
            ..Problem::default()
        };
        assert_eq!(&error_body(&problem).body[..], b"refused by a policy (req r1)\n");
    }
}
