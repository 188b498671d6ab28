use artifact_core::{ErrorBody, Problem};
use formats::json::quote;

/// What a forge answers; `puppet module` prints the message, r10k the errors.
pub(crate) fn error_body(problem: &Problem<'_>) -> ErrorBody {
    let mut sentence = String::new();
    quote(&format!("{} (req {})", problem.message, problem.request_id), &mut sentence);
    ErrorBody {
        content_type: crate::route::JSON,
        body: format!("{{\"message\":{sentence},\"errors\":[{sentence}]}}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_message_and_a_list() {
        let problem = Problem {
            status: 403,
            message: "blocked by \"x\"",
            request_id: "r1",
            ..Problem::default()
        };
        let body: serde_json::Value = serde_json::from_slice(&error_body(&problem).body).unwrap();
        assert_eq!(body["message"], "blocked by \"x\" (req r1)");
        assert_eq!(body["errors"][0], body["message"]);
    }
}
