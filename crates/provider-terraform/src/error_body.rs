use artifact_core::{ErrorBody, Problem};
use formats::json::quote;

/// The form that the clients print under their own message.
pub(crate) fn error_body(problem: &Problem<'_>) -> ErrorBody {
    let mut body = String::from("{\"errors\":[");
    quote(&format!("{} (req {})", problem.message, problem.request_id), &mut body);
    body.push_str("]}\n");
    ErrorBody { content_type: "application/json", body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_list_of_one_sentence_with_the_id_of_the_request() {
        let problem = Problem {
            status: 403,
            message: "refused by \"pattern\"",
            request_id: "r1",
            ..Problem::default()
        };
        let body = error_body(&problem);
        assert_eq!(body.content_type, "application/json");
        assert_eq!(&body.body[..], b"{\"errors\":[\"refused by \\\"pattern\\\" (req r1)\"]}\n");
    }
}
