//! Encoded rows of one partition: opaque bytes to the tree, with an index by row.

/// Rows of one partition out of one chunk, encoded for the sink, in record order.
///
/// The tree never looks inside `data` or `keys`: the source writes them and the sink reads them.
/// Each partition's rows have memory of their own: what a partition has committed is freed, however
/// far behind the others are.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The encoded rows; each row's span is in its [`RowRef`].
    pub data: Vec<u8>,
    /// The canonical images of the rows' keys; empty for a table without a key.
    pub keys: Vec<u8>,
    /// The records that the rows were decoded from, for dead letters.
    pub raw: Vec<u8>,
    /// One entry a row, in record order.
    pub index: Vec<RowRef>,
    /// The records of the rows that delete the row of their key instead of writing one, ascending;
    /// some may be of rows that are no longer in the index.
    pub deletes: Vec<u64>,
}

/// Where one row stands: in the file, and in the memory of its [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    /// The record's number in its file, counted from 1.
    pub record: u64,
    /// The physical line on which the record starts, counted from 1.
    pub line: u64,
    /// The byte offset in the file at which the record starts.
    pub offset: u64,
    /// The row's span in [`Rows::data`].
    pub data: (u32, u32),
    /// The row's span in [`Rows::keys`]; empty where the row has no key or a NULL in it.
    pub key: (u32, u32),
    /// The record's span in [`Rows::raw`].
    pub raw: (u32, u32),
}

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, counted from 1.
    pub record: u64,
    /// The physical line on which it starts, counted from 1.
    pub line: u64,
    /// The byte offset at which it starts.
    pub offset: u64,
}

impl Rows {
    /// Adds a row: its encoded bytes, the canonical image of its key, and the record's raw bytes.
    pub fn push(&mut self, place: Place, data: &[u8], key: &[u8], raw: &[u8]) {
        let Place {
            record,
            line,
            offset,
        } = place;
        self.index.push(RowRef {
            record,
            line,
            offset,
            data: append(&mut self.data, data),
            key: append(&mut self.keys, key),
            raw: append(&mut self.raw, raw),
        });
    }

    /// Whether a row of this index deletes the row of its key.
    pub fn is_delete(&self, row: &RowRef) -> bool {
        !self.deletes.is_empty() && self.deletes.binary_search(&row.record).is_ok()
    }

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
        slice(&self.data, row.data)
    }

    /// The canonical image of a row's key; empty where it has none.
    pub fn key_of(&self, row: &RowRef) -> &[u8] {
        slice(&self.keys, row.key)
    }

    /// The raw bytes of the record that a row was decoded from.
    pub fn raw_of(&self, row: &RowRef) -> &[u8] {
        slice(&self.raw, row.raw)
    }

    /// The memory these rows hold, in bytes.
    pub fn bytes(&self) -> usize {
        self.data.capacity()
            + self.keys.capacity()
            + self.raw.capacity()
            + self.index.capacity() * std::mem::size_of::<RowRef>()
            + self.deletes.capacity() * std::mem::size_of::<u64>()
    }
}

fn append(buffer: &mut Vec<u8>, bytes: &[u8]) -> (u32, u32) {
    let start = buffer.len() as u32;
    buffer.extend_from_slice(bytes);
    (start, buffer.len() as u32)
}

fn slice(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
    &bytes[start as usize..end as usize]
}
