//! Replays that are asked for in SQL, beside a service that runs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::Shop;
use crate::support::proxy::Proxy;
use crate::support::wait_until;

const MEND: &str = "alter table items drop constraint not_negative";

#[test]
fn the_service_carries_out_what_psql_asks_for() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n3,c,x\n");
    shop.client().batch_execute(MEND).expect(MEND);
    let service = shop.home.run();
    let ask = "select ingestd.replay_dead_letters('items', reason => 'refused')";
    let number = shop.number(ask);
    let state = format!("select state from ingestd.replays where replay_id = {number}");
    wait_until(PATIENCE, || shop.lines(&state) == ["DONE"]);
    assert_eq!(shop.rows(), ["1 'a' -1", "2 'b' -2"]);
    let figures = format!(
        "select concat_ws(' ', inserted, failed, parts, asked_by <> '') from ingestd.replays
         where replay_id = {number}"
    );
    assert_eq!(shop.lines(&figures), ["2 0 1 t"]);
    assert_eq!(shop.number("select count(*) from ingestd.dead_letters where replay_id is not null and resolved_by <> ''"), 2);
    service.stop();
}

#[test]
fn a_request_whose_service_has_died_goes_on_with_the_next_one() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    // As it was left: taken up, the second letter done.
    client
        .batch_execute(
            "insert into ingestd.replays (pipeline, requested, state, epoch, seen_at, at_file, at_record)
             values ('items', true, 'RUNNING', 7, clock_timestamp() - interval '1 min', 1, 2)",
        )
        .expect("a replay");
    let service = shop.home.run();
    wait_until(PATIENCE, || {
        shop.lines("select state from ingestd.replays") == ["DONE"]
    });
    assert_eq!(shop.rows(), ["1 'a' -1"]);
    assert_eq!(
        shop.lines("select concat_ws(' ', epoch, parts, at_record) from ingestd.replays"),
        ["8 1 1"]
    );
    service.stop();
}

/// Another service took it over then, and each took it from the other.
#[test]
fn a_replay_that_waits_for_the_server_is_not_taken_for_dead() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n");
    let client = &mut shop.client();
    client.batch_execute(MEND).expect(MEND);
    let mut other = shop.client();
    let service = shop.home.run();
    // Nobody gets to read the letters.
    let mut locked = other.transaction().expect("a transaction");
    let lock = "lock table ingestd.dead_letters in access exclusive mode";
    locked.batch_execute(lock).expect(lock);
    let ask = "insert into ingestd.replays (pipeline, requested) values ('items', true)";
    client.batch_execute(ask).expect(ask);
    let begun = "select count(*) from ingestd.replays where state = 'RUNNING'";
    wait_until(PATIENCE, || shop.number(begun) == 1);
    let seen = "select count(*) from ingestd.replays
                where seen_at > started_at + interval '4 s' and parts = 0 and epoch = 1";
    wait_until(PATIENCE, || shop.number(seen) == 1);
    locked.rollback().expect("let go");
    wait_until(PATIENCE, || {
        shop.lines("select state from ingestd.replays") == ["DONE"]
    });
    assert_eq!(shop.rows(), ["1 'a' -1"]);
    service.stop();
}

