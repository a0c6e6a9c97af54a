//! Manifests: a file holds what was said of it, or is quarantined.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::stops::{Held, MOMENTS, Stop};
use super::{PATIENCE, Site, first, longer, wait_until};
use crate::support::home::drop_file;

const KEYS: &str = "manifest = \".manifest\"\nsettle = \"1h\"\npattern = \"*\"\n";

/// Drops a file, and then what is said of it.
fn drop_both(site: &Site, name: &str, content: impl AsRef<[u8]>, manifest: &str) {
    site.drop(name, content);
    site.drop(&format!("{name}.manifest"), manifest);
}

#[test]
fn files_that_hold_what_is_said_are_loaded() {
    let mut site = Site::new(KEYS);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(first(30).as_bytes()).expect("in memory");
    let gzip = gzip.finish().expect("in memory");
    let with_bytes = format!("{{\"records\": 2, \"bytes\": {}}}", gzip.len());
    let bad_row = format!("{}no number,x\n", first(40));
    let files: [(&str, Vec<u8>, &str); 7] = [
        ("a-number.csv", first(0).into_bytes(), "2\n"),
        ("b-json.csv", first(10).into_bytes(), "{\"records\": 2}"),
        (
            "c-bytes.csv",
            first(20).into_bytes(),
            "{\"records\": 2, \"bytes\": 22}",
        ),
        ("d.csv.gz", gzip, &with_bytes),
        ("e-empty.csv", b"".to_vec(), "0"),
        (
            "f-header.csv",
            b"id,name\n".to_vec(),
            "{\"records\": 0, \"bytes\": 8}",
        ),
        ("g-dead-letter.csv", bad_row.into_bytes(), "3"),
    ];
    for (number, (name, content, manifest)) in files.into_iter().enumerate() {
        drop_both(&site, name, content, manifest);
        site.wait_for_last(number + 1, "ARCHIVED");
    }
    site.wait_for_inbox(&[]);
    assert_eq!(site.archived().len(), 14);
    assert_eq!(site.ids(), [1, 2, 11, 12, 21, 22, 31, 32, 41, 42]);
}

