//! An event as a CSV record: the same values can be written in several ways.

use super::random::{Purpose, number};
use super::{Event, Fault, Product, text};

/// How a row is written; what it means does not depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Spelling(u64);

impl Spelling {
    /// The spelling of a row.
    pub fn new(seed: u64, row: u64) -> Self {
        Self(number(seed, Purpose::Spelling, row))
    }

    fn upper_case_id(self) -> bool {
        self.0 & 63 == 0
    }

    fn date_and_time_by_blank(self) -> bool {
        self.0 >> 6 & 3 == 0
    }

    fn offset_by_numbers(self) -> bool {
        self.0 >> 8 & 1 == 0
    }

    fn upper_case_type(self) -> bool {
        matches!(self.0 >> 9 & 31, 0 | 1)
    }

    fn capital_type(self) -> bool {
        self.0 >> 9 & 31 == 2
    }

    fn blanks_around_type(self) -> bool {
        matches!(self.0 >> 9 & 31, 1 | 3)
    }

    fn quoted(self) -> bool {
        self.0 >> 14 & 15 == 0
    }
}

/// Writes the record of an event that any pipeline for it can load.
pub fn write(out: &mut Vec<u8>, event: &Event, spelling: Spelling) {
    write_id(out, event, spelling);
    out.push(b',');
    write_time(out, event, spelling);
    out.push(b',');
    write_type(out, event, spelling);
    out.push(b',');
    event.write_user(out);
    out.push(b',');
    Product::write_id(event.product, out);
    out.push(b',');
    write_category(out, event, spelling);
    out.push(b',');
    text::hexadecimal(out, event.session);
    out.push(b',');
    text::money(out, event.cents);
    out.push(b',');
    text::decimal(out, event.quantity);
    out.push(b'\n');
}

/// Writes the record of an event with one fault; `choice` says which of its forms.
pub fn write_malformed(
    out: &mut Vec<u8>,
    event: &Event,
    spelling: Spelling,
    fault: Fault,
    choice: u64,
) {
    let field = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut field = Vec::new();
        write(&mut field);
        field
    };
    let mut fields = vec![
        field(&|out| write_id(out, event, spelling)),
        field(&|out| write_time(out, event, spelling)),
        field(&|out| write_type(out, event, spelling)),
        field(&|out| event.write_user(out)),
        field(&|out| Product::write_id(event.product, out)),
        field(&|out| write_category(out, event, spelling)),
        field(&|out| text::hexadecimal(out, event.session)),
        field(&|out| text::money(out, event.cents)),
        field(&|out| text::decimal(out, event.quantity)),
    ];
    fault.apply(&mut fields, choice);
    out.extend_from_slice(&fields.join(&b','));
    out.push(b'\n');
}

fn write_id(out: &mut Vec<u8>, event: &Event, spelling: Spelling) {
    let start = out.len();
    text::uuid(out, event.id);
    if spelling.upper_case_id() {
        out[start..].make_ascii_uppercase();
    }
}

fn write_time(out: &mut Vec<u8>, event: &Event, spelling: Spelling) {
    let (second, micros) = (event.time / 1_000_000, event.time % 1_000_000);
    text::date(out, second / 86_400);
    out.push(if spelling.date_and_time_by_blank() {
        b' '
    } else {
        b'T'
    });
    text::clock(out, second % 86_400);
    if micros != 0 {
        out.push(b'.');
        text::padded(out, micros, 6);
    }
    out.extend_from_slice(if spelling.offset_by_numbers() {
        b"+00:00"
    } else {
        b"Z"
    });
}

fn write_type(out: &mut Vec<u8>, event: &Event, spelling: Spelling) {
    if spelling.blanks_around_type() {
        out.push(b' ');
    }
    let start = out.len();
    out.extend_from_slice(event.event_type.name().as_bytes());
    if spelling.upper_case_type() {
        out[start..].make_ascii_uppercase();
    } else if spelling.capital_type() {
        out[start..=start].make_ascii_uppercase();
    }
    if spelling.blanks_around_type() {
        out.extend_from_slice(b"  ");
    }
}

fn write_category(out: &mut Vec<u8>, event: &Event, spelling: Spelling) {
    // Unquoted and empty is NULL; quoted and empty is the empty text.
    if let Some(category) = event.category {
        let quoted = spelling.quoted() || category.is_empty();
        text::csv_field(out, category.as_bytes(), quoted);
    }
}
