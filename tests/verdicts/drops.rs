//! What a drop is: each is decided about once, however often it is looked at.

use super::{Entry, PATIENCE, Site, first, longer, other, touch, wait_until};

const KEEPS: &str = "archive = false\n";

fn verdicts(site: &mut Site) -> Vec<(String, Option<String>)> {
    let files = site.files();
    files.into_iter().map(|it| (it.state, it.verdict)).collect()
}

#[test]
fn a_file_that_stays_is_loaded_once_for_each_touch_and_no_more() {
    let mut site = Site::new(&format!("{KEEPS}redropped = {{ same = \"reload\" }}"));
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "COMMITTED");
    for loads in 2..=4 {
        touch(&site.path("a.csv"));
        site.wait_for_last(loads, "COMMITTED");
        site.restart();
    }
    site.let_it_look(90);
    let mut expected = [[1; 4], [2; 4]].concat();
    expected.push(90);
    assert_eq!(site.ids(), expected);
    let files = verdicts(&mut site);
    assert_eq!(
        files[0],
        ("ARCHIVED".to_owned(), None),
        "replaced at its path"
    );
    let again = Some("same: reload".to_owned());
    assert_eq!(files[3], ("COMMITTED".to_owned(), again));
}

#[test]
fn a_file_that_is_only_looked_at_or_moved_out_and_back_is_no_drop() {
    let rules = "redropped = { same = \"reload\", renamed = \"reload\" }";
    let mut site = Site::new(&format!("{KEEPS}{rules}"));
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "COMMITTED");
    let (inside, outside) = (
        site.path("a.csv"),
        site.home.directory("outside").join("a.csv"),
    );
    std::fs::rename(&inside, &outside).expect("moved");
    site.let_it_look(90);
    std::fs::rename(&outside, &inside).expect("moved");
    site.let_it_look(91);
    site.restart();
    site.let_it_look(92);
    assert_eq!(site.ids(), [1, 2, 90, 91, 92]);
    assert_eq!(site.files().len(), 4);
}

/// The scan that would have seen that it was gone never came: it waited in the inbox until the next
/// start.
#[test]
fn a_file_that_is_put_back_from_the_archive_before_the_next_scan_is_seen() {
    let mut site = Site::new("scan_interval = \"1h\"");
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "ARCHIVED");
    let archived = site.home.directory("archive/things").join("a.csv");
    for files in 2..=3 {
        wait_until(PATIENCE, || archived.exists() && site.inbox().is_empty());
        // As whoever looks at the ledger would: before that it has not left yet.
        let on_their_way = "select count(*) from ingestd.files where archived_at is null";
        wait_until(PATIENCE, || {
            let row = site.client.query_one(on_their_way, &[]).expect("a count");
            row.get::<_, i64>(0) == 0
        });
        std::fs::rename(&archived, site.path("a.csv")).expect("moved");
        site.wait_for_last(files, "SKIPPED");
        wait_until(PATIENCE, || site.inbox().is_empty());
        // Where its name was free.
        assert_eq!(site.archived(), ["a.csv"]);
    }
    assert_eq!(site.ids(), [1, 2]);
}

#[test]
fn of_two_equal_files_at_once_one_is_loaded_and_the_other_follows_its_rule() {
    for (rule, ids) in [("skip", vec![1, 2]), ("reload", vec![1, 1, 2, 2])] {
        let mut site = Site::new(&format!("redropped = {{ renamed = \"{rule}\" }}"));
        site.service.take().expect("a service").stop();
        site.drop("a.csv", first(0));
        site.drop("b.csv", first(0));
        site.start();
        let last = if rule == "skip" {
            "SKIPPED"
        } else {
            "ARCHIVED"
        };
        site.wait_for_last(2, last);
        site.wait_for_inbox(&[]);
        assert_eq!(site.ids(), ids);
        assert_eq!(site.files()[1].verdict, Some(format!("renamed: {rule}")));
    }
}

