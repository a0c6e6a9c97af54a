//! Compressed files that give more than they are, or nothing at all.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const PATTERN: &str = "pattern = \"*.csv{,.gz,.zst}\"";
const GOOD: &[u8] = b"id,name\n1,one\n";

fn gzip(out: impl Write, write: impl FnOnce(&mut dyn Write)) {
    let mut encoder = GzEncoder::new(out, Compression::new(6));
    write(&mut encoder);
    encoder.finish().expect("written");
}

fn zstd(out: impl Write, write: impl FnOnce(&mut dyn Write)) {
    let mut encoder = zstd::Encoder::new(out, 1).expect("an encoder");
    write(&mut encoder);
    encoder.finish().expect("written");
}

type Compress = fn(&mut dyn Write, &[u8], u64);

/// Compresses a text so often that it is so long.
fn gzip_of(out: &mut dyn Write, text: &[u8], length: u64) {
    gzip(out, |mut out| repeat(&mut out, text, length));
}

fn zstd_of(out: &mut dyn Write, text: &[u8], length: u64) {
    zstd(out, |mut out| repeat(&mut out, text, length));
}

/// A good row, and a record that has no end behind it, in members or frames of up to 256 MiB.
fn bomb(out: &mut dyn Write, length: u64, compress: Compress) {
    compress(out, GOOD, GOOD.len() as u64);
    let piece = length.min(256 * MIB);
    let mut member = Vec::new();
    compress(&mut member, b"\0", piece);
    for _ in 0..length / piece {
        out.write_all(&member).expect("written");
    }
}

#[test]
fn a_bomb_is_quarantined_once_it_has_given_too_much() {
    let mut place = Place::new(PATTERN);
    let length = sized(96 * MIB, 10 * GIB);
    place.drop_written("a.csv.gz", |out| bomb(out, length, gzip_of));
    place.drop_written("b.csv.zst", |out| bomb(out, length, zstd_of));
    for (name, format) in [("a.csv.gz", "gzip"), ("b.csv.zst", "zstd")] {
        let account = place.end_of(name);
        assert_eq!(account.state, "QUARANTINED", "{name}");
        assert!(account.inserted <= 1, "{account:?}");
        let reason = account.reason;
        assert!(reason.contains("more than 1000 for each"), "{reason}");
        assert!(reason.contains(format) && reason.contains("raise max_ratio"));
    }
    place.assert_bounded("bombs", 8 * MIB);
    place.others_go_on();
}

#[test]
fn a_bomb_that_is_allowed_is_read_in_bounded_memory() {
    let mut place = Place::new(&format!("{PATTERN}\nmax_ratio = 1_000_000"));
    let length = sized(96 * MIB, 10 * GIB);
    place.drop_written("a.csv.gz", |out| bomb(out, length, gzip_of));
    place.drop_written("b.csv.zst", |out| bomb(out, length, zstd_of));
    for name in ["a.csv.gz", "b.csv.zst"] {
        assert_eq!(place.end_of(name).counts(), ("ARCHIVED", 2, 1, 1), "{name}");
        let letter = (2, 3, "record_too_large".to_owned(), length as i64, 1 << 20);
        assert_eq!(place.letters(name), [letter]);
    }
    place.assert_bounded("bombs that are allowed", 8 * MIB);
    place.others_go_on();
}

#[test]
fn members_and_frames_without_end_give_their_rows() {
    let mut place = Place::new(PATTERN);
    let members = sized(100_000, 20_000_000);
    // Nothing, again and again, and then the rows.
    let mut empty = Vec::new();
    gzip(&mut empty, |_| ());
    place.drop_written("a.csv.gz", |out| {
        repeat(out, &empty, members * empty.len() as u64);
        gzip(out, |out| out.write_all(GOOD).expect("written"));
    });
    let mut empty = Vec::new();
    zstd(&mut empty, |_| ());
    place.drop_written("b.csv.zst", |out| {
        repeat(out, &empty, members * empty.len() as u64);
        zstd(out, |out| {
            out.write_all(b"id,name\n2,two\n").expect("written")
        });
    });
    // Frames that are to be skipped: large ones, and the rows behind them.
    place.drop_written("c.csv.zst", |out| {
        for _ in 0..4 {
            let length = sized(4 * MIB, GIB);
            out.write_all(b"\x50\x2A\x4D\x18").expect("written");
            out.write_all(&(length as u32).to_le_bytes())
                .expect("written");
            repeat(out, b"pass over this", length);
        }
        zstd(out, |out| {
            out.write_all(b"id,name\n3,three\n").expect("written")
        });
    });
    // A row for each.
    let rows = sized(10_000, 1_000_000) as i32;
    place.drop_written("d.csv.gz", |out| {
        gzip(&mut *out, |out| {
            out.write_all(b"id,name\n").expect("written")
        });
        for id in 1..=rows {
            gzip(&mut *out, |out| {
                writeln!(out, "{},x", id + 3).expect("written")
            });
        }
    });
    for name in ["a.csv.gz", "b.csv.zst", "c.csv.zst"] {
        assert_eq!(place.end_of(name).counts(), ("ARCHIVED", 1, 1, 0), "{name}");
    }
    let count = i64::from(rows);
    assert_eq!(
        place.end_of("d.csv.gz").counts(),
        ("ARCHIVED", count, count, 0)
    );
    assert!(place.ids().into_iter().eq(1..=rows + 3));
    place.assert_bounded("members and frames without end", 8 * MIB);
}

#[test]
fn an_archive_in_an_archive_is_no_text_and_says_so() {
    let mut place = Place::new(PATTERN);
    let mut inner = Vec::new();
    bomb(&mut inner, sized(16 * MIB, GIB), gzip_of);
    place.drop_written("a.csv.gz", |out| {
        gzip(out, |out| out.write_all(&inner).expect("written"));
    });
    place.drop_written("b.csv.zst", |out| {
        zstd(out, |out| out.write_all(&inner).expect("written"));
    });
    for name in ["a.csv.gz", "b.csv.zst"] {
        let account = place.end_of(name);
        assert_eq!(account.counts(), ("QUARANTINED", 0, 0, 0), "{name}");
        assert!(account.reason.contains("header"), "{}", account.reason);
    }
    place.assert_bounded("archives in archives", 8 * MIB);
    place.others_go_on();
}
