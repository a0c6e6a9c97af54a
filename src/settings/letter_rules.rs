//! How long dead letters are kept, validated.

use std::time::Duration;

/// How long a pipeline's dead letters are kept. What nothing is said of is kept for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LetterRules {
    /// How long those are kept that are RESOLVED or DISCARDED.
    pub retention: Option<Duration>,
    /// The most of them that are kept.
    pub most: Option<u64>,
    /// How long those are kept that are NEW: what nobody has looked at is gone then.
    pub new_retention: Option<Duration>,
}
