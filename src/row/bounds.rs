//! The lowest and highest value of a column, and whether it must be finite.

use std::cmp::Ordering;

use super::order::{compare, is_finite};
use super::{Verdict, encode};
use crate::plan::ValueType;

/// What a column's values must keep to; checked on the binary value.
#[derive(Clone, Debug)]
pub struct Bounds {
    value_type: ValueType,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    finite: bool,
}

#[derive(Clone, Debug)]
struct Bound {
    text: String,
    bytes: Vec<u8>,
}

/// A bound that is no value of the column's type as far as the encoder knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {which} {text:?} can't be used with type {value_type:?}: write it in plain notation")]
pub struct BoundError {
    /// `minimum` or `maximum`.
    pub which: &'static str,
    /// What was configured.
    pub text: String,
    /// The column's type.
    pub value_type: ValueType,
}

/// Which bound a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfBounds<'a> {
    /// It is below this.
    Below(&'a str),
    /// It is above this.
    Above(&'a str),
    /// It is infinite or NaN.
    NotFinite,
}

impl Bounds {
    /// The bounds, from texts as the type's input has them.
    ///
    /// # Errors
    /// Where a bound is not recognised: there is no server here that could be asked.
    pub fn new(
        value_type: ValueType,
        minimum: Option<&str>,
        maximum: Option<&str>,
        finite: bool,
    ) -> Result<Bounds, BoundError> {
        let bound = |which, text: Option<&str>| {
            text.map(|text| Bound::new(value_type, which, text))
                .transpose()
        };
        Ok(Bounds {
            value_type,
            minimum: bound("minimum", minimum)?,
            maximum: bound("maximum", maximum)?,
            finite,
        })
    }

    /// Checks a binary value that is not NULL.
    ///
    /// # Errors
    /// The first bound that it breaks.
    pub fn check(&self, value: &[u8]) -> Result<(), OutOfBounds<'_>> {
        if self.finite && !is_finite(self.value_type, value) {
            return Err(OutOfBounds::NotFinite);
        }
        if let Some(minimum) = &self.minimum
            && compare(self.value_type, value, &minimum.bytes) == Ordering::Less
        {
            return Err(OutOfBounds::Below(&minimum.text));
        }
        if let Some(maximum) = &self.maximum
            && compare(self.value_type, value, &maximum.bytes) == Ordering::Greater
        {
            return Err(OutOfBounds::Above(&maximum.text));
        }
        Ok(())
    }
}

impl Bound {
    fn new(value_type: ValueType, which: &'static str, text: &str) -> Result<Bound, BoundError> {
        let mut field = Vec::new();
        match encode(value_type, text.as_bytes(), &mut field) {
            Verdict::Encoded if value_type.has_canonical_image() => Ok(Bound {
                text: text.to_owned(),
                bytes: field.split_off(4),
            }),
            _ => Err(BoundError {
                which,
                text: text.to_owned(),
                value_type,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use ValueType::{Int4, Jsonb, Numeric, Other, Timestamptz};

    #[test]
    fn bounds_are_inclusive() {
        let bounds = Bounds::new(Numeric, Some("0"), Some("9.50"), false).unwrap();
        let check = |text| bounds.check(&encoded(Numeric, text).unwrap());
        assert_eq!(check("0.000"), Ok(()));
        assert_eq!(check("9.5"), Ok(()));
        assert_eq!(check("-0.01"), Err(OutOfBounds::Below("0")));
        assert_eq!(check("9.51"), Err(OutOfBounds::Above("9.50")));
    }

    #[test]
    fn nan_is_above_a_maximum_and_not_finite() {
        let nan = [0, 0, 0, 0, 0xC0, 0, 0, 0];
        let bounds = Bounds::new(Numeric, Some("0"), None, true).unwrap();
        assert_eq!(bounds.check(&nan), Err(OutOfBounds::NotFinite));
        let bounds = Bounds::new(Numeric, Some("0"), Some("1"), false).unwrap();
        assert_eq!(bounds.check(&nan), Err(OutOfBounds::Above("1")));
    }

    #[test]
    fn infinity_can_be_refused() {
        let bounds = Bounds::new(Timestamptz, None, None, true).unwrap();
        let infinity = encoded(Timestamptz, "infinity").unwrap();
        assert_eq!(bounds.check(&infinity), Err(OutOfBounds::NotFinite));
    }

    #[test]
    fn a_bound_must_be_a_value_of_the_type() {
        let error = Bounds::new(Int4, Some("one"), None, false).unwrap_err();
        assert_eq!((error.which, error.text.as_str()), ("minimum", "one"));
        assert!(Bounds::new(Other, None, Some("1"), false).is_err());
        assert!(Bounds::new(Jsonb, None, Some("1"), false).is_err());
    }
}
