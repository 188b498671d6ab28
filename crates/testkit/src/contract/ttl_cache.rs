//! Contract of `TtlCache`.
