//! Records, headers and files that have no end, or no sense.

use std::io::Write;

use super::*;

const GOOD: &[u8] = b"id,name\n1,one\n";
const RAW_CAP: i64 = 1 << 20;
/// Many small dead letters take more than their bytes, and are written once more for the server: what is read at
/// once, 64 KiB, may hold 13,000 of them. From 100,000 of them on, further ones take nothing more.
const DEAD_LETTERS: u64 = 16 * MIB;

#[test]
fn a_record_without_an_end_is_one_dead_letter() {
    let mut place = Place::new("");
    let length = sized(64 * MIB, GIB);
    let size = place.drop_written("a.csv", |out| {
        out.write_all(GOOD).expect("written");
        repeat(out, b"x", length);
    });
    let account = place.end_of("a.csv");
    assert_eq!(account.counts(), ("ARCHIVED", 2, 1, 1));
    assert_eq!(account.size, size as i64);
    let letter = (2, 3, "record_too_large".to_owned(), length as i64, RAW_CAP);
    assert_eq!(place.letters("a.csv"), [letter]);
    place.assert_bounded("a record without an end", 0);
    place.others_go_on();
}

#[test]
fn nothing_but_quotes_is_one_dead_letter() {
    let mut place = Place::new("");
    let length = sized(64 * MIB, 4 * GIB);
    place.drop_written("a.csv", |out| {
        out.write_all(GOOD).expect("written");
        repeat(out, b"\"", length);
    });
    let account = place.end_of("a.csv");
    assert_eq!(account.counts(), ("ARCHIVED", 2, 1, 1));
    let letter = (2, 3, "bad_quoting".to_owned(), length as i64, RAW_CAP);
    assert_eq!(place.letters("a.csv"), [letter]);
    place.assert_bounded("nothing but quotes", 0);
    place.others_go_on();
}

/// Once, each line was looked at as far as the largest record goes: a file like this of a few
/// megabytes took hours.
#[test]
fn lines_whose_quotes_never_end_take_no_longer_than_others() {
    let mut place = Place::new("");
    // The quote that the one line opens is ended by the next, which opens another one.
    let forms = [
        ("a.csv", &b"7\",\"and so on, line after line\n"[..]),
        ("b.csv", b"7\",\"a\r"),
    ];
    for (name, line) in forms {
        let lines = sized(20_000, 200_000);
        place.drop_written(name, |out| {
            out.write_all(GOOD).expect("written");
            repeat(out, line, lines * line.len() as u64);
        });
        let account = place.end_of(name);
        let lines = lines as i64;
        let counts = ("ARCHIVED", lines + 1, 1, lines);
        assert_eq!(account.counts(), counts, "{name}");
        assert_eq!(place.letters(name)[0].2, "bad_quoting");
    }
    place.assert_bounded("lines whose quotes never end", DEAD_LETTERS + 16 * MIB);
    place.others_go_on();
}

#[test]
fn a_header_of_100_000_columns_is_read_or_refused_in_words() {
    let mut place = Place::prepared("", "");
    place.home.configure(&format!(
        "{}{}",
        place.home.config(),
        pipeline("strict", "extra_columns = \"refuse\"")
    ));
    place.start();
    let mut header = "id,name".to_owned();
    let mut record = "1,one".to_owned();
    for column in 2..100_000 {
        header.push_str(&format!(",c{column}"));
        record.push_str(",x");
    }
    let content = format!("{header}\n{record}\n");
    place.drop_file("a.csv", &content);
    assert_eq!(place.end_of("a.csv").counts(), ("ARCHIVED", 1, 1, 0));

    let strict = place.home.directory("inbox/strict");
    drop_file(&strict, "b.csv", &content);
    let refused = place.end_of("b.csv");
    assert_eq!(refused.state, "QUARANTINED");
    let reason = refused.reason;
    assert!(reason.contains("\"c2\", \"c3\""), "{reason}");
    assert!(reason.contains("extra_columns = \"ignore\""), "{reason}");
    assert!(reason.len() < 2_000, "{} bytes of reason", reason.len());

    // One name that has no end, and a header that has none.
    let name = "n".repeat(900_000);
    place.drop_file("c.csv", format!("{name}\n1\n"));
    let reason = place.end_of("c.csv").reason;
    assert!(reason.contains("required"), "{reason}");
    assert!(reason.len() < 2_000, "{} bytes of reason", reason.len());
    place.drop_written("d.csv", |out| {
        repeat(out, b"column,", sized(64 * MIB, GIB));
    });
    let refused = place.end_of("d.csv");
    assert_eq!(refused.state, "QUARANTINED");
    let words = "longer than the largest record (1048576 bytes)";
    assert!(refused.reason.contains(words), "{}", refused.reason);
    place.assert_bounded("a header of 100,000 columns", 8 * MIB);
    place.others_go_on();
}

