//! PURE: which rows of a batch are written, and in which order, where several have one key.
//!
//! Deletions and other rows of one key take turns: each run of one kind comes down to one row, and
//! no run is passed over, so that what is inserted and deleted does not depend on where batches fall.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::model::{RowRef, Rows};

use super::tuple;
use crate::plan::{LoadPlan, Routing, ValueType, WriteMode};

/// Which of several rows of one key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picks {
    /// Every row: nothing is known of keys.
    All,
    /// The last one.
    Last,
    /// The first one.
    First,
    /// The one with the greatest value in a column, and the last of those.
    Greatest {
        /// Where the column stands in a row.
        position: usize,
        /// Its type, whose order is known here.
        value_type: ValueType,
    },
    /// What the server makes of all of them.
    Server,
}

/// How the rows of a plan are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which of several rows of one key.
    pub picks: Picks,
    /// Whether only the server knows which keys are equal. Those whose images are equal, are.
    pub single: bool,
}

/// Rows that are written together, in any order: all delete, or none does, and each key has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Whether they delete the rows of their keys.
    pub deletes: bool,
    /// Which of the rows that are kept.
    pub rows: Range<usize>,
}

/// What is chosen.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The rows to be written, wave after wave, ascending in each.
    pub kept: Vec<u32>,
    /// The waves, in order; none is empty.
    pub waves: Vec<Wave>,
    /// For a row that was preferred to another of its key: that one. It is tried where the preferred
    /// one is refused.
    pub instead: HashMap<u32, u32>,
    /// Whether a wave may have several rows of one key, of which the server is to pick.
    pub undecided: bool,
}

impl Rules {
    /// The rules of a plan; `cut_version`: the server cuts or rounds versions as it takes them, so
    /// that some become equal.
    pub fn new(plan: &LoadPlan, cut_version: bool) -> Rules {
        let picks = match plan.mode {
            // The server picks among all rows of the file, as they are moved.
            _ if plan.all_or_nothing => Picks::All,
            WriteMode::Append => Picks::All,
            WriteMode::Upsert if plan.rules.update.is_some() => Picks::Server,
            WriteMode::Upsert => Picks::Last,
            WriteMode::Ignore => Picks::First,
            WriteMode::Newest => greatest(plan)
                .filter(|_| !cut_version)
                .unwrap_or(Picks::Server),
        };
        Rules {
            picks,
            single: plan.routing == Routing::Single,
        }
    }

    /// Where rows are refused and others take their places: of keys that are equal though their
    /// images differ, only the server knows which row is next.
    pub fn careful(self) -> Rules {
        match self.picks {
            Picks::All => self,
            _ if self.single => Rules {
                picks: Picks::Server,
                ..self
            },
            _ => self,
        }
    }

    /// Where deletions may make way for rows of other keys: all take turns.
    pub fn in_turn(mut self) -> Rules {
        self.single = true;
        self.careful()
    }
}

/// `None` where the order of the versions' type is known to the server alone.
fn greatest(plan: &LoadPlan) -> Option<Picks> {
    let version = plan.rules.version.as_ref()?;
    let position = plan.columns.iter().position(|it| it.name == *version)?;
    let value_type = plan.columns[position].value_type;
    // Texts have collations.
    let known = matches!(
        value_type,
        ValueType::Int2
            | ValueType::Int4
            | ValueType::Int8
            | ValueType::Float4
            | ValueType::Float8
            | ValueType::Numeric
            | ValueType::Bool
            | ValueType::Uuid
            | ValueType::Bytea
            | ValueType::Date
            | ValueType::Time
            | ValueType::Timestamp
            | ValueType::Timestamptz
    );
    known.then_some(Picks::Greatest {
        position,
        value_type,
    })
}

