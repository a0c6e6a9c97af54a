//! The lowest and highest value of a column, and whether it must be finite.

use std::cmp::Ordering;

use super::order::{compare, is_finite};
use super::timestamp::encode_in_zone;
use super::zone::{Zone, zone};
use super::{Verdict, encode};
use crate::plan::{Column, ValueType};

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
#[error("the {which} {text:?} can't be used with type {type_name}: {advice}")]
pub struct BoundError {
    /// `minimum` or `maximum`.
    pub which: &'static str,
    /// What was configured.
    pub text: String,
    /// The column's type.
    pub type_name: String,
    /// What would be right.
    pub advice: &'static str,
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
    /// The bounds of a column, from texts as the type's input has them; times without a zone are
    /// those of the column's. `None` where nothing is to be checked.
    ///
    /// # Errors
    /// Where a bound is not recognised: there is no server here that could be asked.
    pub fn of(column: &Column) -> Result<Option<Bounds>, BoundError> {
        let bound = |which, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| Bound::new(column, which, text)).transpose()
        };
        let bounds = Bounds {
            value_type: column.value_type,
            minimum: bound("minimum", &column.minimum)?,
            maximum: bound("maximum", &column.maximum)?,
            finite: column.finite,
        };
        let unbounded = bounds.minimum.is_none() && bounds.maximum.is_none() && !bounds.finite;
        Ok((!unbounded).then_some(bounds))
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
    fn new(column: &Column, which: &'static str, text: &str) -> Result<Bound, BoundError> {
        let mut field = Vec::new();
        // A zone that is not known is reported where the times are read.
        let session = column.rules.time_zone.as_deref();
        let session = session.and_then(|name| zone(name).ok());
        match encode_bound(column.value_type, text, session.as_deref(), &mut field) {
            Verdict::Encoded if column.value_type.has_canonical_image() => Ok(Bound {
                text: text.to_owned(),
                bytes: field.split_off(4),
            }),
            _ => Err(BoundError {
                which,
                text: text.to_owned(),
                type_name: column.type_name.clone(),
                advice: match (column.value_type, session) {
                    (
                        ValueType::Json | ValueType::Jsonb | ValueType::Enum | ValueType::Other,
                        _,
                    ) => "let a CHECK constraint of the table say it",
                    (_, Some(_)) => "write it with an offset, as \"2024-12-31 18:30+00\"",
                    _ => "write it in plain notation",
                },
            }),
        }
    }
}

