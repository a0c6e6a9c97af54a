//! What must be in the database once the generator's files are loaded, from the seed alone.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use ingestd::generate::expected::{DEAD_LETTER_COLUMNS, ROW_COLUMNS};
use ingestd::generate::files::FileWriter;
use ingestd::generate::{Generator, Share, Spec};
use postgres::{Client, Transaction};

use super::home::names_in;

/// Files with malformed rows and duplicates.
pub fn generator(seed: u64, files: u64, rows_per_file: u64) -> Generator {
    let spec = Spec {
        rows: files * rows_per_file,
        rows_per_file,
        malformed: Share::of_million(5_000),
        duplicates: Share::of_million(20_000),
        ..Spec::new(seed)
    };
    Generator::new(spec).expect("a spec that can be")
}

/// Drops all its files into a directory.
pub fn drop_files(generator: &Generator, inbox: &Path) {
    let mut writer = FileWriter::new(inbox).expect("a directory");
    for file in 1..=generator.files() {
        writer.write(generator, file).expect("written");
    }
}

/// Fails, and says by what, unless the table and the dead letters are exactly what the files hold,
/// every file is ARCHIVED with its identity holding, and stands whole in the archive.
pub fn assert_exactly_once(client: &mut Client, generator: &Generator, keyed: bool, data: &Path) {
    assert_loaded_once(client, generator, keyed);
    assert_archive(generator, data);
}

/// The same, wherever the files are.
pub fn assert_loaded_once(client: &mut Client, generator: &Generator, keyed: bool) {
    let mut transaction = client.transaction().expect("a transaction");
    transaction
        .batch_execute(&format!(
            "create temporary table expected_rows ({ROW_COLUMNS}) on commit drop;
             create temporary table expected_letters ({DEAD_LETTER_COLUMNS}) on commit drop"
        ))
        .expect("tables");
    copy(&mut transaction, "expected_rows", |out| {
        if keyed {
            generator.write_expected_table(out)
        } else {
            generator.write_expected_rows(out)
        }
    });
    copy(&mut transaction, "expected_letters", |out| {
        generator.write_expected_dead_letters(out)
    });
    let columns = "event_id, event_time, event_type, user_id, product_id, category, session_id, price, quantity";
    let differences = [
        difference(
            &mut transaction,
            "row",
            &format!("select {columns} from expected_rows"),
            &format!("select {columns} from raw_events"),
        ),
        difference(
            &mut transaction,
            "dead letter",
            "select file_name, record, reason from expected_letters",
            "select regexp_replace(f.path, '^.*/', ''), d.record, d.reason
             from ingestd.dead_letters d join ingestd.files f using (file_id)",
        ),
    ]
    .concat();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_files(&mut transaction, generator);
}

fn copy(
    transaction: &mut Transaction<'_>,
    table: &str,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<u64>,
) {
    let mut copy = transaction
        .copy_in(&format!("copy {table} from stdin"))
        .expect("a copy");
    let count = write(&mut copy).expect("copied");
    assert_eq!(copy.finish().expect("copied"), count);
}

/// What is missing and what is too many, with some of each.
fn difference(
    transaction: &mut Transaction<'_>,
    what: &str,
    expected: &str,
    actual: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, this, that) in [("missing", expected, actual), ("extra", actual, expected)] {
        let query = format!(
            "with difference as (({this}) except all ({that}))
             select difference::text, count(*) over () from difference order by 1 limit 5"
        );
        let rows = transaction.query(&query, &[]).expect("a difference");
        found.extend(rows.iter().map(|row| {
            let (text, of): (String, i64) = (row.get(0), row.get(1));
            format!("{name} {what} (one of {of}): {text}")
        }));
    }
    found
}

fn assert_files(transaction: &mut Transaction<'_>, generator: &Generator) {
    let files = transaction
        .query(
            "select regexp_replace(path, '^.*/', '') as name, state, reason, records,
                    inserted + updated + unchanged + duplicate + deleted + filtered + rejected as sum
             from ingestd.files order by name",
            &[],
        )
        .expect("files");
    let actual: Vec<(String, String, Option<i64>, Option<i64>)> = files
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(3), row.get(4)))
        .collect();
    let expected: Vec<_> = (1..=generator.files())
        .map(|file| {
            let rows = generator.rows_of(file);
            let records = Some((rows.end - rows.start).cast_signed());
            let name = generator.file_name(file);
            (name, "ARCHIVED".to_owned(), records, records)
        })
        .collect();
    assert_eq!(actual, expected);
    let left = "select count(*) from ingestd.checkpoints";
    let left: i64 = transaction.query_one(left, &[]).expect("a count").get(0);
    assert_eq!(left, 0, "checkpoints of finished files are left");
}

fn assert_archive(generator: &Generator, data: &Path) {
    let expected: HashSet<String> = (1..=generator.files())
        .map(|file| generator.file_name(file))
        .collect();
    let archive = data.join("archive/ecommerce");
    let archived: HashSet<String> = names_in(&archive).into_iter().collect();
    assert_eq!(archived, expected, "what stands in the archive");
    assert_eq!(names_in(&data.join("inbox/ecommerce")), [""; 0]);
    for file in 1..=generator.files() {
        let content = std::fs::read(archive.join(generator.file_name(file)));
        assert!(content.expect("archived") == generator.file(file));
    }
}
