//! Done-markers: files are ready when theirs are there, and leave before them.

use std::fs;

use super::stops::{Held, MOMENTS, Stop};
use super::{PATIENCE, Site, first, other, wait_until};

/// Nothing settles before the test is over: what is loaded is so for its marker's sake.
const KEYS: &str = "done_marker = \".done\"\nsettle = \"1h\"\npattern = \"*\"\n";

fn mark(site: &Site, name: &str) {
    fs::write(site.path(&format!("{name}.done")), "").expect("a marker");
}

#[test]
fn a_file_waits_for_its_marker_and_both_leave() {
    let mut site = Site::new(&KEYS.replace("1h", "10ms"));
    site.drop("a.csv", first(0));
    site.drop("b.csv", first(10));
    // A marker alone is nothing, and never data.
    mark(&site, "z.csv");
    mark(&site, "b.csv");
    site.wait_for_last(1, "ARCHIVED");
    site.wait_for_inbox(&["a.csv", "z.csv.done"]);
    assert_eq!(site.archived(), ["b.csv", "b.csv.done"]);
    assert_eq!(site.ids(), [11, 12]);
    mark(&site, "a.csv");
    site.wait_for_last(2, "ARCHIVED");
    site.wait_for_inbox(&["z.csv.done"]);
    assert_eq!(
        site.archived(),
        ["a.csv", "a.csv.done", "b.csv", "b.csv.done"]
    );
    assert_eq!(site.files().len(), 2);
}

#[test]
fn with_a_marker_nothing_settles() {
    let mut site = Site::new(KEYS);
    // Written in its place, bit by bit, and never closed.
    let mut file = fs::File::create(site.path("a.csv")).expect("a file");
    std::io::Write::write_all(&mut file, first(0).as_bytes()).expect("written");
    mark(&site, "a.csv");
    site.wait_for_last(1, "ARCHIVED");
    assert_eq!(site.ids(), [1, 2]);
}

#[test]
fn the_marker_of_a_later_version_works_again() {
    for archive in [true, false] {
        let keeps = if archive { "" } else { "archive = false\n" };
        let mut site = Site::new(&format!("{KEYS}{keeps}"));
        let state = if archive { "ARCHIVED" } else { "COMMITTED" };
        site.drop("a.csv", first(0));
        mark(&site, "a.csv");
        site.wait_for_last(1, state);
        if archive {
            site.wait_for_inbox(&[]);
        }
        site.drop("a.csv", other(0));
        if !archive {
            // The old marker stands there still, and says nothing of the new content.
            let waits = "it was written after a.csv.done, which counts once it is written again";
            wait_until(PATIENCE, || site.home.log().contains(waits));
            site.drop("b.csv", first(50));
            mark(&site, "b.csv");
            site.wait_for_last(2, state);
            assert_eq!(site.ids(), [1, 2, 51, 52]);
        }
        let files = site.files().len();
        mark(&site, "a.csv");
        site.wait_for_last(files + 1, state);
        let mut expected = vec![1, 2, 2, 7];
        expected.extend(if archive { vec![] } else { vec![51, 52] });
        assert_eq!(site.ids(), expected);
    }
}

#[test]
fn the_marker_goes_where_its_file_goes() {
    let mut site = Site::new(KEYS);
    site.drop("bad.csv", "colour\nred\n");
    mark(&site, "bad.csv");
    site.wait_for_last(1, "QUARANTINED");
    site.wait_for_inbox(&[]);
    // The note is written last.
    wait_until(PATIENCE, || {
        site.quarantined() == ["bad.csv", "bad.csv.done", "bad.csv.reason"]
    });
    site.drop("a.csv", first(0));
    mark(&site, "a.csv");
    site.wait_for_last(2, "ARCHIVED");
    site.wait_for_inbox(&[]);
    site.drop("b.csv", first(0));
    mark(&site, "b.csv");
    site.wait_for_last(3, "SKIPPED");
    site.wait_for_inbox(&[]);
    assert_eq!(
        site.archived(),
        ["a.csv", "a.csv.done", "b.csv", "b.csv.done"]
    );
}

/// Killed at each step, the file is loaded once, and the marker never leaves before it.
#[test]
fn a_crash_at_each_step_leaves_no_file_without_its_marker() {
    let mut site = Site::new(KEYS);
    let mut base = 0;
    let stops = [
        Stop::Admit,
        Stop::Rows,
        Stop::Commit,
        Stop::Target,
        Stop::Left,
    ];
    for stop in stops {
        for moment in MOMENTS {
            let name = format!("a{base}.csv");
            let marker = format!("{name}.done");
            let held = Held::at(&mut site, stop);
            site.drop(&name, first(base));
            mark(&site, &name);
            held.kill(&mut site, moment);
            let inbox = site.inbox();
            if inbox.contains(&name) {
                assert!(inbox.contains(&marker), "{stop:?} {moment:?}: {inbox:?}");
            }
            site.start();
            wait_until(PATIENCE, || {
                let files = site.files();
                files
                    .iter()
                    .any(|it| it.name == name && it.state == "ARCHIVED")
            });
            site.wait_for_inbox(&[]);
            let archived = site.archived();
            assert!(
                archived.contains(&name) && archived.contains(&marker),
                "{archived:?}"
            );
            base += 10;
        }
    }
    let expected: Vec<i32> = (0..base)
        .step_by(10)
        .flat_map(|it| [it + 1, it + 2])
        .collect();
    assert_eq!(site.ids(), expected);
}

/// After a crash the marker of the next version stands where the old one's did: it is not taken.
#[test]
fn a_crash_does_not_take_the_marker_of_the_next_version() {
    let mut site = Site::new(KEYS);
    let held = Held::at(&mut site, Stop::Left);
    site.drop("a.csv", first(0));
    mark(&site, "a.csv");
    held.kill(&mut site, super::stops::Moment::Before);
    site.drop("a.csv", other(0));
    mark(&site, "a.csv");
    site.start();
    site.wait_for_last(2, "ARCHIVED");
    site.wait_for_inbox(&[]);
    assert_eq!(site.ids(), [1, 2, 2, 7]);
    let archived = site.archived();
    assert_eq!(
        archived.iter().filter(|it| it.ends_with(".done")).count(),
        2,
        "{archived:?}"
    );
}
