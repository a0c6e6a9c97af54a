//! Which rule of its column a text breaks.

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It has more characters than `max_length`.
    TooLong,
    /// It does not match `pattern`.
    Pattern,
    /// It is none of the `allowed` values.
    NotAllowed,
    /// A separator stands where `thousands` and `decimal` don't have it.
    Number,
    /// It is not written as `format` says.
    Format,
    /// It is no count of `epoch`.
    Epoch,
    /// It is a time that the server can't hold.
    TimeRange,
}
