//! Numbers that look random and are a pure function of a seed, a purpose and an index.
//!
//! SplitMix64, written out here: the same seed must give the same bytes whatever becomes of a crate.

/// What a stream of numbers is for: streams of different purposes are independent.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The upper half of an event id.
    IdHigh = 1,
    /// The lower half of an event id.
    IdLow,
    /// The values of an event.
    Values,
    /// How the values are written.
    Spelling,
    /// Which earlier event a duplicate repeats.
    Origin,
    /// Which rows are malformed.
    MalformedRows,
    /// Which rows are duplicates.
    DuplicateRows,
    /// What exactly is wrong with a malformed row.
    Fault,
    /// A product of the catalogue.
    Product,
    /// A user's session.
    Session,
}

/// The finalizer of SplitMix64: a bijection that spreads every bit over all.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One number for an index.
pub fn number(seed: u64, purpose: Purpose, index: u64) -> u64 {
    Stream::new(seed, purpose, index).next()
}

/// Maps a number evenly onto `0..limit`.
pub fn scale(number: u64, limit: u64) -> u64 {
    ((u128::from(number) * u128::from(limit)) >> 64) as u64
}

/// As many numbers as wanted for an index.
pub struct Stream(u64);

impl Stream {
    /// The numbers for `index`.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let key = mix(seed.wrapping_add((purpose as u64).wrapping_mul(GOLDEN)));
        Self(key ^ mix(index.wrapping_add(GOLDEN)))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// The next number, in `0..limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        scale(self.next(), limit)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