/// Chooses among `count` rows, that `find` finds; `deletes`: there may be deletions among them.
pub fn choose<'a>(
    count: u32,
    find: impl Fn(u32) -> (&'a Arc<Rows>, &'a RowRef),
    deletes: bool,
    rules: Rules,
) -> Choice {
    if rules.picks == Picks::All {
        return in_waves((0..count).collect(), &[], Choice::default());
    }
    let mut choice = Choice::default();
    let mut keep = vec![true; count as usize];
    // Even waves write, odd ones delete.
    let mut waves = vec![0; if deletes { count as usize } else { 0 }];
    let mut last: HashMap<&[u8], u32> = HashMap::new();
    for index in 0..count {
        let (rows, row) = find(index);
        let key = rows.key_of(row);
        let earlier = if key.is_empty() {
            None
        } else {
            if last.is_empty() {
                last.reserve(count as usize);
            }
            last.insert(key, index)
        };
        if deletes {
            let before = match rules.single {
                true => index.checked_sub(1),
                false => earlier,
            };
            let before = before.map_or(0, |row| waves[row as usize]);
            let changes = before % 2 != u32::from(rows.is_delete(row));
            waves[index as usize] = before + u32::from(changes);
        }
        let Some(earlier) = earlier else { continue };
        if deletes && waves[earlier as usize] != waves[index as usize] {
            continue;
        }
        match rules.picks {
            Picks::Last | Picks::Greatest { .. } => {
                choice.instead.insert(index, earlier);
                keep[earlier as usize] = false;
            }
            Picks::First => {
                choice.instead.insert(earlier, index);
                keep[index as usize] = false;
            }
            Picks::Server | Picks::All => choice.undecided = true,
        }
    }
    if let Picks::Greatest {
        position,
        value_type,
    } = rules.picks
    {
        let data = |index| {
            let (rows, row) = find(index);
            rows.data_of(row)
        };
        rank(&mut choice.instead, &mut keep, |a, b| {
            tuple::order_by(position, value_type, data(a), data(b))
        });
    }
    let kept: Vec<u32> = (0..count).filter(|index| keep[*index as usize]).collect();
    choice.undecided |= rules.single && kept.len() > 1;
    in_waves(kept, &waves, choice)
}

/// Brings each run of rows into the order in which they are tried, the greatest first: until now it
/// is that of the rows, the last first.
fn rank(
    instead: &mut HashMap<u32, u32>,
    keep: &mut [bool],
    order: impl Fn(u32, u32) -> std::cmp::Ordering,
) {
    let firsts = instead.keys().copied();
    let firsts: Vec<u32> = firsts.filter(|index| keep[*index as usize]).collect();
    for first in firsts {
        let mut run: Vec<u32> =
            std::iter::successors(Some(first), |index| instead.get(index).copied()).collect();
        run.reverse();
        run.sort_by(|a, b| order(*a, *b));
        for index in &run {
            instead.remove(index);
            keep[*index as usize] = false;
        }
        instead.extend(run.windows(2).map(|pair| (pair[1], pair[0])));
        if let Some(greatest) = run.last() {
            keep[*greatest as usize] = true;
        }
    }
}

