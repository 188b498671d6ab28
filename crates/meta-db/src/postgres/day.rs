//! Days (UTC) and the partitions that hold them.

use artifact_core::Timestamp;

const DAY_MILLIS: i64 = 86_400_000;
const PARTITION: &str = "access_log_";

/// A day, counted from the epoch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Day(i64);

impl Day {
    pub(crate) fn of(moment: Timestamp) -> Self {
        Self(moment.as_millis().div_euclid(DAY_MILLIS))
    }

    /// The day that a partition holds, if it is one of ours.
    pub(crate) fn of_partition(name: &str) -> Option<Self> {
        let date = name.strip_prefix(PARTITION)?;
        let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
        let day = Self::of(Timestamp::from_rfc3339(&format!("{year}-{month}-{day}T00:00:00Z"))?);
        (day.partition() == name).then_some(day)
    }

    /// The name of its partition, such as `access_log_20270115`.
    pub(crate) fn partition(self) -> String {
        let moment = Timestamp::from_millis(self.start()).to_rfc3339();
        let date = moment.split('T').next().unwrap_or_default();
        format!("{PARTITION}{}", date.replace('-', ""))
    }

    pub(crate) fn number(self) -> i64 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// When it begins, in milliseconds since the epoch.
    pub(crate) fn start(self) -> i64 {
        self.0.saturating_mul(DAY_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_found_again_by_the_name_of_its_partition() {
        for (seconds, name) in [
            (0, "access_log_19700101"),
            (86_399, "access_log_19700101"),
            (86_400, "access_log_19700102"),
            (-1, "access_log_19691231"),
            (1_800_000_000, "access_log_20270115"),
        ] {
            let day = Day::of(Timestamp::from_seconds(seconds));
            assert_eq!(day.partition(), name);
            assert_eq!(Day::of_partition(name), Some(day));
        }
    }

    #[test]
    fn other_tables_are_no_partitions() {
        for name in [
            "access_log",
            "access_log_",
            "access_log_2027",
            "access_log_20271315",
            "x_20270115",
            "access_log_20270115x",
            "access_log_20270115; DROP TABLE blob",
        ] {
            assert_eq!(Day::of_partition(name), None, "{name}");
        }
    }
}