#[test]
fn lines_of_a_megabyte_of_fields_are_loaded() {
    let mut place = Place::new("max_record = \"2MiB\"");
    let fields = 170_000;
    let lines = sized(12, 1_000) as i32;
    let names: String = (2..fields).map(|field| format!(",c{field}")).collect();
    let values = ",12345".repeat(fields - 2);
    place.drop_written("a.csv", |out| {
        writeln!(out, "id,name{names}").expect("written");
        for id in 1..=lines {
            writeln!(out, "{id},x{values}").expect("written");
        }
    });
    let account = place.end_of("a.csv");
    let count = i64::from(lines);
    assert_eq!(account.counts(), ("ARCHIVED", count, count, 0));
    assert!(place.ids().into_iter().eq(1..=lines));
    place.assert_bounded("lines of a megabyte of fields", 8 * MIB);
}

#[test]
fn nul_bytes_throughout_are_refused_one_way_or_the_other() {
    let mut place = Place::new("");
    let size = sized(64 * MIB, GIB);
    // Nothing else at all.
    place.drop_written("a.csv", |out| repeat(out, b"\0", size));
    let refused = place.end_of("a.csv");
    assert_eq!(refused.state, "QUARANTINED");
    let words = "longer than the largest record";
    assert!(refused.reason.contains(words), "{}", refused.reason);
    // As UTF-16 looks that does not say so.
    let utf_16 = "id,name\n1,one\n".bytes().flat_map(|byte| [byte, 0]);
    place.drop_file("b.csv", utf_16.collect::<Vec<u8>>());
    let refused = place.end_of("b.csv");
    assert_eq!(refused.state, "QUARANTINED");
    assert!(refused.reason.contains("NUL byte"), "{}", refused.reason);
    // Behind a good beginning: what a crashed writer's file system leaves.
    place.drop_written("c.csv", |out| {
        out.write_all(GOOD).expect("written");
        repeat(out, b"\0", size);
    });
    assert_eq!(place.end_of("c.csv").counts(), ("ARCHIVED", 2, 1, 1));
    let letter = (2, 3, "record_too_large".to_owned(), size as i64, RAW_CAP);
    assert_eq!(place.letters("c.csv"), [letter]);
    // In each of many records.
    let lines = sized(10_000, 1_000_000);
    place.drop_written("d.csv", |out| {
        out.write_all(GOOD).expect("written");
        repeat(out, b"7,\0\0\n", lines * 5);
    });
    let (lines, account) = (lines as i64, place.end_of("d.csv"));
    assert_eq!(account.counts(), ("ARCHIVED", lines + 1, 1, lines));
    assert_eq!(place.letters("d.csv")[0].2, "nul_byte");
    place.assert_bounded("NUL bytes throughout", DEAD_LETTERS);
    place.others_go_on();
}

