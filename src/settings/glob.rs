//! PURE: whether two patterns can match the same name.

use std::collections::HashSet;

/// A pattern with more alternatives than this is taken to overlap with everything.
const MOST_ALTERNATIVES: usize = 256;

/// Whether some name matches both patterns, which are known to be valid.
pub fn overlap(a: &str, b: &str) -> bool {
    match (alternatives(a), alternatives(b)) {
        (Some(a), Some(b)) => a.iter().any(|a| b.iter().any(|b| meet(a, b))),
        _ => true,
    }
}

/// One step of a pattern.
#[derive(Clone, Debug)]
enum Step {
    /// Any number of any characters.
    Any,
    /// One character out of these ranges.
    One(Vec<(u32, u32)>),
}

const EVERY: (u32, u32) = (0, char::MAX as u32);

/// The pattern without braces: one sequence of steps for each alternative.
fn alternatives(pattern: &str) -> Option<Vec<Vec<Step>>> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    parse(&chars, &mut at, false)
}

/// Reads up to the end or, inside braces, up to the closing one.
fn parse(chars: &[char], at: &mut usize, inside: bool) -> Option<Vec<Vec<Step>>> {
    let mut done = Vec::new();
    let mut open: Vec<Vec<Step>> = vec![Vec::new()];
    while *at < chars.len() {
        let c = chars[*at];
        *at += 1;
        match c {
            '*' => append(&mut open, Step::Any),
            '?' => append(&mut open, Step::One(vec![EVERY])),
            '[' => append(&mut open, Step::One(parse_class(chars, at))),
            '{' => {
                let inner = parse(chars, at, true)?;
                open = open
                    .iter()
                    .flat_map(|before| inner.iter().map(|after| [&before[..], after].concat()))
                    .collect();
            }
            ',' if inside => done.extend(std::mem::replace(&mut open, vec![Vec::new()])),
            '}' if inside => break,
            '\\' if *at < chars.len() => {
                append(&mut open, only(chars[*at]));
                *at += 1;
            }
            other => append(&mut open, only(other)),
        }
        if open.len() + done.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    done.extend(open);
    Some(done)
}

fn append(open: &mut [Vec<Step>], step: Step) {
    for steps in open {
        steps.push(step.clone());
    }
}

fn only(c: char) -> Step {
    Step::One(vec![(c as u32, c as u32)])
}

/// Reads a class after its opening bracket; the first character is never the closing one.
fn parse_class(chars: &[char], at: &mut usize) -> Vec<(u32, u32)> {
    let negated = matches!(chars.get(*at), Some('!' | '^'));
    *at += usize::from(negated);
    let first = *at;
    let mut ranges = Vec::new();
    while let Some(&low) = chars.get(*at) {
        *at += 1;
        if low == ']' && *at > first + 1 {
            break;
        }
        let high = match (chars.get(*at), chars.get(*at + 1)) {
            (Some('-'), Some(&high)) if high != ']' => {
                *at += 2;
                high
            }
            _ => low,
        };
        ranges.push((low as u32, high as u32));
    }
    if negated { complement(ranges) } else { ranges }
}

fn complement(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut rest = Vec::new();
    let mut next = EVERY.0;
    for (low, high) in ranges {
        if low > next {
            rest.push((next, low - 1));
        }
        next = next.max(high + 1);
    }
    if next <= EVERY.1 {
        rest.push((next, EVERY.1));
    }
    rest
}

/// Whether some name goes through both: a search over pairs of places.
fn meet(a: &[Step], b: &[Step]) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if i == a.len() && j == b.len() {
            return true;
        }
        if !seen.insert((i, j)) {
            continue;
        }
        match (a.get(i), b.get(j)) {
            (Some(Step::Any), Some(Step::Any)) => open.extend([(i + 1, j), (i, j + 1)]),
            (Some(Step::Any), Some(Step::One(_))) => open.extend([(i + 1, j), (i, j + 1)]),
            (Some(Step::One(_)), Some(Step::Any)) => open.extend([(i, j + 1), (i + 1, j)]),
            (Some(Step::Any), None) => open.push((i + 1, j)),
            (None, Some(Step::Any)) => open.push((i, j + 1)),
            (Some(Step::One(x)), Some(Step::One(y))) if intersect(x, y) => {
                open.push((i + 1, j + 1));
            }
            _ => {}
        }
    }
    false
}

fn intersect(a: &[(u32, u32)], b: &[(u32, u32)]) -> bool {
    a.iter()
        .any(|a| b.iter().any(|b| a.0.max(b.0) <= a.1.min(b.1)))
}

#[cfg(test)]
mod tests {
    use globset::Glob;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_overlap_where_a_name_matches_both() {
        let cases = [
            ("*.csv", "*.csv", true),
            ("*.csv", "*.txt", false),
            ("events-*.csv", "*-2024.csv", true),
            ("events-*.csv", "orders-*.csv", false),
            ("*.{csv,txt}", "*.txt", true),
            ("*.{csv,txt}", "*.gz", false),
            ("[a-m]*.csv", "[n-z]*.csv", false),
            ("[a-m]*.csv", "[m-z]*.csv", true),
            ("[!a-m]*.csv", "[a-m]*.csv", false),
            ("?.csv", "??.csv", false),
            ("?.csv", "*", true),
            ("a\\*.csv", "ab.csv", false),
            ("[]]x", "]x", true),
            ("{a,b{c,d}}", "bd", true),
            ("{a,b{c,d}}", "b", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(overlap(a, b), expected, "{a} and {b}");
            assert_eq!(overlap(b, a), expected, "{b} and {a}");
        }
    }

    proptest! {
        /// Where two patterns are said to be apart, no name matches both.
        #[test]
        fn apart_means_apart(
            a in "([ab?*]|\\[ab\\]|\\[!a\\]|\\{a,b\\}){1,5}",
            b in "([ab?*]|\\[ab\\]|\\[!a\\]|\\{a,b\\}){1,5}",
            name in "[abc]{1,6}",
        ) {
            let matches = |pattern: &str| {
                Glob::new(pattern).expect("a valid pattern").compile_matcher().is_match(&name)
            };
            if matches(&a) && matches(&b) {
                prop_assert!(overlap(&a, &b));
            }
        }
    }
}
