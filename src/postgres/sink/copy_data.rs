//! PURE: rows as the messages of a binary COPY.

use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ingestd_actors::model::Rows;

use super::selection::Span;

/// The signature, no flags, no extension.
pub const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Where the tuple's field count would stand.
pub const TRAILER: i16 = -1;

/// Spans below this are gathered.
const SHORT: usize = 16 << 10;

/// What is gathered is a message as soon as it has so many bytes.
const ENOUGH: usize = 64 << 10;

/// The largest message: the connection and the server each have a buffer for a whole one.
const PIECE: usize = 128 << 10;

/// The messages, made one after the other as they are sent: a batch is not in memory twice.
///
/// Rows that stand side by side travel as a slice of their chunk's own memory; only short spans are
/// gathered into a buffer, so that a message is never small.
pub struct CopyData<'a, S: Iterator<Item = Span<'a>>> {
    spans: S,
    /// Taken from `spans`, and too long to be gathered.
    long: Option<Bytes>,
    gathered: BytesMut,
    ended: bool,
}

impl<'a, S: Iterator<Item = Span<'a>>> CopyData<'a, S> {
    /// The messages of these rows, header and trailer included.
    pub fn new(spans: S) -> Self {
        CopyData {
            spans,
            long: None,
            gathered: BytesMut::from(HEADER),
            ended: false,
        }
    }

    /// Gathers short spans until they are a message, or a long one or the end comes.
    fn gather(&mut self) {
        while self.gathered.len() < ENOUGH {
            let Some(Span { chunk, bytes }) = self.spans.next() else {
                self.gathered.put_i16(TRAILER);
                self.ended = true;
                return;
            };
            if bytes.len() >= SHORT {
                self.long = Some(lend(chunk, bytes));
                return;
            }
            self.gathered.put_slice(&chunk.data[bytes]);
        }
    }
}

impl<'a, S: Iterator<Item = Span<'a>>> Iterator for CopyData<'a, S> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.long.is_none() && !self.ended {
            self.gather();
        }
        if !self.gathered.is_empty() {
            return Some(self.gathered.split().freeze());
        }
        let long = self.long.as_mut()?;
        let piece = long.split_to(long.len().min(PIECE));
        self.long = self.long.take().filter(|rest| !rest.is_empty());
        Some(piece)
    }
}

/// The encoded rows of a chunk, without a copy of them.
fn lend(chunk: &Arc<Rows>, bytes: Range<usize>) -> Bytes {
    struct Encoded(Arc<Rows>);
    impl AsRef<[u8]> for Encoded {
        fn as_ref(&self) -> &[u8] {
            &self.0.data
        }
    }
    Bytes::from_owner(Encoded(Arc::clone(chunk))).slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans of these widths, each of one letter.
    fn chunks(widths: &[usize]) -> Vec<Arc<Rows>> {
        let chunk = |(number, width): (usize, &usize)| {
            let data = vec![b'a' + number as u8; *width];
            let rows = Rows {
                data,
                ..Rows::default()
            };
            Arc::new(rows)
        };
        widths.iter().enumerate().map(chunk).collect()
    }

    fn pieces(chunks: &[Arc<Rows>]) -> Vec<Bytes> {
        let spans = chunks.iter().map(|chunk| Span {
            chunk,
            bytes: 0..chunk.data.len(),
        });
        CopyData::new(spans).collect()
    }

    #[test]
    fn the_rows_stand_in_order_between_header_and_trailer() {
        let (short, long) = (SHORT - 1, 2 * PIECE + 1);
        for widths in [
            vec![],
            vec![1],
            vec![short; 20],
            vec![long],
            vec![1, long, short, SHORT, long, long, 2],
            vec![PIECE, PIECE],
        ] {
            let chunks = chunks(&widths);
            let pieces = pieces(&chunks);
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
            let rows: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.clone()).collect();
            let expected = [HEADER, &rows, &[0xff, 0xff]].concat();
            assert!(pieces.concat() == expected, "{widths:?}");
        }
    }

    #[test]
    fn short_spans_share_messages_and_long_ones_are_not_copied() {
        let chunks = chunks(&[100; 50]);
        assert_eq!(pieces(&chunks).len(), 1);
        let chunks = self::chunks(&[PIECE]);
        let pieces = pieces(&chunks);
        assert_eq!(pieces[1].as_ptr(), chunks[0].data.as_ptr());
    }
}
