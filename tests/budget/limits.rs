//! The error budget: count and share, the reader's and the server's refusals, over restarts.

use super::*;

/// Refused by the reader, and by a constraint of the table.
const BAD: [(&str, &str); 2] = [("many", "invalid_value"), ("-1", "refused")];

#[test]
fn exactly_the_count_is_loaded_and_one_more_quarantines_the_file() {
    for (instead, reason) in BAD {
        let mut place = Place::new(ITEMS, "key = [\"id\"]\nmax_errors = 10");
        let said = place.load("ten.csv", &every(10, 100, instead));
        assert!(said.contains("committed") || said.contains("90"), "{said}");
        assert_eq!(place.files(), ["COMMITTED 100 90 10"]);

        let said = place.load("eleven.csv", &every(10, 110, instead));
        let expected = "over its error budget (max_errors = 10): 11 of ";
        assert!(said.contains(expected), "{said}");
        assert!(said.contains(&format!("for {reason}")), "{said}");
        assert!(
            place.reason().contains("is in the table")
                || place.reason().contains("are in the table")
        );
        let letters = "select count(*) from ingestd.dead_letters where file_id = 2";
        assert_eq!(place.number(letters), 11);
        let listed = place.ask(&["files", "--state", "QUARANTINED"]);
        assert!(listed.contains(expected), "{listed}");
    }
}

#[test]
fn a_share_is_judged_from_the_sample_on_and_at_the_end() {
    let keys = "key = [\"id\"]\nbatch_rows = 100\nmax_error_ratio = 0.1\nmin_records = 500";
    for (instead, _) in BAD {
        let mut place = Place::new(ITEMS, keys);
        // 40 of the first 400 are a tenth; so are 10 of 100 at the end.
        place.load("tenth.csv", &every(10, 400, instead));
        place.load("small.csv", &every(10, 100, instead));
        place.load("worse.csv", &every(9, 99, instead));
        place.load("large.csv", &every(9, 20_000, instead));
        let states = place.lines("select state from ingestd.files order by file_id");
        assert_eq!(
            states,
            ["COMMITTED", "COMMITTED", "QUARANTINED", "QUARANTINED"]
        );
        let reason = place.reason();
        assert!(
            reason.contains("(max_error_ratio = 0.1): 11 of its 99 records"),
            "{reason}"
        );
        let letters = "select count(*) from ingestd.dead_letters where file_id = 4";
        assert!(place.number(letters) < 200);
    }
}

#[test]
fn a_large_bad_file_ends_soon_and_the_next_ones_are_loaded() {
    for (instead, _) in BAD {
        let keys = "key = [\"id\"]\nbatch_rows = 1_000\nmax_errors = 50";
        let mut place = Place::new(ITEMS, keys);
        let mut amounts = vec!["1".to_owned()];
        amounts.resize(200_000, instead.to_owned());
        place.drop_in("1.csv", &file(amounts));
        place.drop_in("2.csv", &every(7, 20, "1"));
        place.run_until_finished(2);
        let states = place.lines("select state from ingestd.files order by file_id");
        assert_eq!(states, ["QUARANTINED", "ARCHIVED"]);
        // Of two writers, each may find as many as there was room for.
        let letters = place.number("select count(*) from ingestd.dead_letters");
        assert!((51..=101).contains(&letters), "{letters} dead letters");
        let names = crate::support::home::names_in(&place.home.data().join("quarantine/p"));
        assert!(
            names.iter().any(|name| name.starts_with("1.csv")),
            "{names:?}"
        );
        assert_eq!(place.number("select count(*) from items where id = 20"), 1);
    }
}

/// Many small files share a batch: those over their budget leave it, the others are written.
#[test]
fn one_bad_file_of_a_batch_leaves_the_others_alone() {
    let mut place = Place::new(ITEMS, "key = [\"id\"]\nmax_errors = 0");
    for number in 0..30 {
        let amount = if number % 3 == 0 { -1 } else { 1 };
        let text = format!("id,amount\n{number},{amount}\n");
        place.drop_in(&format!("{number:02}.csv"), &text);
    }
    place.run_until_finished(30);
    assert_eq!(place.number("select count(*) from items"), 20);
    let bad = "select count(*) from ingestd.files where state = 'QUARANTINED' and rejected = 1";
    assert_eq!(place.number(bad), 10);
    assert_eq!(
        place.number("select count(*) from ingestd.dead_letters"),
        10
    );
}

#[test]
fn the_count_goes_on_after_kills() {
    // Each batch takes a while, so that a kill finds some done and some not.
    let ddl = format!(
        "{ITEMS};
         create function slow() returns trigger language plpgsql as
             $$ begin perform pg_sleep(0.004); return null; end $$;
         create trigger slow before insert on items for each statement execute function slow()"
    );
    let keys = "key = [\"id\"]\nbatch_rows = 50\nmax_errors = 60";
    let mut place = Place::new(&ddl, keys);
    place.drop_in("1.csv", &every(25, 1_000, "many"));
    place.drop_in("2.csv", &every(30, 3_000, "-1"));
    for part in [300, 1_200, 1_700] {
        let query = format!(
            "select coalesce(sum(inserted + updated) >= {part}, false) from ingestd.file_status"
        );
        place.run_until(&query).kill();
    }
    place.run_until_finished(2);
    let states = "select concat_ws(' ', state, rejected between 61 and 121) from ingestd.files";
    let states = place.lines(&format!("{states} order by file_id"));
    assert_eq!(states, ["ARCHIVED f", "QUARANTINED t"]);
    let letters = "select count(*) = f.rejected and count(distinct record) = f.rejected
                   from ingestd.dead_letters join ingestd.files f using (file_id)
                   group by f.file_id";
    let rows = place.client.query(letters, &[]).expect("a query");
    assert!(rows.len() == 2 && rows.iter().all(|row| row.get(0)));
}

#[test]
fn a_file_that_was_given_up_may_be_dropped_again() {
    let mut place = Place::new(ITEMS, "key = [\"id\"]\nbatch_rows = 10\nmax_errors = 3");
    // Nothing of it is in the table: it is loaded from its start, and mended by then.
    let text = file(["many"; 4].map(str::to_owned));
    assert!(place.load("none.csv", &text).contains("none of its rows"));
    assert!(place.load("again.csv", &text).contains("none of its rows"));

    place.drop_in("some.csv", &every(20, 2_000, "-1"));
    place.run_until_finished(1);
    let loaded = place.number("select count(*) from items");
    place.drop_in("more.csv", &every(20, 2_000, "-1"));
    let states = "select state || ' ' || coalesce(reason, '') from ingestd.files order by file_id";
    place.run_until_finished(2);
    let said = place.lines(states);
    let last = said.last().expect("a file");
    match loaded {
        0 => assert!(last.contains("over its error budget"), "{last}"),
        _ => assert!(last.contains("in the table already"), "{last}"),
    }
    assert_eq!(place.number("select count(*) from items"), loaded);
}
