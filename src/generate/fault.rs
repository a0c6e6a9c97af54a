//! What can be wrong with a row.

use ingestd_actors::model::Reason;

/// The one thing that is wrong with a malformed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A field too few or too many.
    FieldCount,
    /// An event id that is no uuid.
    Uuid,
    /// An event time that is no time.
    Time,
    /// An event type that there is not.
    Type,
    /// A price that is no number.
    Price,
    /// A price below zero.
    NegativePrice,
    /// A quantity of 0.
    ZeroQuantity,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A NUL byte.
    Nul,
}

impl Fault {
    /// All of them; malformed rows take them in turn.
    pub const ALL: [Fault; 9] = [
        Fault::FieldCount,
        Fault::Uuid,
        Fault::Time,
        Fault::Type,
        Fault::Price,
        Fault::NegativePrice,
        Fault::ZeroQuantity,
        Fault::InvalidUtf8,
        Fault::Nul,
    ];

    /// The reason of the dead letter that such a row must become, where the pipeline wants a uuid,
    /// a time, an allowed type, a price of at least 0 and a quantity of at least 1.
    pub fn reason(self) -> Reason {
        match self {
            Fault::FieldCount => Reason::FieldCount,
            Fault::Uuid | Fault::Time | Fault::Price => Reason::InvalidValue,
            Fault::Type => Reason::NotAllowed,
            Fault::NegativePrice | Fault::ZeroQuantity => Reason::OutOfRange,
            Fault::InvalidUtf8 => Reason::InvalidEncoding,
            Fault::Nul => Reason::NulByte,
        }
    }

    /// Spoils the fields of a record, which stand as they will be written.
    pub(super) fn apply(self, fields: &mut Vec<Vec<u8>>, choice: u64) {
        let pick = |forms: &[&[u8]]| forms[(choice % forms.len() as u64) as usize].to_vec();
        match self {
            Fault::FieldCount if choice.is_multiple_of(2) => fields.truncate(QUANTITY),
            Fault::FieldCount => fields.push(b"surplus".to_vec()),
            Fault::Uuid if choice.is_multiple_of(2) => fields[ID].truncate(35),
            Fault::Uuid => fields[ID][(choice / 2 % 8) as usize] = b'g',
            Fault::Time => {
                fields[TIME] = pick(&[b"not-a-time", b"2025-13-01T00:00:00Z", b"2025-01-01T25"])
            }
            Fault::Type => fields[TYPE] = pick(&[b"teleport", b"viewed", b"add to cart"]),
            Fault::Price => fields[PRICE] = pick(&[b"twelve", b"\"12,50\"", b"1.2.3", b"$10"]),
            // Minus nothing is nothing, and no fault.
            Fault::NegativePrice if fields[PRICE] == b"0.00" => fields[PRICE] = b"-0.01".to_vec(),
            Fault::NegativePrice => fields[PRICE].insert(0, b'-'),
            Fault::ZeroQuantity => fields[QUANTITY] = b"0".to_vec(),
            // A byte that never occurs, a sequence cut short, an overlong one, half a surrogate pair.
            Fault::InvalidUtf8 => {
                let bytes = pick(&[b"\xff", b"\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80"]);
                insert(&mut fields[text_field(choice)], &bytes);
            }
            Fault::Nul => insert(&mut fields[text_field(choice)], b"\0"),
        }
    }
}

const ID: usize = 0;
const TIME: usize = 1;
const TYPE: usize = 2;
const USER: usize = 3;
const CATEGORY: usize = 5;
const PRICE: usize = 7;
const QUANTITY: usize = 8;

/// Faults of encoding stand in fields of type text, where nothing else could be wrong.
fn text_field(choice: u64) -> usize {
    if choice.is_multiple_of(3) {
        USER
    } else {
        CATEGORY
    }
}

/// Puts bytes in front of a field's text, inside its quotes where it has any.
fn insert(field: &mut Vec<u8>, bytes: &[u8]) {
    let at = usize::from(field.first() == Some(&b'"'));
    field.splice(at..at, bytes.iter().copied());
}
