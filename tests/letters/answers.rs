//! What is shown, counted, discarded and forgotten.

use super::PATIENCE;
use super::{Shop, assert_figures};
use crate::support::wait_until;

#[test]
fn one_is_shown_with_a_mark_and_with_what_would_be_right() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,\u{1b}[31m,-1\n2,日本,many\n3,x\n");
    let said = shop.said(0, &["show", "1.csv", "2"]);
    assert!(said.contains("\n  2,日本,many\n         ^^^^\n"), "{said}");
    for part in [
        "integer, such as 42",
        "22P02, invalid_text_representation",
        "replay 1 2",
        "CHECK ((amount >= 0))",
    ] {
        let part = part.replace("replay 1 2", "dead-letters replay");
        assert!(said.contains(&part), "{part}: {said}");
    }
    let said = shop.said(0, &["show", "1", "1"]);
    assert!(
        said.contains("not_negative") && said.contains("23514, check_violation"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let said = shop.said(0, &["show", "1", "3"]);
    assert!(
        said.contains("the header has 3") && said.contains("\n  3,x\n"),
        "{said}"
    );
    let said = shop.said(2, &["show", "1", "9"]);
    assert!(
        said.contains("record 9 of file 1 is no dead letter"),
        "{said}"
    );
}

#[test]
fn they_are_counted_and_discarded_and_never_replayed_after_that() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n3,c,x\n");
    let said = shop.said(2, &["discard", "1", "1", "--because", "a test"]);
    assert!(said.contains("--yes"), "{said}");
    let said = shop.said(2, &["discard", "--because", "x", "--yes"]);
    assert!(said.contains("--all"), "{said}");
    // Whoever has no such variable has a name all the same.
    let mut nameless = shop.home.command(&["dead-letters", "discard", "1", "1"]);
    nameless.args(["--because", "a test", "--yes"]);
    for name in ["SUDO_USER", "USER", "LOGNAME"] {
        nameless.env_remove(name);
    }
    assert!(nameless.output().expect("the program").status.success());
    let by = "select resolved_by from ingestd.dead_letters where status = 'DISCARDED'";
    assert!(!shop.lines(by)[0].starts_with("user "));
    let letter =
        "select concat_ws(' ', status, resolution, resolved_at is not null, resolved_by <> '')
                  from ingestd.dead_letters where record = 1";
    assert_eq!(shop.lines(letter), ["DISCARDED a test t t"]);
    shop.client()
        .batch_execute("alter table items drop constraint not_negative")
        .expect("altered");
    assert_figures(&shop.replay(&["--all"]), &[("inserted", 1), ("failed", 1)]);
    assert_eq!(shop.rows(), ["2 'b' -2"]);
    let stats = shop.said(0, &["stats", "--csv"]);
    let figures: Vec<&str> = stats
        .lines()
        .skip(1)
        .map(|line| &line[..line.find(",2").expect("a time")])
        .collect();
    assert_eq!(
        figures,
        ["items,invalid_value,amount,1,0,0", "items,refused,,0,1,1"]
    );
    let said = shop.said(0, &["list", "--status", "all"]);
    assert!(
        said.contains("RESOLVED") && said.contains("DISCARDED"),
        "{said}"
    );
    let said = shop.said(0, &["list", "--reason", "refused"]);
    assert!(said.contains("2 dead letters in other states"), "{said}");
    // An export has no --status: the whole command is named.
    let said = shop.said(0, &["export", "--reason", "refused", "--out", "-"]);
    assert!(said.contains("dead-letters list --config"), "{said}");
    assert!(said.contains(" --reason refused --status all`"), "{said}");
    let said = shop.said(0, &["discard", "1", "1", "--because", "again", "--yes"]);
    assert!(said.contains("it is DISCARDED already, by "), "{said}");
    let said = shop.said(0, &["discard", "1", "77", "--because", "again", "--yes"]);
    assert!(
        said.contains("record 77 of file 1 is no dead letter"),
        "{said}"
    );
    // The third was tried again; what is said of it is of that try.
    let said = shop.said(0, &["show", "1/3"]);
    assert!(said.contains("of try 2, in replay 1"), "{said}");
    let said = shop.said(2, &["show", "1.csv"]);
    assert!(said.contains("which record of"), "{said}");
    let said = shop.said(2, &["list", "--limit", "0"]);
    assert!(said.contains("--limit"), "{said}");
    shop.assert_audited();
}

#[test]
fn psql_discards_and_lists_too() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load(b"id,name,amount\n1,a\xFF,1\n2,b,-2\n");
    let texts =
        shop.lines("select coalesce(text, 'none') from ingestd.dead_letter_list order by record");
    assert_eq!(texts, ["none", "2,b,-2"]);
    let client = &mut shop.client();
    for refused in [
        "select ingestd.discard_dead_letters(' ')",
        "select ingestd.discard_dead_letters('why')",
    ] {
        client.batch_execute(refused).expect_err(refused);
    }
    // A name that is misspelt is told, with those that there are.
    for unknown in [
        "select ingestd.discard_dead_letters('why', pipeline => 'itms')",
        "select ingestd.replay_dead_letters('itms')",
        "select ingestd.discard_dead_letters('why', file_id => 99)",
        "select ingestd.replay_dead_letters('items', file_id => 99)",
    ] {
        let error = client.batch_execute(unknown).expect_err(unknown);
        let error = error.as_db_error().expect("the server's");
        assert!(
            error.message().starts_with("there is no "),
            "{unknown}: {error}"
        );
        assert!(
            error
                .hint()
                .is_some_and(|it| it.contains("There are: items") || it.contains("that there are")),
            "{unknown}: {error:?}"
        );
    }
    shop.number("select ingestd.replay_dead_letters('items')");
    let problem = &shop.lines("select problem from ingestd.replays")[0];
    assert!(
        problem.contains("no service has it configured"),
        "{problem}"
    );
    let discard =
        "select ingestd.discard_dead_letters('why', pipeline => 'items', code => '23514')";
    assert_eq!(shop.number(discard), 1);
    assert_eq!(shop.number(discard), 0);
    assert_eq!(
        shop.letters(),
        ["1 NEW 1 invalid_encoding", "2 DISCARDED 1 refused why"]
    );
}

#[test]
fn retention_forgets_what_is_settled_and_the_audit_still_adds_up() {
    let mut shop =
        Shop::new("key = [\"id\"]\ndead_letter_retention = \"1s\"\ndead_letter_most = 1");
    shop.load("id,name,amount\n1,a,-1\n2,b,-2\n3,c,-3\n4,d,-4\n");
    shop.said(
        0,
        &[
            "discard",
            "--where",
            "record=1",
            "--where",
            "file=1",
            "--because",
            "x",
            "--yes",
        ],
    );
    shop.said(0, &["discard", "1", "2", "--because", "x", "--yes"]);
    shop.said(0, &["discard", "1", "3", "--because", "x", "--yes"]);
    let _service = shop.home.run();
    wait_until(PATIENCE, || shop.letters() == ["4 NEW 1 refused"]);
    assert_eq!(
        shop.number("select letters_forgotten from ingestd.files"),
        3
    );
    shop.assert_audited();
}