#[test]
fn nothing_but_line_ends_is_a_file_without_records() {
    let mut place = Place::new("");
    for (name, line_end) in [("a.csv", "\n"), ("b.csv", "\r\n"), ("c.csv", "\r")] {
        place.drop_written(name, |out| {
            repeat(out, line_end.as_bytes(), sized(100_000, 10_000_000));
        });
        let account = place.end_of(name);
        assert_eq!(account.counts(), ("ARCHIVED", 0, 0, 0), "{name}");
    }
    // Behind a header, and before the last record.
    place.drop_written("d.csv", |out| {
        out.write_all(GOOD).expect("written");
        repeat(out, b"\n", sized(1_000_000, 10_000_000));
        out.write_all(b"2,two\n3").expect("written");
    });
    assert_eq!(place.end_of("d.csv").counts(), ("ARCHIVED", 3, 2, 1));
    let line = sized(1_000_000, 10_000_000) as i64 + 4;
    let letter = (3, line, "field_count".to_owned(), 1, 1);
    assert_eq!(place.letters("d.csv"), [letter]);
    place.assert_bounded("nothing but line ends", 0);
}

#[test]
fn nothing_but_delimiters_is_refused_in_words() {
    let mut place = Place::new("");
    let size = sized(64 * MIB, GIB);
    place.drop_written("a.csv", |out| repeat(out, b",", size));
    let refused = place.end_of("a.csv");
    assert_eq!(refused.state, "QUARANTINED");
    let words = "longer than the largest record";
    assert!(refused.reason.contains(words), "{}", refused.reason);
    // As much of it as a record may have.
    place.drop_written("b.csv", |out| {
        out.write_all(GOOD).expect("written");
        for _ in 0..sized(8, 64) {
            repeat(out, b",", MIB);
            out.write_all(b"\n").expect("written");
        }
        repeat(out, b",", size);
    });
    let count = sized(8, 64) as i64;
    let account = place.end_of("b.csv");
    assert_eq!(account.counts(), ("ARCHIVED", count + 2, 1, count + 1));
    assert_eq!(place.letters("b.csv")[0].2, "field_count");
    // As the only record, all names of the header are empty.
    place.drop_file("c.csv", format!("{}\n,\n", ",".repeat(1 << 20)));
    let refused = place.end_of("c.csv");
    assert_eq!(refused.state, "QUARANTINED");
    assert!(refused.reason.len() < 2_000, "{}", refused.reason.len());
    place.assert_bounded("nothing but delimiters", 64 * MIB);
    place.others_go_on();
}

#[test]
fn files_without_records_end_and_leave() {
    let mut place = Place::new("");
    let contents = [
        ("a.csv", ""),
        ("b.csv", "id,name\n"),
        ("c.csv", "id,name"),
        ("d.csv", "\u{feff}"),
        ("e.csv", "\u{feff}id,name\r\n\r\n"),
        ("f.csv", "\n"),
    ];
    for (name, content) in contents {
        place.drop_file(name, content);
        let account = place.end_of(name);
        assert_eq!(account.counts(), ("ARCHIVED", 0, 0, 0), "{name}");
        assert_eq!(account.size, content.len() as i64);
    }
    place.others_go_on();
}

/// Once, a reader that passed over a record for longer than `stuck_after` was taken for stuck, and
/// began the file again, for ever.
#[test]
fn a_record_that_takes_longer_to_pass_over_than_a_step_may_is_no_stuck_reader() {
    let mut place = Place::prepared("stuck_after = \"1s\"", "comment = \"#\"");
    place.start();
    // It takes no place on the disk: NUL bytes, which are longer to read than a second.
    let length = sized(128 * MIB, 8 * GIB);
    for (name, start) in [
        ("a.csv", "id,name\n1,one\n"),
        ("b.csv", "id,name\n1,one\n#"),
    ] {
        let size = place.drop_written(name, |out| {
            out.write_all(start.as_bytes()).expect("written");
            out.flush().expect("written");
            out.get_ref().set_len(length).expect("a hole");
        });
        let account = place.end_of(name);
        let refused = i64::from(name == "a.csv");
        let counts = ("ARCHIVED", 1 + refused, 1, refused);
        assert_eq!(account.counts(), counts, "{name}");
        assert_eq!(account.size, size as i64);
    }
    place.assert_bounded("a record longer than a step", 0);
    place.others_go_on();
}