#[test]
fn a_path_that_is_used_many_times_is_compared_with_what_was_there_last() {
    let mut site = Site::new("redropped = { same = \"skip\" }");
    let mut expected = Vec::new();
    for use_of_it in 0..24 {
        let base = 10 * use_of_it;
        site.drop("a.csv", first(base));
        site.wait_for_last(use_of_it as usize + 1, "ARCHIVED");
        site.wait_for_inbox(&[]);
        expected.extend([base + 1, base + 2]);
    }
    assert_eq!(site.ids(), expected);
    let all = site.files();
    let changed = Some("changed: reload".to_owned());
    assert!(all[1..].iter().all(|it| it.verdict == changed), "{all:?}");
    // More behind what was there last is a tail, more behind what was there before that is not.
    site.drop("a.csv", longer(230));
    site.wait_for_last(25, "ARCHIVED");
    assert_eq!(site.of_last("verdict"), "appended: tail");
    site.wait_for_inbox(&[]);
    site.drop("a.csv", longer(220));
    site.wait_for_last(26, "ARCHIVED");
    assert_eq!(site.of_last("verdict"), "changed: reload");
    site.wait_for_inbox(&[]);
    // The very first content is known, however long ago that was.
    site.drop("a.csv", first(0));
    site.wait_for_last(27, "SKIPPED");
    assert_eq!(site.of_last("verdict"), "same: skip");
}