fn in_waves(mut kept: Vec<u32>, waves: &[u32], mut choice: Choice) -> Choice {
    let wave_of = |index: &u32| waves.get(*index as usize).copied().unwrap_or(0);
    if !waves.is_empty() {
        kept.sort_by_key(wave_of);
    }
    let mut start = 0;
    while start < kept.len() {
        let wave = wave_of(&kept[start]);
        let end = match waves.is_empty() {
            true => kept.len(),
            false => start + kept[start..].partition_point(|index| wave_of(index) == wave),
        };
        choice.waves.push(Wave {
            deletes: wave % 2 == 1,
            rows: start..end,
        });
        start = end;
    }
    choice.kept = kept;
    choice
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::Place;
    use proptest::prelude::*;

    /// Rows written as `key`, `key=version` (a digit; none is NULL), and `-key` for a deletion.
    fn rows(texts: &[&str]) -> Arc<Rows> {
        let mut rows = Rows::default();
        for (number, text) in texts.iter().enumerate() {
            let record = number as u64 + 1;
            let place = Place {
                record,
                line: record,
                offset: 0,
            };
            let deletes = text.starts_with('-');
            let text = text.trim_start_matches('-');
            let (key, version) = text.split_once('=').unwrap_or((text, ""));
            let mut data = vec![0, 1];
            match version.parse::<i16>() {
                Ok(version) => {
                    data.extend_from_slice(&[0, 0, 0, 2]);
                    data.extend_from_slice(&version.to_be_bytes());
                }
                Err(_) => data.extend_from_slice(&[0xFF; 4]),
            }
            rows.push(place, &data, key.as_bytes(), b"");
            if deletes {
                rows.deletes.push(record);
            }
        }
        Arc::new(rows)
    }

    const GREATEST: Picks = Picks::Greatest {
        position: 0,
        value_type: ValueType::Int2,
    };

    fn chosen(picks: Picks, single: bool, texts: &[&str]) -> Choice {
        let rows = rows(texts);
        let find = |index| (&rows, &rows.index[index as usize]);
        let deletes = !rows.deletes.is_empty();
        choose(texts.len() as u32, find, deletes, Rules { picks, single })
    }

    /// The waves as texts, those that delete with a `-` before them.
    fn waves(choice: &Choice, texts: &[&str]) -> Vec<String> {
        let wave = |wave: &Wave| {
            let kept = choice.kept[wave.rows.clone()].iter();
            let kept: Vec<&str> = kept.map(|index| texts[*index as usize]).collect();
            for text in &kept {
                assert_eq!(text.starts_with('-'), wave.deletes, "{text}");
            }
            kept.join(" ")
        };
        choice.waves.iter().map(wave).collect()
    }

    #[test]
    fn one_row_of_a_key_is_kept_and_knows_the_next_best() {
        let texts = ["x=5", "y=1", "x=9", "", "x=7", "x=9", "", "x", "y"];
        for (picks, kept, tried) in [
            (Picks::Last, vec![3, 6, 7, 8], [7, 5, 4, 2, 0]),
            (Picks::First, vec![0, 1, 3, 6], [0, 2, 4, 5, 7]),
            (GREATEST, vec![1, 3, 5, 6], [5, 2, 4, 0, 7]),
        ] {
            let choice = chosen(picks, false, &texts);
            assert_eq!(choice.kept, kept, "{picks:?}");
            let run = std::iter::successors(Some(tried[0]), |row| choice.instead.get(row).copied());
            assert_eq!(run.collect::<Vec<_>>(), tried, "{picks:?}");
            assert_eq!(choice.waves.len(), 1);
            assert!(!choice.undecided);
        }
    }

    #[test]
    fn nothing_is_chosen_where_the_server_picks() {
        let choice = chosen(Picks::Server, false, &["x", "y", "x"]);
        assert_eq!(choice.kept, [0, 1, 2]);
        assert!(choice.undecided && choice.instead.is_empty());
        assert!(!chosen(Picks::Server, false, &["x", "y", ""]).undecided);
        let choice = chosen(Picks::Last, true, &["x", "X", "x"]);
        assert_eq!(choice.kept, [1, 2]);
        assert!(choice.undecided);
        assert_eq!(chosen(Picks::All, false, &["x", "x"]).kept, [0, 1]);
    }

    #[test]
    fn deletions_and_other_rows_of_a_key_take_turns() {
        let texts = ["x", "x", "-x", "-y", "y", "-", "x", "x", "z", "-x"];
        let choice = chosen(Picks::Last, false, &texts);
        let expected = ["x z", "-x -y -", "y x", "-x"];
        assert_eq!(waves(&choice, &texts), expected);
        assert_eq!(choice.kept, [1, 8, 2, 3, 5, 4, 7, 9]);
        let dropped: Vec<u32> = choice.instead.values().copied().collect();
        assert_eq!(dropped.len(), 2, "{dropped:?}");

        // Of keys that may be equal all take turns.
        let choice = chosen(Picks::Last, true, &["a", "-b", "c", "-c", "-d"]);
        let rows: Vec<_> = choice.waves.iter().map(|wave| wave.rows.clone()).collect();
        assert_eq!(rows, [0..1, 1..2, 2..3, 3..5]);
        assert!(chosen(Picks::Last, false, &[]).waves.is_empty());
    }

    /// A table of one column, the version, as the server would keep it.
    fn apply(picks: Picks, table: &mut HashMap<String, i16>, text: &str) {
        let plain = text.trim_start_matches('-');
        let (key, version) = plain.split_once('=').unwrap_or((plain, ""));
        let version = version.parse().unwrap_or(i16::MIN);
        let there = table.get(key).copied();
        let passes = picks != GREATEST || there.is_none_or(|there| version >= there);
        if text.starts_with('-') {
            if passes {
                table.remove(key);
            }
        } else if passes && (picks != Picks::First || there.is_none()) {
            table.insert(key.to_owned(), version);
        }
    }

    fn some_rows() -> impl Strategy<Value = Vec<String>> {
        let row = ("[-]{0,1}", "[a-c]", 0..5i16);
        let row = row.prop_map(|(mark, key, version)| format!("{mark}{key}={version}"));
        prop::collection::vec(row, 0..24)
    }

    proptest! {
        /// Whatever was in the table: the rows that are kept leave it as all of them would.
        #[test]
        fn the_choice_changes_nothing(texts in some_rows(), before in some_rows()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for picks in [Picks::Last, Picks::First, GREATEST] {
                let mut one_by_one = HashMap::new();
                for text in &before {
                    apply(Picks::Last, &mut one_by_one, text.trim_start_matches('-'));
                }
                let mut as_chosen = one_by_one.clone();
                for text in &texts {
                    apply(picks, &mut one_by_one, text);
                }
                let choice = chosen(picks, false, &texts);
                for index in &choice.kept {
                    apply(picks, &mut as_chosen, texts[*index as usize]);
                }
                prop_assert_eq!(&one_by_one, &as_chosen, "{:?}", picks);
                prop_assert_eq!(choice.kept.len() + choice.instead.len(), texts.len());
            }
        }
    }
}
