//! From an export to a mended file, and back into the table.

use super::{Shop, assert_figures};

/// Hostile values, each in a record that the table refuses for its amount.
const HOSTILE: &str = "id,name,amount\n\
    1,\"quote \"\" and, comma\",-1\n\
    2,\"two\nlines\r\nand more\",-1\n\
    3,=cmd|'/c calc'!A0,-1\n\
    4,\"\",-1\n\
    5,,-1\n\
    6,semi;colon\ttab,-1\n\
    7,  padded  ,-1\n\
    8,\u{FEFF}mark,-1\n\
    9,日本語 🎉,-1\n\
    10,\"=1+1\",-1\n\
    11,_raw,-1\n";

const WANTED: [&str; 11] = [
    "1 'quote \" and, comma' 1",
    "10 '=1+1' 1",
    "11 '_raw' 1",
    "2 E'two\\nlines\\r\\nand more' 1",
    "3 '=cmd|''/c calc''!A0' 1",
    "4 '' 1",
    "5 NULL 1",
    "6 E'semi;colon\\ttab' 1",
    "7 '  padded  ' 1",
    "8 '\u{FEFF}mark' 1",
    "9 '日本語 🎉' 1",
];

fn rows(shop: &Shop) -> Vec<String> {
    let rows = shop.lines(
        "select concat_ws(' ', id, case when name ~ '[\\n\\t]'
             then 'E''' || replace(replace(replace(name, e'\\n', '\\n'), e'\\r', '\\r'), e'\\t', '\\t') || ''''
             else quote_nullable(name) end, amount) from items",
    );
    let mut rows = rows;
    rows.sort();
    rows
}

#[test]
fn what_is_not_mended_fails_again_with_the_same_reason_and_what_is_mended_loads() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load(HOSTILE);
    assert_eq!(shop.letters().len(), 11);
    let exported = shop.export(&[]);
    let mended = shop.mended(&exported);
    let path = mended.to_str().expect("text");
    assert_figures(&shop.replay(&["--file", path]), &[("failed", 11)]);
    assert!(
        shop.letters()
            .iter()
            .all(|it| it.ends_with("NEW 2 refused")),
        "{:?}",
        shop.letters()
    );
    shop.mended(exported.replace(",-1,", ",1,"));
    assert_figures(&shop.replay(&["--file", path]), &[("inserted", 11)]);
    assert_eq!(rows(&shop), WANTED);
    assert!(
        shop.letters()
            .iter()
            .all(|it| it.ends_with("inserted, mended"))
    );
    // Once more: nothing of what is RESOLVED is written.
    assert_figures(&shop.replay(&["--file", path]), &[("settled", 11)]);
    shop.assert_audited();
}

#[test]
fn what_a_spreadsheet_has_saved_is_the_same_but_for_what_was_changed() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load(HOSTILE);
    // All quotes are gone that are not needed, the delimiter is a semicolon, lines end in CRLF.
    let exported = shop.export(&[]);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(exported.as_bytes());
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for record in reader.records() {
        let record = record.expect("a record");
        let cells = record
            .iter()
            .map(|cell| if cell == "-1" { "1" } else { cell });
        writer.write_record(cells).expect("written");
    }
    let bytes = writer.into_inner().expect("bytes");
    let mended = shop.mended([b"\xEF\xBB\xBF", &bytes[..]].concat());
    let path = mended.to_str().expect("text");
    assert_figures(&shop.replay(&["--file", path]), &[("inserted", 11)]);
    assert_eq!(rows(&shop), WANTED);
}

#[test]
fn records_that_are_no_fields_are_mended_as_a_whole_or_by_their_fields() {
    let mut shop = Shop::new("key = [\"id\"]");
    let file = [
        &b"id,name,amount\n"[..],
        b"1,too,many,fields\n",
        b"2,\"bad\"quote,2\n",
        b"3,no \xFF text,3\n",
        b"4,a nul \0,4\n",
        b"5\n",
    ];
    shop.load(file.concat());
    let reasons = [
        "field_count",
        "bad_quoting",
        "invalid_encoding",
        "nul_byte",
        "field_count",
    ];
    let letters = |attempts: u32| {
        let lines = reasons.iter().enumerate();
        let lines = lines.map(|(at, reason)| format!("{} NEW {attempts} {reason}", at + 1));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(shop.letters(), letters(1));
    let exported = shop.export(&[]);
    let mended = shop.mended(&exported);
    let path = mended.to_str().expect("text");
    assert_figures(&shop.replay(&["--file", path]), &[("failed", 5)]);
    assert_eq!(shop.letters(), letters(2));
    let mut lines: Vec<String> = exported.lines().map(str::to_owned).collect();
    lines[1] = lines[1].replace("1,too,many,fields", "1,\"\"one\"\",1");
    lines[2] = "1,2,,,,2,two,2,".to_owned();
    lines[3] = lines[3].replace('\u{FFFD}', "some");
    lines[4] = lines[4].replace('\u{FFFD}', "");
    shop.mended(lines.join("\n"));
    assert_figures(
        &shop.replay(&["--file", path]),
        &[("inserted", 4), ("failed", 1)],
    );
    assert_eq!(
        shop.rows(),
        [
            "1 'one' 1",
            "2 'two' 2",
            "3 'no some text' 3",
            "4 'a nul ' 4"
        ]
    );
    shop.assert_audited();
}

#[test]
fn files_of_other_headers_go_to_other_exports() {
    let mut shop = Shop::new("key = [\"id\"]");
    shop.load("id,name,amount\n1,a,-1\n");
    shop.load("amount,id\n-2,2\n");
    let said = shop.said(2, &["export", "--out", "-"]);
    assert!(
        said.contains("2 different headers") && said.contains("amount, id"),
        "{said}"
    );
    let directory = shop.home.data().join("out/");
    let directory = format!("{}/", directory.display());
    shop.said(0, &["export", "--out", &directory]);
    let mut texts = Vec::new();
    for number in [1, 2] {
        let path = format!("{directory}dead-letters-{number}.csv");
        let text = std::fs::read_to_string(&path).expect("an export");
        std::fs::write(&path, text.replace("-1", "1").replace("-2", "2")).expect("mended");
        shop.said(0, &["replay", "--file", &path]);
        texts.push(text);
    }
    assert_eq!(shop.rows(), ["1 'a' 1", "2 NULL 2"]);
    // An export replaces nothing.
    let path = shop.home.data().join("x.csv");
    std::fs::write(&path, "mine").expect("written");
    shop.load("id,name,amount\n3,c,-3\n");
    let said = shop.said(2, &["export", "--out", path.to_str().expect("text")]);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "mine");
}

#[test]
fn a_mended_file_that_does_not_fit_is_refused_as_a_whole() {
    let mut shop = Shop::new("key = [\"id\"]");
    let file = shop.load("id,name,amount\n1,a,-1\n2,b,-2\n");
    let exported = shop.export(&[]);
    let head = exported.lines().next().expect("a heading");
    for (text, said) in [
        (
            exported.replace(",name,", ",nam,"),
            "the mended file: its columns are \"id\", \"nam\"",
        ),
        (
            format!("{head}\n{file},9,r,c,m,1,a,1,\n"),
            "line 2: record 9 of file 1 is no dead letter",
        ),
        (
            "id,name,amount\n1,a,1\n".to_owned(),
            "its heading is not that of an export",
        ),
    ] {
        let mended = shop.mended(&text);
        let error = shop.said(2, &["replay", "--file", mended.to_str().expect("text")]);
        assert!(error.contains(said), "{error}");
    }
    assert!(shop.rows().is_empty());
    assert_eq!(shop.letters(), ["1 NEW 1 refused", "2 NEW 1 refused"]);
}

#[test]
fn a_file_without_a_header_and_with_another_dialect_and_encoding_goes_round() {
    let columns = "key = [\"id\"]\nheader = false\ndelimiter = \";\"\nescape = \"\\\\\"\n\
        encoding = \"windows-1252\"\nnull = [\"\", \"NA\"]\n\
        columns = [{ name = \"id\" }, { name = \"name\" }, { name = \"amount\" }]";
    let mut shop = Shop::new(columns);
    shop.load(b"1;\"M\xFCller \\\"x\\\"\";-1\n2;NA;-2\n3;\"NA\";-3\n");
    let exported = shop.export(&[]);
    assert!(
        exported.contains("field_1,field_2,field_3,_raw"),
        "{exported}"
    );
    let mended = shop.mended(exported.replace(",-", ","));
    let path = mended.to_str().expect("text");
    assert_figures(&shop.replay(&["--file", path]), &[("inserted", 3)]);
    assert_eq!(shop.rows(), ["1 'Müller \"x\"' 1", "2 NULL 2", "3 'NA' 3"]);
}
