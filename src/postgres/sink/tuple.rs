//! PURE: the fields of an encoded row, which is a tuple of the binary COPY format.

use std::cmp::Ordering;

use crate::plan::ValueType;
use crate::row::compare;

/// A field of a row, with the length before it.
pub fn field(row: &[u8], position: usize) -> Option<&[u8]> {
    let mut rest = row.get(2..)?;
    for _ in 0..position {
        rest = rest.get(field_length(rest)?..)?;
    }
    rest.get(..field_length(rest)?)
}

/// The value of a field; `None` where it is NULL.
pub fn value(row: &[u8], position: usize) -> Option<&[u8]> {
    let field = field(row, position)?;
    let length = i32::from_be_bytes(*field.first_chunk()?);
    (length >= 0).then(|| &field[4..])
}

/// The order of two rows by one of their columns; NULL is the lowest.
pub fn order_by(position: usize, value_type: ValueType, a: &[u8], b: &[u8]) -> Ordering {
    match (value(a, position), value(b, position)) {
        (Some(a), Some(b)) => compare(value_type, a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn field_length(rest: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(*rest.first_chunk()?);
    Some(4 + usize::try_from(length).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Vec<u8> {
        [
            &[0, 3][..],
            &[0xFF, 0xFF, 0xFF, 0xFF],
            &[0, 0, 0, 2, b'a', b'b'],
            &[0, 0, 0, 0],
        ]
        .concat()
    }

    #[test]
    fn fields_are_found_behind_nulls_and_others() {
        let row = row();
        assert_eq!(field(&row, 0), Some(&[0xFF; 4][..]));
        assert_eq!(field(&row, 1), Some(&[0, 0, 0, 2, b'a', b'b'][..]));
        assert_eq!(field(&row, 2), Some(&[0; 4][..]));
        assert_eq!(field(&row, 3), None);
        assert_eq!(value(&row, 0), None);
        assert_eq!(value(&row, 1), Some(&b"ab"[..]));
        assert_eq!(value(&row, 2), Some(&b""[..]));
    }

    #[test]
    fn null_is_the_lowest() {
        let number = |value: i32| [&[0, 1, 0, 0, 0, 4][..], &value.to_be_bytes()].concat();
        let null = [&[0, 1][..], &[0xFF; 4]].concat();
        let order = |a: &[u8], b: &[u8]| order_by(0, ValueType::Int4, a, b);
        assert_eq!(order(&number(-1), &number(1)), Ordering::Less);
        assert_eq!(order(&null, &number(i32::MIN)), Ordering::Less);
        assert_eq!(order(&number(i32::MIN), &null), Ordering::Greater);
        assert_eq!(order(&null, &null), Ordering::Equal);
    }
}
