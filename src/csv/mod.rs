//! PURE: from bytes to records and fields.
//!
//! A CSV means here what it means to PostgreSQL's `COPY … CSV`, with what that leaves open settled
//! (`docs/csv.md` says it for users):
//!
//! - A field is quoted only if it *starts* with the quote; a quote inside an unquoted field is data.
//! - LF, CRLF and a lone CR outside quotes each end a line, mixed as they come.
//! - Bad quoting is text after a closing quote, or a quoted field that has no end within the largest
//!   record or before the end of the file. Such a record is the physical line it starts on, and
//!   reading goes on at the next physical line.
//! - A record longer than the largest one ends at the first line end after that length, quoted or
//!   not: what stands beyond the limit is not interpreted.
//! - A comment begins where a record could, and is one physical line.
//!
//! All of this is decided by the bytes from the record's start alone, so reading can be taken up
//! again at any record's start and finds the same records.

mod field;
mod general;
mod header;
mod marks;
mod oversized;
mod plain;
#[cfg(test)]
mod property_tests;
mod scanner;
mod unclosed;
mod window;

pub use field::{Escape, Field, is_blank_line};
pub use header::{Header, HeaderFault, HeaderSearch, skip_byte_order_mark};
pub use oversized::Oversized;
pub use scanner::{Fault, Record, Scan, Scanner};
pub use unclosed::Unclosed;
