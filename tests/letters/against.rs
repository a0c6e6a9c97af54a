//! A replay beside whatever else may be done to the same letters, or to their keys.

use std::thread;

use serde_json::Value;

use super::{PATIENCE, Shop};
use crate::support::home::drop_file;
use crate::support::wait_until;

const MEND: &str = "alter table items drop constraint not_negative";
/// Without a key a row that is written twice is seen; and it is told which file's it is.
const BY_FILE: &str = "create table items (id bigint, name text, amount integer
    constraint not_negative check (amount >= 0), file bigint)";
const COLUMNS: &str = "columns = [{ name = \"id\" }, { name = \"name\" }, { name = \"amount\" },
    { name = \"file\", from = \"file_id\" }]";
const EACH: i64 = 800;

fn refused(from: i64, count: i64) -> String {
    let lines = (from..from + count).map(|id| format!("{id},letter,-1\n"));
    format!("id,name,amount\n{}", lines.collect::<String>())
}

/// Two files of letters whose cause is mended.
fn two_files(keys: &str) -> Shop {
    let mut shop = Shop::with_table(BY_FILE, &format!("{COLUMNS}\n{keys}"));
    shop.load(refused(0, EACH));
    shop.load(refused(EACH, EACH));
    shop.client().batch_execute(MEND).expect(MEND);
    shop
}

/// Replays all, and does something else once so many rows are there.
fn replay_beside(shop: &Shop, rows: i64, beside: impl FnOnce()) -> Value {
    thread::scope(|scope| {
        let replaying = scope.spawn(|| shop.replay(&["--all"]));
        wait_until(PATIENCE, || {
            shop.number("select count(*) from items") >= rows || replaying.is_finished()
        });
        beside();
        replaying.join().expect("a report")
    })
}

fn of(report: &Value, name: &str) -> i64 {
    report[name].as_i64().expect("a number")
}

fn count(shop: &Shop, status: &str) -> i64 {
    shop.number(&format!(
        "select count(*) from ingestd.dead_letters where status = '{status}'"
    ))
}

fn assert_once(shop: &Shop) -> i64 {
    let rows = shop.number("select count(*) from items");
    assert_eq!(shop.number("select count(distinct id) from items"), rows);
    rows
}

#[test]
fn of_a_file_that_is_taken_back_meanwhile_nothing_is_left() {
    // Its letters are those that are replayed last, or first.
    for (undone, at) in [(1, EACH + 100), (2, 100), (1, 1)] {
        let shop = two_files("");
        let report = replay_beside(&shop, at, || {
            let file = format!("{undone}");
            let said = shop.home.ask(&["undo", &file, "--yes"]);
            assert!(said.status.success(), "{said:?}");
        });
        assert_eq!(assert_once(&shop), EACH, "{report}");
        let others = format!("select count(*) from items where file = {undone}");
        assert_eq!(shop.number(&others), 0);
        assert_eq!(
            (count(&shop, "DISCARDED"), count(&shop, "RESOLVED")),
            (EACH, EACH)
        );
        assert_eq!(count(&shop, "NEW"), 0);
        let settled = of(&report, "inserted") + of(&report, "settled") + of(&report, "not_ready");
        assert!((EACH..=2 * EACH).contains(&settled), "{report}");
        shop.assert_audited();
    }
}

#[test]
fn of_a_file_that_is_forgotten_meanwhile_what_was_loaded_stays_and_the_counts_add_up() {
    let shop = two_files("");
    let report = replay_beside(&shop, EACH + 100, || {
        let said = shop.home.ask(&["forget", "1", "--yes"]);
        assert!(said.status.success(), "{said:?}");
    });
    assert_eq!(assert_once(&shop), of(&report, "inserted"), "{report}");
    let kept = shop.number("select count(*) from items where file = 2");
    assert_eq!(
        (kept, count(&shop, "RESOLVED"), count(&shop, "NEW")),
        (EACH, EACH, 0)
    );
    shop.assert_audited();
}

#[test]
fn a_letter_is_discarded_or_replayed_and_never_both() {
    let shop = two_files("");
    let report = replay_beside(&shop, 200, || {
        // Some that come soon, and some that come late.
        for records in [1..=30, 400..=430, 700..=730] {
            for record in records {
                let by = format!("record={record}");
                let words = [
                    "dead-letters",
                    "discard",
                    "--where",
                    "file=1",
                    "--where",
                    &by,
                ];
                let said = shop
                    .home
                    .ask(&[&words[..], &["--because", "a test", "--yes"]].concat());
                assert!(said.status.code() < Some(2), "{said:?}");
                if shop.number("select count(*) from ingestd.replays where state = 'RUNNING'") == 0
                {
                    return;
                }
            }
        }
    });
    let rows = assert_once(&shop);
    let discarded = count(&shop, "DISCARDED");
    assert_eq!(
        (rows, count(&shop, "RESOLVED")),
        (of(&report, "inserted"), rows)
    );
    assert_eq!(
        (rows + discarded, count(&shop, "NEW")),
        (2 * EACH, 0),
        "{report}"
    );
    let both = "select count(*) from items i join ingestd.dead_letters d
                on d.file_id = i.file and d.record = i.id - (i.file - 1) * 800 + 1
                where d.status = 'DISCARDED'";
    assert_eq!(shop.number(both), 0);
    shop.assert_audited();
}

/// All at once: what psql says is one statement, and meets a part in the middle.
#[test]
fn all_are_discarded_at_once_beside_a_replay() {
    for at in [1, 300, 900] {
        let shop = two_files("");
        let discard = "select ingestd.discard_dead_letters('x', pipeline => 'items')";
        let report = replay_beside(&shop, at, || {
            shop.number(discard);
        });
        let rows = assert_once(&shop);
        assert_eq!(
            (rows, count(&shop, "RESOLVED")),
            (of(&report, "inserted"), rows)
        );
        assert_eq!(
            (rows + count(&shop, "DISCARDED"), count(&shop, "NEW")),
            (2 * EACH, 0)
        );
    }
}

#[test]
fn a_command_and_a_service_share_the_letters() {
    let shop = two_files("");
    let service = shop.home.run();
    wait_until(PATIENCE, || shop.home.log().contains("\"msg\":\"ready\""));
    for _ in 0..2 {
        shop.number("select ingestd.replay_dead_letters('items')");
    }
    let report = shop.replay(&["--all"]);
    wait_until(PATIENCE, || {
        shop.number("select count(*) from ingestd.replays where state = 'DONE'") >= 2
            && shop.number("select count(*) from ingestd.replays where state <> 'DONE'") == 0
    });
    assert_eq!(assert_once(&shop), 2 * EACH, "{report}");
    assert_eq!(
        shop.number("select sum(inserted)::bigint from ingestd.replays"),
        2 * EACH
    );
    assert_eq!(
        shop.number("select sum(failed)::bigint from ingestd.replays"),
        0
    );
    shop.assert_audited();
    service.stop();
}

#[test]
fn a_newer_row_stands_in_the_end_and_an_older_one_does_not() {
    let mut shop =
        Shop::new("key = [\"id\"]\nmode = \"newest\"\nversion = \"changed\"\npartitions = 2");
    let lines = |name: &str, amount: i64, hour: i64| {
        let lines = (1..=EACH).map(|id| format!("{id},{name},{amount},2024-01-01 {hour}:00Z\n"));
        format!("id,name,amount,changed\n{}", lines.collect::<String>())
    };
    shop.load(lines("letter", -1, 12));
    shop.client().batch_execute(MEND).expect(MEND);
    let service = shop.home.run();
    let inbox = shop.home.directory("inbox");
    let report = replay_beside(&shop, 100, || {
        // Half of the keys have a newer row, the others an older one.
        let newer = lines("newer", 1, 13);
        let newer: String = newer
            .lines()
            .take(1 + EACH as usize / 2)
            .map(|it| format!("{it}\n"))
            .collect();
        drop_file(&inbox, "newer.csv", newer);
        drop_file(&inbox, "older.csv", lines("older", 1, 11));
    });
    wait_until(PATIENCE, || {
        shop.number("select count(*) from ingestd.files where state = 'ARCHIVED'") == 2
    });
    assert_eq!(
        shop.lines("select concat_ws(' ', name, count(*)) from items group by name order by 1"),
        [
            format!("letter {}", EACH / 2),
            format!("newer {}", EACH / 2)
        ],
        "{report}"
    );
    assert_eq!(count(&shop, "RESOLVED"), EACH);
    shop.assert_audited();
    service.stop();
}
