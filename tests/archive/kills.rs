//! The program is killed while files leave.

use rand::RngExt;

use super::*;

const FILES: i64 = 240;
const KILLS: u32 = 12;

const POLICIES: [(&str, &str); 6] = [
    ("moves", ""),
    ("replaces", "archive_collision = \"replace\""),
    ("across", "archive = \"OTHER/across\""),
    (
        "replaces-across",
        "archive = \"OTHER/replaces\"\narchive_collision = \"replace\"",
    ),
    (
        "packs",
        "archive = \"OTHER/packs\"\narchive_compression = \"zstd\"\narchive_dates = \"%Y\"",
    ),
    ("deletes", "finished = \"delete\"\ndelete_after = \"0s\""),
];

#[test]
fn no_file_is_lost_doubled_or_loaded_again_whenever_it_is_killed() {
    let mut depot = Depot::new(&POLICIES);
    if depot.other.is_none() {
        return;
    }
    for (pipeline, _) in POLICIES {
        let inbox = depot.inbox(pipeline);
        for file in 0..FILES {
            fs::write(inbox.join(format!("{file}.csv")), csv([file, file + 1000]))
                .expect("written");
        }
    }
    let all = FILES * POLICIES.len() as i64;
    let gone = |depot: &mut Depot| -> i64 {
        let query = "select count(*) from ingestd.files where state = 'ARCHIVED'";
        let row = depot.client.query_one(query, &[]);
        row.map_or(0, |row| row.get(0))
    };
    let half_way = |depot: &Depot| {
        let places = POLICIES.iter().map(|(name, _)| depot.inbox(name));
        let mut names = places.flat_map(|inbox| names_in(&inbox));
        names.any(|name| name.starts_with(".ingestd-"))
    };
    let mut telling = 0;
    for kill in 0..KILLS {
        let before = gone(&mut depot);
        let more = rand::rng().random_range(1..=all / i64::from(KILLS) / 2);
        let service = depot.home.run();
        let mut now = before;
        wait_until(PATIENCE, || {
            now = gone(&mut depot);
            now >= before + more || now == all
        });
        // Every other time, just when something is seen half-way.
        let looks = if kill % 2 == 0 { 0 } else { 2_000 };
        let _ = (0..looks).any(|_| half_way(&depot));
        service.kill();
        eprintln!("kill {kill}: {before} to {now} of {all}");
        telling += u32::from(half_way(&depot));
    }
    eprintln!("{telling} of {KILLS} kills found files half-way");
    depot.start();
    wait_until(PATIENCE * 2, || gone(&mut depot) == all);
    depot.stop();

    let expected: Vec<i64> = (0..FILES).chain(1000..1000 + FILES).collect();
    for (pipeline, keys) in POLICIES {
        assert_eq!(names_in(&depot.inbox(pipeline)), [""; 0], "{pipeline}");
        assert_eq!(depot.ids(pipeline), expected, "{pipeline}: every row once");
        if keys.contains("delete") {
            continue;
        }
        let rows = depot.client.query(
            "select path, archive_path from ingestd.files where pipeline = $1",
            &[&pipeline],
        );
        let rows = rows.expect("files");
        assert_eq!(
            rows.len() as i64,
            FILES,
            "{pipeline}: nothing is known twice"
        );
        let mut archives = std::collections::BTreeSet::new();
        for row in rows {
            let source = PathBuf::from(row.get::<_, &str>(0));
            let target = PathBuf::from(row.get::<_, Option<&str>>(1).expect("it went there"));
            let file: i64 = source
                .file_stem()
                .and_then(|it| it.to_str()?.parse().ok())
                .expect("a number");
            let bytes = fs::read(&target).expect("in the archive");
            let bytes = match pipeline {
                "packs" => zstd::decode_all(&bytes[..]).expect("whole"),
                _ => bytes,
            };
            assert_eq!(String::from_utf8_lossy(&bytes), csv([file, file + 1000]));
            archives.insert(target.parent().expect("a directory").to_owned());
        }
        let there: usize = archives.iter().map(|it| all_below(it).len()).sum();
        assert_eq!(there as i64, FILES, "{pipeline}: nothing else is there");
    }
}
