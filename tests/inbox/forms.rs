//! Files that are compressed, or in another encoding.

use std::fs::OpenOptions;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Things, csv, wait_until};

const PATTERN: &str = "pattern = \"*.csv{,.gz,.zst}\"";

pub fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_ref()).expect("in memory");
    encoder.finish().expect("in memory")
}

pub fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(text.as_ref(), 0).expect("in memory")
}

/// Rows that don't compress well.
fn many(ids: std::ops::Range<i32>) -> String {
    let mut state = 1_u64;
    let lines = ids.map(|id| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!("{id},{state:016x}\n")
    });
    format!("id,name\n{}", lines.collect::<String>())
}

impl Things {
    /// What the ledger says of a file: state, size, rows inserted, records refused.
    fn account(&mut self, name: &str) -> (String, i64, i64, i64) {
        let query = "select state, size, coalesce(inserted, 0), coalesce(rejected, 0)
                     from ingestd.file_status where path like '%/' || $1
                     order by file_id desc limit 1";
        let row = self.client.query_one(query, &[&name]).expect("a file");
        (row.get(0), row.get(1), row.get(2), row.get(3))
    }

    fn names(&mut self) -> Vec<String> {
        let rows = self
            .client
            .query("select name from things order by id", &[]);
        let rows = rows.expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[test]
fn compressed_files_are_loaded_and_known_again() {
    let mut things = Things::new(PATTERN);
    let first = gzip(csv(4..=6));
    let second = gzip("7,seven\n8,eight\n");
    let members = [first, second].concat();
    things.drop_file("a.csv", csv(1..=3));
    things.drop_file("b.csv.gz", &members);
    things.drop_file("c.csv.zst", zstd(csv(9..=10)));
    things.wait_for(3, "ARCHIVED");
    let all: Vec<i32> = (1..=10).collect();
    assert_eq!(things.ids(), all);
    let size = members.len() as i64;
    assert_eq!(things.account("b.csv.gz"), ("ARCHIVED".into(), size, 5, 0));
    assert_eq!(things.archived(), ["a.csv", "b.csv.gz", "c.csv.zst"]);
    let archived = things.home.directory("archive/things").join("b.csv.gz");
    assert!(std::fs::read(archived).expect("archived") == members);

    things.restart();
    things.drop_file("again.csv.gz", &members);
    things.wait_for(1, "SKIPPED");
    let reason = things.reason("again.csv.gz");
    assert!(reason.contains("the same content as file 2"), "{reason}");
    assert_eq!(things.ids(), all);
}

#[test]
fn a_small_archive_that_is_cut_short_leaves_nothing_and_is_loaded_once_it_is_whole() {
    let mut things = Things::new(PATTERN);
    for (name, whole) in [
        ("a.csv.gz", gzip(csv(1..=30_000))),
        ("b.csv.zst", zstd(csv(30_001..=60_000))),
    ] {
        assert!(whole.len() < 1 << 20);
        things.drop_file(name, &whole[..whole.len() - 2]);
        wait_until(super::PATIENCE, || {
            things.quarantined().iter().any(|it| it == name)
        });
        let reason = things.reason(name);
        assert!(reason.contains("it was cut short"), "{reason}");
        let (state, _, inserted, _) = things.account(name);
        assert_eq!((state.as_str(), inserted), ("QUARANTINED", 0));
        things.drop_file(name, &whole);
    }
    things.wait_for(2, "ARCHIVED");
    assert!(things.ids().into_iter().eq(1..=60_000));
}

#[test]
fn what_was_committed_of_an_archive_that_is_cut_short_stays_and_is_told() {
    let mut things = Things::new(PATTERN);
    let whole = gzip(many(1..200_000));
    let cut = &whole[..whole.len() * 2 / 3];
    assert!(cut.len() > 1 << 20, "{}", cut.len());
    things.drop_file("a.csv.gz", cut);
    things.wait_for(1, "QUARANTINED");
    let (_, size, inserted, rejected) = things.account("a.csv.gz");
    assert_eq!((size, rejected), (cut.len() as i64, 0));
    assert!(inserted > 10_000, "{inserted}");
    let loaded: Vec<i32> = (1..=inserted as i32).collect();
    assert!(things.ids() == loaded, "{} rows", things.ids().len());

    wait_until(super::PATIENCE, || things.left().is_empty());
    things.drop_file("again.csv.gz", cut);
    things.wait_for(2, "QUARANTINED");
    let reason = things.reason("again.csv.gz");
    let told = format!("{inserted} of its records are in the table already");
    assert!(reason.contains(&told), "{reason}");
    assert!(things.ids() == loaded, "nothing is loaded twice");
}

#[test]
fn other_data_behind_an_archive_and_other_formats_are_refused() {
    let mut things = Things::new(PATTERN);
    things.drop_file(
        "a.csv.gz",
        [gzip(csv(1..=3)), b"4,four\n".to_vec()].concat(),
    );
    things.drop_file("b.csv.gz", b"PK\x03\x04 and so on");
    things.wait_for(2, "QUARANTINED");
    let reason = things.reason("a.csv.gz");
    assert!(reason.contains("it holds something else"), "{reason}");
    let reason = things.reason("b.csv.gz");
    assert!(reason.contains("a zip archive"), "{reason}");
    assert_eq!(things.ids(), [0; 0]);
}

#[test]
fn a_compressed_file_that_grows_after_its_load_has_no_tail() {
    let mut things = Things::new(&format!(
        "{PATTERN}\nsettle = \"200ms\"\narchive = false\nquarantine = false"
    ));
    things.drop_file("a.csv.gz", gzip(csv(1..=3)));
    things.wait_for(1, "COMMITTED");
    let grown = things.inbox.join("a.csv.gz");
    let mut file = OpenOptions::new().append(true).open(grown).expect("there");
    file.write_all(&gzip("4,four\n")).expect("written");
    drop(file);
    things.wait_for(1, "QUARANTINED");
    let (state, ..) = things.account("a.csv.gz");
    assert_eq!(state, "QUARANTINED");
    let query = "select reason from ingestd.files where state = 'QUARANTINED'";
    let reason = things.client.query_one(query, &[]).expect("one");
    let reason: String = reason.get(0);
    assert!(
        reason.contains("it grew after it was loaded as file 1"),
        "{reason}"
    );
    things.let_it_scan();
    assert_eq!(things.ids(), [1, 2, 3]);
    assert_eq!(things.files().len(), 2);
}

#[test]
fn records_with_bytes_of_no_encoding_are_dead_letters_and_no_others() {
    let mut things = Things::new("encoding = \"shift_jis\"");
    // The second one's first byte needs another one; the fourth holds a byte that none begins with.
    let text = b"id,name\n1,\x95\x5C\n2,\x95\n3,\"a\xB1\nb\"\n4,x\xFFy\n5,\x83\x5C\n";
    things.drop_file("a.csv", text);
    things.wait_for(1, "ARCHIVED");
    assert_eq!(things.ids(), [1, 3, 5]);
    assert_eq!(things.names(), ["表", "aｱ\nb", "ソ"]);
    let letters = [
        (2, 3, "invalid_encoding".to_owned()),
        (4, 6, "invalid_encoding".to_owned()),
    ];
    assert_eq!(things.dead_letters(), letters);
    let query = "select message, raw from ingestd.dead_letters where record = 4";
    let row = things.client.query_one(query, &[]).expect("one");
    let message: String = row.get(0);
    assert!(message.contains("no Shift_JIS"), "{message}");
    assert_eq!(row.get::<_, Vec<u8>>(1), b"4,x\xFFy");
}

#[test]
fn utf_16_is_told_by_its_byte_order_mark_and_keeps_its_replacement_characters() {
    let mut things = Things::new(PATTERN);
    let text = |ids: &str| format!("\u{feff}id,name\r\n{ids}");
    let little = text("1,Zoë\r\n2,\u{fffd}\r\n");
    let little: Vec<u8> = little.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big = text("3,𠀀\r\n4,\"\"");
    let mut big: Vec<u8> = big.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // Half a surrogate pair.
    big.extend(b"\0\n\x00\x35\x00,\xD8\x00\0\n\x00\x36\x00,\x00z");
    things.drop_file("a.csv", little);
    things.drop_file("b.csv.gz", gzip(big));
    things.wait_for(2, "ARCHIVED");
    assert_eq!(things.ids(), [1, 2, 3, 4, 6]);
    assert_eq!(things.names(), ["Zoë", "\u{fffd}", "𠀀", "", "z"]);
    let letters = [(3, 4, "invalid_encoding".to_owned())];
    assert_eq!(things.dead_letters(), letters);
}

#[test]
fn a_header_that_is_not_of_the_encoding_says_of_which() {
    let mut things = Things::new("encoding = \"euc-jp\"");
    things.drop_file("a.csv", b"id,n\xFFame\n1,one\n");
    things.wait_for(1, "QUARANTINED");
    let reason = things.reason("a.csv");
    assert!(reason.contains("is not valid EUC-JP"), "{reason}");
}
