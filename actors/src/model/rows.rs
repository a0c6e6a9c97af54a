//! Encoded rows of one partition: opaque bytes to the tree, with an index by row.

use bytes::Bytes;

/// Rows of one partition out of one chunk, encoded for the sink, in record order.
///
/// The tree never looks inside `data` or `keys`: the source writes them and the sink reads them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The encoded rows; each row's span is in its [`RowRef`].
    pub data: Vec<u8>,
    /// The canonical images of the rows' keys; empty for a table without a key.
    pub keys: Vec<u8>,
    /// One entry a row, in record order.
    pub index: Vec<RowRef>,
    /// The bytes of the chunk that the rows were decoded from, for dead letters.
    pub raw: Bytes,
    /// The byte offset in the file at which `raw` starts.
    pub raw_offset: u64,
}

/// Where one row stands: in the encoded data, among the keys, and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    /// The record's number in its file, counted from 1.
    pub record: u64,
    /// The physical line on which the record starts, counted from 1.
    pub line: u64,
    /// The row's span in [`Rows::data`].
    pub data: (u32, u32),
    /// The row's span in [`Rows::keys`]; empty where the row has no key or a NULL in it.
    pub key: (u32, u32),
    /// The record's span in [`Rows::raw`].
    pub raw: (u32, u32),
}

impl Rows {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The encoded bytes of a row of this index.
    pub fn data_of(&self, row: &RowRef) -> &[u8] {
        &self.data[row.data.0 as usize..row.data.1 as usize]
    }

    /// The canonical image of a row's key; empty where it has none.
    pub fn key_of(&self, row: &RowRef) -> &[u8] {
        &self.keys[row.key.0 as usize..row.key.1 as usize]
    }

    /// The raw bytes of the record that a row was decoded from, without copying them.
    pub fn raw_of(&self, row: &RowRef) -> Bytes {
        self.raw.slice(row.raw.0 as usize..row.raw.1 as usize)
    }

    /// The byte offset in the file at which a row's record starts.
    pub fn offset_of(&self, row: &RowRef) -> u64 {
        self.raw_offset + u64::from(row.raw.0)
    }

    /// The memory these rows hold, in bytes, the shared raw bytes not counted.
    pub fn bytes(&self) -> usize {
        self.data.capacity()
            + self.keys.capacity()
            + self.index.capacity() * std::mem::size_of::<RowRef>()
    }
}