/// Once with `TEST_LETTERS=50000`, on a machine that was busy with other things: 246 s, seen 498 times, and never
/// not seen for 2 s.
#[test]
fn how_far_a_long_replay_over_a_slow_line_is_can_be_seen() {
    let letters = std::env::var("TEST_LETTERS").map_or(1_000, |it| it.parse().expect("a number"));
    let mut shop = Shop::new("key = [\"id\"]");
    let mut text = "id,name,amount\n".to_owned();
    for id in 0..1_000 + letters {
        let amount = if id < 1_000 { "1" } else { "x" };
        text.push_str(&format!("{id},a,{amount}\n"));
    }
    shop.load(text);
    let mend = "alter table items drop constraint not_negative, alter amount type text";
    shop.client().batch_execute(mend).expect(mend);
    let proxy = Proxy::before(&shop.database.url);
    proxy.delay(Duration::from_millis(1));
    let url = proxy.url(&shop.database.name);
    shop.home.replace(&shop.database.url, &url);
    let service = shop.home.run();
    shop.number("select ingestd.replay_dead_letters('items')");
    let mut parts = BTreeSet::new();
    let mut longest = 0.0_f64;
    let look = "select parts, inserted, state,
                       extract(epoch from clock_timestamp() - seen_at)::float8 from ingestd.replays";
    let mut client = shop.client();
    let started = Instant::now();
    loop {
        let row = client.query_one(look, &[]).expect(look);
        let (done, inserted, state): (i64, i64, String) = (row.get(0), row.get(1), row.get(2));
        if state == "DONE" {
            assert_eq!(inserted, letters);
            break;
        }
        if state == "RUNNING" {
            assert_eq!(inserted, done * 100, "they are counted with their part");
            parts.insert(done);
            longest = longest.max(row.get(3));
        }
        assert!(started.elapsed() < PATIENCE * 10, "{state}: {done} parts");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!(
        "{letters} letters in {:?}, seen {} times, not seen for {longest} s at most",
        started.elapsed(),
        parts.len()
    );
    assert!(parts.len() > 3 && longest < 10.0, "{parts:?}, {longest}");
    assert_eq!(shop.number("select max(epoch) from ingestd.replays"), 1);
    assert_eq!(shop.number("select count(*) from items"), 1_000 + letters);
    service.stop();
}

/// Those that a command has dealt with since, one that means others, and one that is to overwrite what the
/// command did not.
#[test]
fn what_a_command_has_replayed_is_waited_for_no_more_where_no_service_runs() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n3,c,x\n");
    let mut client = shop.client();
    client.batch_execute(MEND).expect(MEND);
    let ask = "select ingestd.replay_dead_letters('items', reason => 'refused'),
                      ingestd.replay_dead_letters('items', reason => 'invalid_value'),
                      ingestd.replay_dead_letters('items'),
                      ingestd.replay_dead_letters('items', overwrite => true)";
    client.query_one(ask, &[]).expect(ask);
    let states = "select state from ingestd.replays where requested order by replay_id";
    shop.said(0, &["replay", "--where", "reason=refused"]);
    assert_eq!(
        shop.lines(states),
        ["DONE", "WAITING", "WAITING", "WAITING"]
    );
    // It fails once more: there is nothing else to be done about it either.
    shop.said(1, &["replay", "--all", "--dry-run"]);
    assert_eq!(
        shop.lines(states),
        ["DONE", "WAITING", "WAITING", "WAITING"]
    );
    shop.said(1, &["replay", "--all"]);
    assert_eq!(shop.lines(states), ["DONE", "DONE", "DONE", "WAITING"]);
    shop.said(1, &["replay", "--all", "--overwrite"]);
    assert_eq!(shop.lines(states), ["DONE", "DONE", "DONE", "DONE"]);
    let resolved = "select sum(inserted + failed)::bigint from ingestd.replays where requested";
    assert_eq!(shop.number(resolved), 0, "others have done it");
    assert_eq!(shop.rows(), ["1 'a' -1", "2 'b' -2"]);
}

/// It was said that somebody else had dealt with them, of letters that nobody had ever meant; and what was settled
/// in another way was waited for until a service came.
#[test]
fn a_replay_that_means_no_letters_is_over_and_says_no_more_than_that() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n");
    let ask = "select ingestd.replay_dead_letters('items', reason => 'invalid_valve')";
    shop.number(ask);
    let over = "select concat_ws(' ', state, problem) from ingestd.replays where requested";
    shop.said(1, &["replay", "--all"]);
    let said = shop.lines(over).concat();
    assert!(said.starts_with("DONE nothing is left"), "{said}");
    assert!(
        !said.contains("somebody else has replayed or settled"),
        "{said}"
    );

    shop.number("select ingestd.replay_dead_letters('items')");
    shop.said(0, &["discard", "--all", "--yes", "--because", "sent again"]);
    shop.said(0, &["replay", "--all"]);
    let open = "select count(*) from ingestd.replays where state <> 'DONE'";
    assert_eq!(shop.number(open), 0);
}
