//! How long letters are kept, beside whoever reads them at that moment.

use rustix::process::Signal;

use super::{PATIENCE, Shop};
use crate::support::home::drop_file;
use crate::support::wait_until;

const MEND: &str = "alter table items drop constraint not_negative";
const TABLE: &str = "create table items (id bigint, name text, amount integer
    constraint not_negative check (amount >= 0))";

fn refused(count: usize) -> String {
    let lines = (1..=count).map(|id| format!("{id},letter,-1\n"));
    format!("id,name,amount\n{}", lines.collect::<String>())
}

/// By their age, the NEW ones too; and by their number.
#[test]
fn beside_a_replay_each_letter_is_loaded_or_forgotten_and_counted() {
    for keys in [
        "dead_letter_retention = \"1s\"\nnew_dead_letter_retention = \"1s\"",
        "dead_letter_most = 10\nnew_dead_letter_retention = \"1s\"",
    ] {
        let mut shop = Shop::with_table(TABLE, keys);
        shop.load(refused(2_500));
        shop.client().batch_execute(MEND).expect(MEND);
        let service = shop.home.run();
        let report = shop.replay(&["--all"]);
        let left = if keys.contains("most") { 10 } else { 0 };
        let letters = "select count(*) from ingestd.dead_letters";
        wait_until(PATIENCE, || shop.number(letters) <= left);
        let rows = shop.number("select count(*) from items");
        assert_eq!(shop.number("select count(distinct id) from items"), rows);
        let inserted =
            shop.number("select coalesce(sum(inserted), 0)::bigint from ingestd.replays");
        assert_eq!(inserted, rows, "{report}");
        let forgotten = shop.number("select letters_forgotten from ingestd.files");
        assert_eq!(forgotten + shop.number(letters), 2_500, "{report}");
        assert_eq!(
            shop.home.log().matches("restarts").count(),
            0,
            "{}",
            shop.home.log()
        );
        shop.assert_audited();
        service.stop();
    }
}

/// A file over its budget, whose letters are forgotten while it is retried with a larger one.
#[test]
fn beside_a_retry_of_their_file_what_was_rejected_adds_up() {
    let keys = "key = [\"id\"]\nmax_errors = 3\ndead_letter_retention = \"1s\"\nnew_dead_letter_retention = \"1s\"";
    let shop = Shop::new(keys);
    let service = shop.home.run();
    let bad = (1..=400).map(|id| format!("{id},a,{}\n", if id % 4 == 0 { -1 } else { id }));
    let text = format!("id,name,amount\n{}", bad.collect::<String>());
    drop_file(&shop.home.directory("inbox"), "1.csv", text);
    // Of a file of which nothing is loaded a retry makes a new one.
    let state = "select state from ingestd.files
                 where archived_at is not null and file_id = (select max(file_id) from ingestd.files)";
    let newest = "select max(file_id) from ingestd.files";
    let is_there = || shop.client().batch_execute(state).is_ok();
    wait_until(PATIENCE, || {
        is_there() && shop.lines(state) == ["QUARANTINED"]
    });
    // It is refused again and again, while its letters are forgotten.
    for (index, [from, to]) in [[3, 4], [4, 5], [5, 200]].into_iter().enumerate() {
        let [from, to] = [from, to].map(|most| format!("max_errors = {most}\n"));
        shop.home.replace(&from, &to);
        service.signal(Signal::HUP);
        let reloads = || shop.home.log().matches("\"msg\":\"reloaded\"").count();
        wait_until(PATIENCE, || reloads() > index);
        let before = shop.number(newest);
        let said = shop.home.ask(&["retry", &before.to_string()]);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
        wait_until(PATIENCE, || shop.number(newest) > before);
        let wanted = if index == 2 {
            "ARCHIVED"
        } else {
            "QUARANTINED"
        };
        wait_until(PATIENCE, || shop.lines(state) == [wanted]);
    }
    assert_eq!(shop.number("select count(*) from items"), 300);
    let letters = "select count(*) from ingestd.dead_letters";
    wait_until(PATIENCE, || shop.number(letters) == 0);
    assert_eq!(
        shop.lines(
            "select concat_ws(' ', inserted + updated + unchanged + duplicate, rejected,
                    letters_forgotten) from ingestd.files where state = 'ARCHIVED'"
        ),
        ["300 100 100"]
    );
    shop.assert_audited();
    service.stop();
}
