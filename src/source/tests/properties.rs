//! What must hold for any file: the same outcome however it is fed and wherever reading began.

use ingestd_actors::model::{DeadLetter, Position};
use proptest::prelude::*;

use super::{feed, plan, whole};
use crate::plan::{Dialect, LoadPlan};

/// The plan of the other tests, in the plain dialect or in one that has everything.
fn some_plan() -> impl Strategy<Value = LoadPlan> {
    let everything = Dialect {
        delimiter: b",".to_vec(),
        escape: Some(b'\\'),
        comment: Some(b'#'),
        trim: true,
        null: vec!["-".into()],
        quoted_null: vec!["-".into()],
        ..plan().dialect
    };
    let doubled = Dialect {
        delimiter: b",,".to_vec(),
        ..everything.clone()
    };
    prop_oneof![
        2 => Just(plan().dialect),
        1 => Just(everything),
        1 => Just(doubled),
        1 => Just(Dialect { quote: None, comment: Some(b'#'), ..plan().dialect }),
    ]
    .prop_map(|dialect| LoadPlan { dialect, ..plan() })
}

/// Lines of every kind, good and bad, with every line end.
fn some_file() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => (0..50u32).prop_map(|id| format!("{id},View,1.50,2024-02-29 10:00:00Z").into_bytes()),
        2 => (0..50u32).prop_map(|id| format!("0x{id:X},buy,1,epoch").into_bytes()),
        1 => Just(b"1,\"bu\n\ny\",2,2024-01-01".to_vec()),
        1 => Just(b"1,\"view\",\"2\",\"2024-01-01\"".to_vec()),
        1 => Just(b"1,\"view,2,2024-01-01".to_vec()),
        1 => Just(b"1,\"view\"x,2,2024-01-01".to_vec()),
        1 => Just(b"x,view,-2,2024-01-01".to_vec()),
        1 => Just(b"x,view,2,2024-01-01".to_vec()),
        1 => Just(b"1,view".to_vec()),
        2 => (0..50u32).prop_map(|id| format!(" {id} ,, \"buy\" ,,1,,-").into_bytes()),
        1 => Just(b"#1,,\"view".to_vec()),
        1 => Just(b"#".repeat(70)),
        1 => Just(b" \t".to_vec()),
        1 => Just(Vec::new()),
        1 => prop::collection::vec(any::<u8>(), 0..30),
        1 => (0..150usize).prop_map(|length| vec![b'z'; length]),
    ];
    let line_end = prop_oneof![3 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\r")];
    (
        prop::collection::vec((line, line_end), 0..12),
        any::<bool>(),
    )
        .prop_map(|(lines, cut)| {
            let mut file = Vec::new();
            for (line, end) in &lines {
                file.extend_from_slice(line);
                file.extend_from_slice(end.as_bytes());
            }
            if cut {
                file.pop();
            }
            file
        })
}

/// Dead letters compare by their debug form: they hold nothing else.
fn debug(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| format!("{letter:?}")).collect()
}

proptest! {
    #[test]
    fn the_size_of_buffers_does_not_matter(
        file in some_file(), plan in some_plan(), step in 1usize..90,
    ) {
        let (at_once, fed) = (whole(&plan, &file), feed(&plan, &file, Position::START, step));
        prop_assert_eq!(&at_once.rows, &fed.rows);
        prop_assert_eq!(debug(&at_once.rejects), debug(&fed.rejects));
        prop_assert_eq!(at_once.positions.last(), fed.positions.last());
        let records = (at_once.rows.len() + at_once.rejects.len()) as u64;
        prop_assert_eq!(fed.positions.last().map(|end| end.record), Some(records));
    }

    #[test]
    fn reading_can_go_on_at_any_position(
        file in some_file(), plan in some_plan(), step in 1usize..90,
    ) {
        let whole = feed(&plan, &file, Position::START, step);
        for position in &whole.positions {
            let rest = feed(&plan, &file, *position, file.len() + 1);
            let rows: Vec<_> = whole.rows.iter().filter(|r| r.record > position.record).collect();
            prop_assert_eq!(rows, rest.rows.iter().collect::<Vec<_>>());
            let rejects: Vec<_> = whole
                .rejects
                .iter()
                .filter(|letter| letter.record > position.record)
                .cloned()
                .collect();
            prop_assert_eq!(debug(&rejects), debug(&rest.rejects));
        }
    }
}
