//! PURE: rows of a file that is loaded as a whole, as the messages of a binary COPY into its staging
//! table: the encoded row, then where its record stands, whether it deletes, and the record itself.

use bytes::{BufMut, Bytes, BytesMut};
use ingestd_actors::model::{RowRef, Rows};

use super::copy_data::{HEADER, TRAILER};
use super::move_sql::EXTRA_FIELDS;

/// What is gathered is a message as soon as it has so many bytes.
const ENOUGH: usize = 64 << 10;

/// The messages, made one after the other as they are sent.
pub struct StagedData<'a, R: Iterator<Item = (&'a Rows, &'a RowRef)>> {
    rows: R,
    gathered: BytesMut,
    ended: bool,
}

impl<'a, R: Iterator<Item = (&'a Rows, &'a RowRef)>> StagedData<'a, R> {
    /// The messages of these rows, header and trailer included.
    pub fn new(rows: R) -> Self {
        StagedData {
            rows,
            gathered: BytesMut::from(HEADER),
            ended: false,
        }
    }

    fn put(&mut self, rows: &Rows, row: &RowRef) {
        let data = rows.data_of(row);
        let Some((count, fields)) = data.split_first_chunk() else {
            return;
        };
        let out = &mut self.gathered;
        out.put_i16(i16::from_be_bytes(*count) + EXTRA_FIELDS);
        out.put_slice(fields);
        for number in [row.record, row.record, row.line, row.offset] {
            out.put_i32(8);
            out.put_u64(number);
        }
        out.put_i32(1);
        out.put_u8(u8::from(rows.is_delete(row)));
        let raw = rows.raw_of(row);
        out.put_i32(raw.len() as i32);
        out.put_slice(raw);
    }
}

impl<'a, R: Iterator<Item = (&'a Rows, &'a RowRef)>> Iterator for StagedData<'a, R> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while !self.ended && self.gathered.len() < ENOUGH {
            match self.rows.next() {
                Some((rows, row)) => self.put(rows, row),
                None => {
                    self.gathered.put_i16(TRAILER);
                    self.ended = true;
                }
            }
        }
        (!self.gathered.is_empty()).then(|| self.gathered.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::Place;

    #[test]
    fn a_row_is_followed_by_its_place_and_its_record() {
        let mut rows = Rows::default();
        let place = Place {
            record: 7,
            line: 9,
            offset: 70,
        };
        rows.push(place, &[0, 1, 0, 0, 0, 1, b'x'], b"", b"raw");
        rows.deletes.push(7);
        let sent: Vec<Bytes> = StagedData::new(rows.index.iter().map(|row| (&rows, row))).collect();
        let [only] = &sent[..] else {
            panic!("one message")
        };
        let mut expected = HEADER.to_vec();
        expected.extend([0, 7, 0, 0, 0, 1, b'x']);
        for number in [7u64, 7, 9, 70] {
            expected.extend(8i32.to_be_bytes());
            expected.extend(number.to_be_bytes());
        }
        expected.extend([0, 0, 0, 1, 1, 0, 0, 0, 3]);
        expected.extend(b"raw");
        expected.extend(TRAILER.to_be_bytes());
        assert_eq!(only, &expected);
    }

    #[test]
    fn many_rows_are_many_messages() {
        let mut rows = Rows::default();
        for record in 1..=1_000 {
            let place = Place {
                record,
                line: record,
                offset: record,
            };
            rows.push(place, &[0, 0], b"", &[b'r'; 200]);
        }
        let sent: Vec<Bytes> = StagedData::new(rows.index.iter().map(|row| (&rows, row))).collect();
        assert!(sent.len() > 3 && sent.iter().all(|it| it.len() < 2 * ENOUGH));
    }
}
