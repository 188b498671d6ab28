//! Whether a conditional write may go on.

use artifact_core::ports::Precondition;

/// Whether `precondition` holds for what is stored: its generation or revision, if anything is.
pub(crate) fn holds(precondition: Precondition, stored: Option<i64>) -> bool {
    match precondition {
        Precondition::Any => true,
        Precondition::Absent => stored.is_none(),
        Precondition::Unchanged(expected) => stored == Some(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_is_judged_by_what_is_stored() {
        for (precondition, stored, expected) in [
            (Precondition::Any, None, true),
            (Precondition::Any, Some(1), true),
            (Precondition::Absent, None, true),
            (Precondition::Absent, Some(1), false),
            (Precondition::Unchanged(1), Some(1), true),
            (Precondition::Unchanged(1), Some(2), false),
            (Precondition::Unchanged(1), None, false),
        ] {
            assert_eq!(holds(precondition, stored), expected, "{precondition:?} {stored:?}");
        }
    }
}
