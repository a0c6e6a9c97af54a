//! PURE: finds the rows that are refused, by trying ranges of rows in order.

use std::ops::Range;

/// The ranges that are still to be tried. Every row ends in a range that passed, or alone.
pub struct Bisection {
    /// The next range is the last one.
    open: Vec<Segment>,
}

struct Segment {
    range: Range<usize>,
    /// The other half of a range that failed by one of its rows: if it passes, this one can't.
    left: Option<Range<usize>>,
    refused: bool,
}

impl Bisection {
    /// A bisection of so many rows.
    pub fn new(rows: usize) -> Bisection {
        let mut bisection = Bisection { open: Vec::new() };
        if rows > 0 {
            bisection.push(0..rows, None);
        }
        bisection
    }

    /// The range to try next; `None` at the end. Ranges come in the order of the rows.
    pub fn next_range(&mut self) -> Option<Range<usize>> {
        while let Some(segment) = self.open.pop() {
            if !segment.refused || segment.range.len() == 1 {
                return Some(segment.range);
            }
            self.split(segment.range, true);
        }
        None
    }

    /// The range passed.
    pub fn passed(&mut self, range: &Range<usize>) {
        if let Some(next) = self.open.last_mut() {
            next.refused = next.left.as_ref() == Some(range);
        }
    }

    /// The range failed: it is halved, unless it is one row; whether it is. `by_a_row`: one of its
    /// rows will fail alone too; otherwise it may only have been too big.
    pub fn failed(&mut self, range: Range<usize>, by_a_row: bool) -> bool {
        if range.len() == 1 {
            return true;
        }
        self.split(range, by_a_row);
        false
    }

    fn split(&mut self, range: Range<usize>, by_a_row: bool) {
        let middle = range.start + range.len() / 2;
        let left = range.start..middle;
        self.push(middle..range.end, by_a_row.then(|| left.clone()));
        self.push(left, None);
    }

    fn push(&mut self, range: Range<usize>, left: Option<Range<usize>>) {
        self.open.push(Segment {
            range,
            left,
            refused: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bisects rows of which some are bad: the rows that passed, those refused, and the attempts.
    fn run(bad: &[bool]) -> (Vec<usize>, Vec<usize>, usize) {
        let mut bisection = Bisection::new(bad.len());
        let (mut passed, mut refused, mut attempts) = (Vec::new(), Vec::new(), 0);
        while let Some(range) = bisection.next_range() {
            attempts += 1;
            if bad[range.clone()].contains(&true) {
                if bisection.failed(range.clone(), true) {
                    refused.push(range.start);
                }
            } else {
                bisection.passed(&range);
                passed.extend(range);
            }
        }
        (passed, refused, attempts)
    }

    proptest! {
        #[test]
        fn every_row_is_tried_in_order_and_few_statements_are_sent(
            bad in proptest::collection::vec(prop::bool::weighted(0.1), 1..300),
        ) {
            let (passed, refused, attempts) = run(&bad);
            let rows = |wanted: bool| -> Vec<usize> {
                (0..bad.len()).filter(|row| bad[*row] == wanted).collect()
            };
            prop_assert_eq!(&passed, &rows(false));
            prop_assert_eq!(&refused, &rows(true));
            let levels = (bad.len() as f64).log2().ceil() as usize + 1;
            prop_assert!(attempts <= 1 + 2 * refused.len() * levels, "{} attempts", attempts);
        }
    }

    #[test]
    fn one_bad_row_of_many_takes_about_a_statement_a_level() {
        for position in [0, 511, 1023] {
            let mut bad = vec![false; 1024];
            bad[position] = true;
            let (_, refused, attempts) = run(&bad);
            assert_eq!(refused, [position]);
            assert!(attempts <= 21, "{attempts} attempts at {position}");
        }
    }

    #[test]
    fn all_bad_rows_take_less_than_two_statements_each() {
        let (passed, refused, attempts) = run(&[true; 100]);
        assert_eq!((passed.len(), refused.len()), (0, 100));
        assert!(attempts < 200);
    }

    #[test]
    fn what_is_too_big_is_only_halved() {
        let mut bisection = Bisection::new(8);
        let mut passed = Vec::new();
        while let Some(range) = bisection.next_range() {
            if range.len() > 2 {
                assert!(!bisection.failed(range, false));
            } else {
                bisection.passed(&range);
                passed.push(range);
            }
        }
        assert_eq!(passed, [0..2, 2..4, 4..6, 6..8]);
    }
}