fn encode_bound(
    value_type: ValueType,
    text: &str,
    session: Option<&Zone>,
    out: &mut Vec<u8>,
) -> Verdict {
    match session {
        Some(session) if value_type == ValueType::Timestamptz => {
            encode_in_zone(text.as_bytes(), |local| session.to_utc(local), out)
        }
        _ => encode(value_type, text.as_bytes(), out),
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use crate::plan::ValueRules;
    use ValueType::{Enum, Int4, Jsonb, Numeric, Other, Timestamptz};

    fn column(value_type: ValueType, minimum: &str, maximum: &str, finite: bool) -> Column {
        let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Column {
            minimum: bound(minimum),
            maximum: bound(maximum),
            finite,
            ..Column::new("c", value_type, "any")
        }
    }

    fn bounds(value_type: ValueType, minimum: &str, maximum: &str, finite: bool) -> Bounds {
        let bounds = Bounds::of(&column(value_type, minimum, maximum, finite));
        bounds.unwrap().expect("there is something to check")
    }

    #[test]
    fn bounds_are_inclusive() {
        let bounds = bounds(Numeric, "0", "9.50", false);
        let check = |text| bounds.check(&encoded(Numeric, text).unwrap());
        assert_eq!(check("0.000"), Ok(()));
        assert_eq!(check("9.5"), Ok(()));
        assert_eq!(check("-0.01"), Err(OutOfBounds::Below("0")));
        assert_eq!(check("9.51"), Err(OutOfBounds::Above("9.50")));
    }

    #[test]
    fn nan_is_above_a_maximum_and_not_finite() {
        let nan = [0, 0, 0, 0, 0xC0, 0, 0, 0];
        let check = |bounds: Bounds| bounds.check(&nan).map_err(|broken| format!("{broken:?}"));
        let broken = check(bounds(Numeric, "0", "", true));
        assert_eq!(broken, Err("NotFinite".into()));
        let broken = check(bounds(Numeric, "0", "1", false));
        assert_eq!(broken, Err("Above(\"1\")".into()));
    }

    #[test]
    fn infinity_can_be_refused() {
        let bounds = bounds(Timestamptz, "", "", true);
        let infinity = encoded(Timestamptz, "infinity").unwrap();
        assert_eq!(bounds.check(&infinity), Err(OutOfBounds::NotFinite));
    }

    #[test]
    fn every_type_with_an_encoder_has_bounds() {
        use ValueType::*;
        for (value_type, low, middle, high) in [
            (Int2, "-5", "0", "5"),
            (Int4, "-5", "0", "5"),
            (Int8, "-5", "0", "5"),
            (Float4, "-0.5", "0", "0.5"),
            (Float8, "-inf", "0", "inf"),
            (Numeric, "-1000.5", "-1000.05", "1000"),
            (Bool, "false", "false", "true"),
            (Text, "a", "b", "c"),
            (Bpchar, "a", "b", "c"),
            (
                Uuid,
                "00000000-0000-0000-0000-000000000000",
                "10000000-0000-0000-0000-000000000000",
                "f0000000-0000-0000-0000-000000000000",
            ),
            (Date, "1999-12-31", "2000-01-01", "infinity"),
            (Time, "09:59:59.9", "10:00", "23:59:59"),
            (Bytea, "\\x00ff", "\\x01", "\\x0100"),
            (Timestamp, "1999-12-31", "2000-01-01 00:00:01", "2000-01-02"),
            (
                Timestamptz,
                "2000-01-01 00:00+02",
                "1999-12-31 23:00Z",
                "2000-01-01",
            ),
        ] {
            let value = |text| encoded(value_type, text).unwrap();
            let check = |minimum, text, maximum| {
                let bounds = bounds(value_type, minimum, maximum, false);
                bounds.check(&value(text)).is_ok()
            };
            assert!(check(low, middle, high), "{value_type:?}");
            assert!(
                check(low, low, high) && check(low, high, high),
                "{value_type:?}"
            );
            assert!(!check(high, middle, ""), "{value_type:?}");
            assert!(!check("", high, middle), "{value_type:?}");
        }
    }

    #[test]
    fn a_bound_without_a_zone_is_one_of_the_columns() {
        let rules = ValueRules {
            time_zone: Some("Europe/Berlin".into()),
            ..ValueRules::default()
        };
        let column = |minimum| Column {
            rules: rules.clone(),
            ..column(Timestamptz, minimum, "", false)
        };
        let bounds = Bounds::of(&column("2024-07-01")).unwrap().unwrap();
        let check = |text| bounds.check(&encoded(Timestamptz, text).unwrap());
        assert_eq!(check("2024-06-30 22:00Z"), Ok(()));
        assert_eq!(
            check("2024-06-30 21:59:59Z"),
            Err(OutOfBounds::Below("2024-07-01"))
        );
        let error = Bounds::of(&column("1950-07-01")).unwrap_err();
        assert!(error.to_string().contains("with an offset"), "{error}");
        assert!(Bounds::of(&column("1950-07-01 00:00+01")).is_ok());
    }

    #[test]
    fn a_bound_must_be_a_value_of_the_type() {
        let error = Bounds::of(&column(Int4, "one", "", false)).unwrap_err();
        assert_eq!((error.which, error.text.as_str()), ("minimum", "one"));
        for (value_type, text) in [(Other, "1"), (Jsonb, "1"), (Enum, "low")] {
            let error = Bounds::of(&column(value_type, "", text, false)).unwrap_err();
            assert!(error.to_string().contains("CHECK constraint"), "{error}");
        }
        assert!(Bounds::of(&column(Other, "", "", false)).unwrap().is_none());
    }
}
