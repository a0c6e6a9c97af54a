//! Faults of other systems that have to do with files that come again.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{PATIENCE, Site, first, other, wait_until};

/// logstash-input-file #251, #213, #220: a new file that got the inode of an old one was skipped.
#[test]
fn logstash_skips_a_file_that_has_the_inode_of_an_old_one() {
    let mut site = Site::new("archive = false\nredropped = { changed = \"reload\" }");
    fs::write(site.path("a.csv"), first(0)).expect("a file");
    site.wait_for_last(1, "COMMITTED");
    let inode = fs::metadata(site.path("a.csv")).expect("metadata").ino();
    // Under the same name and under another one: one file, written anew where it stands.
    fs::write(site.path("a.csv"), other(0)).expect("a file");
    assert_eq!(
        fs::metadata(site.path("a.csv")).expect("metadata").ino(),
        inode
    );
    wait_until(PATIENCE, || site.ids() == [1, 2, 2, 7]);
    fs::rename(
        site.path("a.csv"),
        site.home.directory("outside").join("b.csv"),
    )
    .expect("moved");
    fs::write(site.home.directory("outside").join("b.csv"), first(50)).expect("a file");
    fs::rename(
        site.home.directory("outside").join("b.csv"),
        site.path("b.csv"),
    )
    .expect("moved");
    assert_eq!(
        fs::metadata(site.path("b.csv")).expect("metadata").ino(),
        inode
    );
    wait_until(PATIENCE, || site.ids() == [1, 2, 2, 7, 51, 52]);
    assert_eq!(
        site.of_last("verdict"),
        "null",
        "a name and a content that nobody knew"
    );
}

/// Vector's default: a checksum of the first line, which every file of a kind has.
#[test]
fn vector_takes_files_with_one_header_for_one_file() {
    let rules = "redropped = { renamed = \"quarantine\", same = \"quarantine\" }";
    let mut site = Site::new(rules);
    for (files, name) in [(1, "a.csv"), (2, "b.csv"), (3, "c.csv")] {
        site.drop(name, first(10 * files));
        site.wait_for_last(files as usize, "ARCHIVED");
        assert_eq!(site.of_last("verdict"), "null");
    }
    assert_eq!(site.ids(), [11, 12, 21, 22, 31, 32]);
}

/// spooldir: the offset was kept by name, and a corrected file went on behind its first rows.
#[test]
fn spooldir_goes_on_in_a_corrected_file_behind_its_first_rows() {
    for (rule, ids) in [("tail", vec![1, 2, 2, 7, 8]), ("skip", vec![1, 2, 2, 7, 8])] {
        let mut site = Site::new(&format!("redropped = {{ appended = \"{rule}\" }}"));
        site.drop("a.csv", first(0));
        site.wait_for_last(1, "ARCHIVED");
        site.wait_for_inbox(&[]);
        // Longer, and as it was but for its first row.
        site.drop("a.csv", format!("{}8,eight\n", other(0)));
        site.wait_for_last(2, "ARCHIVED");
        assert_eq!(site.of_last("verdict"), "changed: reload");
        assert_eq!(site.ids(), ids);
    }
}

/// Telegraf reads a bad file for ever where it may not move it: so would a rule that refuses.
#[test]
fn telegraf_reads_what_it_refuses_for_ever() {
    let rules = "archive = false\nquarantine = false\nredropped = { changed = \"quarantine\", renamed = \"quarantine\" }";
    let mut site = Site::new(rules);
    site.drop("a.csv", first(0));
    site.wait_for_last(1, "COMMITTED");
    site.drop("a.csv", other(0));
    site.wait_for_last(2, "QUARANTINED");
    site.drop("b.csv", first(0));
    site.wait_for_last(3, "QUARANTINED");
    site.let_it_look(90);
    site.restart();
    site.let_it_look(91);
    assert_eq!(site.files().len(), 5);
    assert_eq!(site.ids(), [1, 2, 90, 91]);
}
