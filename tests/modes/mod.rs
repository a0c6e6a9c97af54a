//! The write modes, as a configuration has them.

mod kills;

use std::path::Path;

use postgres::Client;

use crate::support::home::{Home, drop_file};
use crate::support::scene::Watcher;
use crate::support::{TestDatabase, database};

/// A pipeline into a table of two key columns.
fn pipeline(keys: &str) -> String {
    format!(
        "[pipelines.stock]
         directory = \"inbox\"
         table = \"stock\"
         create = true
         key = [\"shop\", \"day\"]
         {keys}
         columns = [
             {{ name = \"shop\", type = \"text\", required = true }},
             {{ name = \"day\", type = \"date\", required = true }},
             {{ name = \"pieces\", type = \"integer\", required = true }},
             {{ name = \"price\", type = \"numeric\" }},
             {{ name = \"changed\", type = \"timestamptz\" }},
         ]"
    )
}

fn home(database: &TestDatabase, keys: &str) -> Home {
    Home::new(Some(&database.url), "", &pipeline(keys))
}

/// Loads files one after the other.
fn load(home: &Home, files: &[&str]) {
    for (number, content) in files.iter().enumerate() {
        let file = home.data().join(format!("{number}.csv"));
        std::fs::write(&file, content).expect("a file");
        let path = file.to_str().expect("a path");
        let said = home.ask(&["load", path]);
        let error = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(0), "{error}");
    }
}

fn rows(client: &mut Client) -> Vec<String> {
    let query = "select concat_ws(' ', shop, to_char(day, 'DD'), pieces, price, to_char(
                     changed at time zone 'UTC', 'HH24')) from stock order by 1";
    let rows = client.query(query, &[]).expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Inserted, updated, unchanged, duplicate, deleted, rejected of each file.
fn figures(client: &mut Client) -> Vec<[i64; 6]> {
    let query = "select inserted, updated, unchanged, duplicate, deleted, rejected, records
                 from ingestd.files order by file_id";
    let rows = client.query(query, &[]).expect("files");
    let figures = rows.iter().map(|row| {
        let figures: [i64; 6] = std::array::from_fn(|index| row.get(index));
        assert_eq!(figures.iter().sum::<i64>(), row.get::<_, i64>(6));
        figures
    });
    figures.collect()
}

const FIRST: &str = "shop,day,pieces,price,changed
a,2024-05-01,1,1.5,2024-05-01 10:00Z
a,2024-05-02,2,2.5,2024-05-01 10:00Z
b,2024-05-01,3,3.5,2024-05-01 10:00Z
";
const SECOND: &str = "shop,day,pieces,price,changed
a,2024-05-01,9,9.5,2024-05-01 09:00Z
a,2024-05-02,8,8.5,2024-05-01 11:00Z
c,2024-05-01,7,7.5,2024-05-01 10:00Z
";

#[test]
fn each_mode_is_a_line_of_the_configuration() {
    for (keys, expected, second) in [
        (
            "mode = \"upsert\"",
            [
                "a 01 9 9.5 09",
                "a 02 8 8.5 11",
                "b 01 3 3.5 10",
                "c 01 7 7.5 10",
            ],
            [1, 2, 0, 0, 0, 0],
        ),
        (
            "mode = \"upsert\"\nupdate = [\"price\"]",
            [
                "a 01 1 9.5 10",
                "a 02 2 8.5 10",
                "b 01 3 3.5 10",
                "c 01 7 7.5 10",
            ],
            [1, 2, 0, 0, 0, 0],
        ),
        (
            "mode = \"ignore\"",
            [
                "a 01 1 1.5 10",
                "a 02 2 2.5 10",
                "b 01 3 3.5 10",
                "c 01 7 7.5 10",
            ],
            [1, 0, 2, 0, 0, 0],
        ),
        (
            "mode = \"newest\"\nversion = \"changed\"",
            [
                "a 01 1 1.5 10",
                "a 02 8 8.5 11",
                "b 01 3 3.5 10",
                "c 01 7 7.5 10",
            ],
            [1, 1, 1, 0, 0, 0],
        ),
        (
            "mode = \"append\"",
            [
                "a 01 1 1.5 10",
                "a 02 2 2.5 10",
                "b 01 3 3.5 10",
                "c 01 7 7.5 10",
            ],
            [1, 0, 0, 0, 0, 2],
        ),
    ] {
        let database = database();
        let home = home(&database, keys);
        load(&home, &[FIRST, SECOND]);
        let mut client = database.client();
        assert_eq!(rows(&mut client), expected, "{keys}");
        let counted = figures(&mut client);
        assert_eq!(counted, [[3, 0, 0, 0, 0, 0], second], "{keys}");
    }
}

/// The field that tells is no column, and the rest of a deletion is not looked at.
#[test]
fn records_delete_by_a_field_of_their_own() {
    let database = database();
    let keys = "delete_when = { field = \"op\", values = [\"D\", \"say \\\"bye\\\"\"] }";
    let home = home(&database, keys);
    let second = "op,shop,day,pieces,price,changed
D,a,2024-05-01,,,
I,b,2024-05-01,4,,
\"say \"\"bye\"\"\",a,2024-05-02,many,much,never
D,nobody,2024-05-01,,,
d,c,2024-05-01,1,,
D,,2024-05-01,,,
D,a,some day,,,
";
    let first = FIRST.replace("shop,", "op,shop,").replace("\na,", "\nI,a,");
    let first = first.replace("\nb,", "\nI,b,");
    load(&home, &[&first, second]);
    let mut client = database.client();
    assert_eq!(rows(&mut client), ["b 01 4", "c 01 1"]);
    let counted = figures(&mut client);
    assert_eq!(counted, [[3, 0, 0, 0, 0, 0], [1, 1, 1, 0, 2, 2]]);
    let letters = "select record, reason from ingestd.dead_letters order by 1";
    let letters = client.query(letters, &[]).expect("letters");
    let letters: Vec<(i64, String)> = letters.iter().map(|it| (it.get(0), it.get(1))).collect();
    let expected = [
        (6, "missing_value".to_owned()),
        (7, "invalid_value".to_owned()),
    ];
    assert_eq!(letters, expected);
    // An empty file has nothing that tells, and nothing to tell.
    load(&home, &["", "op,shop,day,pieces,price,changed\n"]);

    let lacking = home.data().join("lacking.csv");
    std::fs::write(&lacking, "shop,day,pieces\na,2024-05-01,1\n").expect("a file");
    let said = home.ask(&["load", lacking.to_str().expect("a path")]);
    let out = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(1), "{out}");
    assert!(out.contains("has no field \"op\""), "{out}");
}

#[test]
fn the_newest_version_wins_whatever_the_order_of_the_files() {
    let versions: Vec<String> = (0..4)
        .map(|version| {
            let row = |shop| {
                let newest = (shop * 7 + version * 3) % 10;
                format!("s{shop},2024-05-01,{version},,2024-05-01 {newest:02}:00Z\n")
            };
            let rows: String = (0..20).map(row).collect();
            format!("shop,day,pieces,price,changed\n{rows}")
        })
        .collect();
    let mut results = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let database = database();
        let home = home(
            &database,
            "mode = \"newest\"\nversion = \"changed\"\npartitions = 3",
        );
        let inbox = home.directory("inbox");
        for (place, version) in order.iter().enumerate() {
            drop_file(&inbox, &format!("{place}.csv"), &versions[*version]);
        }
        loaded(&home, &database, 80);
        let mut client = database.client();
        results.push(rows(&mut client));
        let counted = figures(&mut client);
        assert_eq!(counted.iter().map(|file| file[0]).sum::<i64>(), 20);
    }
    assert_eq!(results[0].len(), 20);
    assert!(
        results.iter().all(|result| *result == results[0]),
        "{results:?}"
    );
}

/// Runs the service until so many records are done with.
fn loaded(home: &Home, database: &TestDatabase, records: i64) {
    let service = home.run();
    Watcher::new(&database.url).wait_for(|now| now.is_all() && now.records == records);
    service.stop();
}

/// The names of the files that wait.
fn waiting(directory: &Path) -> usize {
    crate::support::home::names_in(directory).len()
}