#[test]
fn a_tail_of_a_tail_is_loaded_after_the_file_has_left_each_time() {
    let mut site = Site::new("");
    let mut content = first(0);
    site.drop("a.csv", &content);
    site.wait_for_last(1, "ARCHIVED");
    for id in 3..=6 {
        site.wait_for_inbox(&[]);
        content.push_str(&format!("{id},more\n"));
        site.drop("a.csv", &content);
        site.wait_for_last(id as usize - 1, "ARCHIVED");
        assert_eq!(site.of_last("verdict"), "appended: tail");
        assert_eq!(site.of_last("records"), "1");
    }
    assert_eq!(site.ids(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_was_skipped_for_its_content_is_no_beginning_of_a_tail() {
    let mut site = Site::new(&format!("{KEEPS}redropped = {{ changed = \"skip\" }}"));
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "COMMITTED");
    site.drop("a.csv", other(0));
    site.wait_for_last(2, "SKIPPED");
    site.drop("a.csv", format!("{}9,more\n", other(0)));
    site.wait_for_last(3, "SKIPPED");
    let skipped = Entry {
        name: "a.csv".into(),
        state: "SKIPPED".into(),
        verdict: Some("changed: skip".into()),
    };
    assert_eq!(site.files()[1..], [skipped.clone(), skipped]);
    assert_eq!(site.ids(), [1, 2]);
    // What was loaded, back at its place, is the same as it was.
    site.drop("a.csv", first(0));
    wait_until(PATIENCE, || {
        site.files()[0].verdict.as_deref() == Some("same: skip")
    });
    assert_eq!(site.files().len(), 3);
}

#[test]
fn files_without_records_are_compared_with_nothing() {
    let rules = "redropped = { same = \"quarantine\", appended = \"quarantine\", changed = \"quarantine\", renamed = \"quarantine\" }";
    let mut site = Site::new(rules);
    for (files, name, content) in [
        (1, "a.csv", String::new()),
        (2, "a.csv", String::new()),
        (3, "b.csv", "id,name\n".to_owned()),
        (4, "b.csv", "id,name\n".to_owned()),
        (5, "b.csv", first(0)),
    ] {
        site.drop(name, content);
        site.wait_for_last(files, "ARCHIVED");
        site.wait_for_inbox(&[]);
    }
    assert!(site.files().iter().all(|file| file.verdict.is_none()));
    assert_eq!(site.ids(), [1, 2]);
}

#[test]
fn a_touch_where_a_file_stands_follows_the_rule() {
    for (rule, state, ids, left) in [
        ("skip", "COMMITTED", vec![1, 2], true),
        ("reload", "COMMITTED", vec![1, 1, 2, 2], true),
        ("quarantine", "QUARANTINED", vec![1, 2], false),
    ] {
        let mut site = Site::new(&format!("{KEEPS}redropped = {{ same = \"{rule}\" }}"));
        site.drop("a.csv", first(0));
        site.wait_for_last(1, "COMMITTED");
        touch(&site.path("a.csv"));
        let verdict = Some(format!("same: {rule}"));
        wait_until(PATIENCE, || {
            let last = site.files().pop().expect("a file");
            last.verdict == verdict && last.state == state
        });
        wait_until(PATIENCE, || site.path("a.csv").exists() == left);
        assert_eq!(site.ids(), ids);
    }
}

#[test]
fn growth_where_a_file_stands_follows_the_rule() {
    for (rule, state, ids, left) in [
        ("skip", "SKIPPED", vec![1, 2], true),
        ("tail", "COMMITTED", vec![1, 2, 3], true),
        ("reload", "COMMITTED", vec![1, 1, 2, 2, 3], true),
        ("quarantine", "QUARANTINED", vec![1, 2], false),
    ] {
        let mut site = Site::new(&format!("{KEEPS}redropped = {{ appended = \"{rule}\" }}"));
        site.drop("a.csv", first(0));
        site.wait_for_last(1, "COMMITTED");
        let file = std::fs::File::options()
            .append(true)
            .open(site.path("a.csv"));
        std::io::Write::write_all(&mut file.expect("the file"), b"3,three\n").expect("written");
        site.wait_for_last(2, state);
        assert_eq!(site.of_last("verdict"), format!("appended: {rule}"));
        wait_until(PATIENCE, || site.path("a.csv").exists() == left);
        assert_eq!(site.ids(), ids);
    }
}

/// Too large to be hashed whole before it is read, and with more in the middle than its ends tell.
#[test]
fn large_files_are_compared_byte_for_byte() {
    let mut site = Site::new("");
    let lines = |changed: Option<i32>| {
        let mut text = String::from("id,name\n");
        for id in 100_000..200_000 {
            let name = if changed == Some(id) {
                "other"
            } else {
                "lines"
            };
            text.push_str(&format!("{id},{name}\n"));
        }
        text
    };
    let large = lines(None);
    site.drop("a.csv", &large);
    site.wait_for_last(1, "ARCHIVED");
    site.wait_for_inbox(&[]);
    site.drop("a.csv", &large);
    site.wait_for_last(2, "SKIPPED");
    assert_eq!(site.of_last("verdict"), "same: skip");
    site.wait_for_inbox(&[]);
    site.drop("a.csv", format!("{large}1,more\n"));
    site.wait_for_last(3, "ARCHIVED");
    assert_eq!(site.of_last("verdict"), "appended: tail");
    assert_eq!(site.of_last("records"), "1");
    site.wait_for_inbox(&[]);
    site.drop("a.csv", format!("{}1,more\n2,more\n", lines(Some(150_000))));
    site.wait_for_last(4, "ARCHIVED");
    assert_eq!(site.of_last("verdict"), "changed: reload");
    assert_eq!(site.of_last("records"), "100002");
}

/// Two files of one content grow by the same: once more it is the same content.
#[test]
fn two_equal_files_that_grow_alike_have_one_tail() {
    let mut site = Site::new(KEEPS);
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "COMMITTED");
    site.drop("b.csv", first(0));
    site.wait_for_last(2, "SKIPPED");
    site.service.take().expect("a service").stop();
    site.drop("a.csv", longer(0));
    site.drop("b.csv", longer(0));
    site.start();
    site.wait_for_last(4, "SKIPPED");
    assert_eq!(site.of_last("verdict"), "renamed: skip");
    assert_eq!(site.ids(), [1, 2, 3]);
}

#[test]
fn a_compressed_file_with_more_behind_it_is_quarantined() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let mut site = Site::new("pattern = \"*\"");
    let member = gzip(&first(0));
    site.drop("a.csv.gz", &member);
    site.wait_for_last(1, "ARCHIVED");
    site.wait_for_inbox(&[]);
    site.drop("a.csv.gz", [member, gzip("3,three\n")].concat());
    site.wait_for_last(2, "QUARANTINED");
    let reason = site.of_last("reason");
    assert!(reason.contains("of a file that is compressed"), "{reason}");
    site.wait_for_inbox(&[]);
    // Compressed anew it begins otherwise.
    site.drop("a.csv.gz", gzip(&longer(0)));
    site.wait_for_last(3, "ARCHIVED");
    assert_eq!(site.of_last("verdict"), "changed: reload");
}