#[test]
fn a_mismatch_quarantines_the_file_at_its_end_and_keeps_its_rows() {
    let mut site = Site::new(KEYS);
    for (number, (name, content, manifest, said)) in [
        (
            "a.csv",
            first(0),
            "3",
            "the manifest says 3 records, the file has 2",
        ),
        (
            "b.csv",
            first(10),
            "1",
            "the manifest says 1 record, the file has 2",
        ),
        (
            "c.csv",
            String::new(),
            "5",
            "the manifest says 5 records, the file has 0",
        ),
        (
            "d.csv",
            "id,name\n".to_owned(),
            "1",
            "the manifest says 1 record, the file has 0",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        drop_both(&site, name, content, manifest);
        site.wait_for_last(number + 1, "QUARANTINED");
        assert_eq!(site.of_last("reason"), said);
        site.wait_for_inbox(&[]);
        let note = site
            .home
            .directory("quarantine/things")
            .join(format!("{name}.reason"));
        // The note is written last.
        wait_until(PATIENCE, || {
            fs::read_to_string(&note).is_ok_and(|text| text.trim_end() == said)
        });
        assert!(site.quarantined().contains(&format!("{name}.manifest")));
    }
    assert_eq!(site.ids(), [1, 2, 11, 12]);
    let inserted = "select sum(inserted)::bigint from ingestd.files";
    let row = site.client.query_one(inserted, &[]).expect("a sum");
    assert_eq!(
        row.get::<_, i64>(0),
        4,
        "the ledger says how many are in the table"
    );
    let kept = "select count(*) filter (where c.epoch = f.epoch)
                from ingestd.checkpoints c join ingestd.files f using (file_id)
                where f.state = 'QUARANTINED'";
    let kept: i64 = site.client.query_one(kept, &[]).expect("a count").get(0);
    assert_eq!(
        kept, 4,
        "a retry goes on from its checkpoints, and no earlier claim moves them"
    );
    // What is half in the table is not loaded unasked, whatever is said of it now.
    drop_both(&site, "a.csv", first(0), "2");
    site.wait_for_last(5, "QUARANTINED");
    let reason = site.of_last("reason");
    assert!(
        reason.contains("2 of its records are in the table already"),
        "{reason}"
    );
    // The next files go on.
    drop_both(&site, "e.csv", first(20), "2");
    site.wait_for_last(6, "ARCHIVED");
}

#[test]
fn a_manifest_that_says_nothing_quarantines_its_file_before_it_is_read() {
    let mut site = Site::new(KEYS);
    for (files, (manifest, said)) in [
        ("many", "neither a number nor JSON"),
        ("", "the manifest is empty"),
        ("{\"rows\": 2}", "has no \"records\""),
        (
            "{\"records\": 2, \"bytes\": 19}",
            "the manifest says 19 bytes, the file has 20",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        drop_both(&site, &format!("{files}.csv"), first(0), manifest);
        site.wait_for_last(files + 1, "QUARANTINED");
        let reason = site.of_last("reason");
        assert!(reason.contains(said), "{reason}");
    }
    assert_eq!(site.ids(), [0; 0]);
    // Nothing of it was loaded: with a manifest that says something it is as good as new.
    drop_both(&site, "again.csv", first(0), "2");
    site.wait_for_last(5, "ARCHIVED");
}

#[test]
fn a_file_that_is_shorter_than_is_said_waits_and_says_so() {
    let mut site = Site::new(KEYS);
    drop_both(
        &site,
        "a.csv",
        "id,name\n1,o",
        "{\"records\": 2, \"bytes\": 20}",
    );
    let waits = "the manifest says 20 bytes, the file has 11";
    wait_until(PATIENCE, || site.home.log().contains(waits));
    drop_both(&site, "b.csv", first(10), "2");
    site.wait_for_last(1, "ARCHIVED");
    // Nor does it hold up one of the same content that is complete by what is said of it.
    drop_both(&site, "c.csv", "id,name\n1,o", "1");
    site.wait_for_last(2, "ARCHIVED");
    let said = site.home.log();
    let lines = said.lines().filter(|line| line.contains(waits));
    assert_eq!(lines.count(), 1, "said once");
    let path = site.path("a.csv");
    fs::write(&path, first(0)).expect("the rest");
    drop_file(
        path.parent().expect("the inbox"),
        "a.csv.manifest",
        "{\"records\": 2, \"bytes\": 20}",
    );
    site.wait_for_last(3, "ARCHIVED");
    assert_eq!(site.ids(), [1, 1, 2, 11, 12]);
    assert_eq!(
        site.files().len(),
        3,
        "what was there of it was not skipped as c.csv"
    );
}

#[test]
fn a_tail_is_compared_with_what_is_said_of_the_whole_file() {
    let mut site = Site::new(KEYS);
    drop_both(&site, "a.csv", first(0), "2");
    site.wait_for_last(1, "ARCHIVED");
    site.wait_for_inbox(&[]);
    drop_both(&site, "a.csv", longer(0), "3");
    site.wait_for_last(2, "ARCHIVED");
    site.wait_for_inbox(&[]);
    assert_eq!(site.of_last("verdict"), "appended: tail");
    let longest = format!("{}4,four\n", longer(0));
    drop_both(&site, "a.csv", longest, "5");
    site.wait_for_last(3, "QUARANTINED");
    let reason = site.of_last("reason");
    assert_eq!(reason, "the manifest says 5 records, the file has 4");
    assert_eq!(site.ids(), [1, 2, 3, 4]);
}

/// The number that counts is the one that was there when the file was scheduled.
#[test]
fn a_crash_at_each_step_compares_with_the_same_number() {
    let mut site = Site::new(&KEYS.replace("1h", "50ms"));
    let mut base = 0;
    let stops = [
        Stop::Admit,
        Stop::Rows,
        Stop::Refuse,
        Stop::Target,
        Stop::Left,
    ];
    for stop in stops {
        for moment in MOMENTS {
            eprintln!("{stop:?}, {moment:?}");
            let name = format!("a{base}.csv");
            let held = Held::at(&mut site, stop);
            drop_both(&site, &name, first(base), "3");
            held.kill(&mut site, moment);
            let known = site.files().iter().any(|it| it.name == name);
            if known && site.inbox().contains(&name) {
                site.drop(&format!("{name}.manifest"), "2");
            }
            site.start();
            wait_until(PATIENCE, || {
                let files = site.files();
                files
                    .iter()
                    .any(|it| it.name == name && it.state == "QUARANTINED")
            });
            site.wait_for_inbox(&[]);
            assert!(site.quarantined().contains(&format!("{name}.manifest")));
            base += 10;
        }
    }
    let expected: Vec<i32> = (0..base)
        .step_by(10)
        .flat_map(|it| [it + 1, it + 2])
        .collect();
    assert_eq!(site.ids(), expected);
    assert_eq!(site.files().len(), 10);
}

#[test]
fn a_file_that_is_named_is_compared_too() {
    let mut site = Site::new(KEYS);
    site.service.take().expect("a service").stop();
    let path = site.path("a.csv");
    fs::write(&path, first(0)).expect("a file");
    let load = |site: &Site| {
        let output = site
            .home
            .ask(&["load", path.to_str().expect("a plain path")]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = load(&site);
    assert_eq!(code, Some(1));
    assert!(text.contains("a.csv.manifest is missing"), "{text}");
    fs::write(site.path("a.csv.manifest"), "2").expect("a manifest");
    let (code, text) = load(&site);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(site.ids(), [1, 2]);
}
