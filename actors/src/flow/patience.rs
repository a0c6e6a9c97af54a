//! When the count of filtered records is worth a transaction.

use super::Limits;

/// Lets counts of filtered records wait for each other, so that a file with millions of them doesn't
/// cost a transaction for each chunk.
///
/// They wait until so much was read that rows would have filled a batch. That bounds what the waiting
/// costs too: they hold the watermark, and what is read again after a crash begins there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patience {
    limits: Limits,
    records: u64,
    bytes: u64,
    over: bool,
}

impl Patience {
    /// Nothing waits yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            records: 0,
            bytes: 0,
            over: false,
        }
    }

    /// So much more was read while counts wait.
    pub fn read(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
        self.over |=
            self.records >= self.limits.rows as u64 || self.bytes >= self.limits.bytes as u64;
    }

    /// Something else needs the transaction now, or needs it to be over.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// Whether there is no more waiting.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Nothing waits any more.
    pub fn renew(&mut self) {
        *self = Self::new(self.limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        rows: 100,
        bytes: 1000,
    };

    #[test]
    fn a_batch_of_records_or_of_bytes_is_enough() {
        let mut patience = Patience::new(LIMITS);
        patience.read(99, 999);
        assert!(!patience.is_over());
        patience.read(1, 0);
        assert!(patience.is_over());
        patience.renew();
        assert!(!patience.is_over());
        patience.read(1, 1000);
        assert!(patience.is_over());
    }

    #[test]
    fn whatever_is_urgent_ends_it() {
        let mut patience = Patience::new(LIMITS);
        patience.end();
        assert!(patience.is_over());
        patience.read(1, 1);
        assert!(patience.is_over());
    }
}
