//! The table of the documentation, cell by cell, by the program itself.

use super::*;

const POLICIES: [&str; 4] = ["rename", "replace", "keep", "fail"];
const THERE: [&str; 3] = ["none", "same", "other"];

fn ids(there: &str) -> std::ops::Range<i64> {
    let index = THERE
        .iter()
        .position(|it| *it == there)
        .expect("one of them") as i64;
    index * 10..index * 10 + 3
}

/// Each policy, on one file system and across two, compressed and not; in each archive stand a file
/// that holds the same as one that comes, and one that holds something else.
#[test]
fn every_policy_meets_every_file() {
    let mut cells = Vec::new();
    for policy in POLICIES {
        for place in ["here", "across"] {
            for form in ["none", "zstd"] {
                let archive = match place {
                    "here" => format!("archive/{policy}-{place}-{form}"),
                    _ => format!("OTHER/{policy}-{place}-{form}"),
                };
                let keys = format!(
                    "archive = \"{archive}\"\narchive_collision = \"{policy}\"\narchive_compression = \"{form}\""
                );
                cells.push((
                    format!("{policy}-{place}-{form}"),
                    policy,
                    place,
                    form,
                    keys,
                ));
            }
        }
    }
    if other_file_system().is_none() {
        cells.retain(|(_, _, place, ..)| *place == "here");
    }
    let pipelines: Vec<(&str, &str)> = cells
        .iter()
        .map(|(name, .., keys)| (&name[..], &keys[..]))
        .collect();
    let mut depot = Depot::new(&pipelines);
    let directory = |depot: &Depot, name: &str, place: &str| match place {
        "here" => depot.home.directory(&format!("archive/{name}")),
        _ => depot
            .other
            .as_ref()
            .expect("another file system")
            .path()
            .join(name),
    };
    for (name, _, place, form, _) in &cells {
        let archive = directory(&depot, name, place);
        fs::create_dir_all(&archive).expect("a directory");
        for there in &THERE[1..] {
            let text = match *there {
                "same" => csv(ids(there)),
                _ => "somebody's".to_owned(),
            };
            match *form {
                "zstd" => {
                    let bytes = zstd::encode_all(text.as_bytes(), 1).expect("compressed");
                    fs::write(archive.join(format!("{there}.csv.zst")), bytes)
                }
                _ => fs::write(archive.join(format!("{there}.csv")), text),
            }
            .expect("written");
        }
        for there in THERE {
            depot.drop_file(name, &format!("{there}.csv"), &csv(ids(there)));
        }
    }
    depot.start();
    let text_of = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let bytes = match path.extension().is_some_and(|it| it == "zst") {
            true => zstd::decode_all(&bytes[..]).expect("whole"),
            false => bytes,
        };
        String::from_utf8(bytes).expect("text")
    };
    for (name, policy, place, form, _) in &cells {
        let archive = directory(&depot, name, place);
        let ending = if *form == "zstd" { ".csv.zst" } else { ".csv" };
        let mut held = Vec::new();
        for there in THERE {
            let stays = match (*policy, there) {
                ("fail", "same" | "other") => Some("there is a file"),
                ("keep", "other") => Some("has other content"),
                _ => None,
            };
            let file = format!("{there}.csv");
            match stays {
                Some(reason) => {
                    depot.wait_until_said(name, &file, "COMMITTED", reason);
                    held.push(file);
                }
                None => depot.wait_until_said(name, &file, "ARCHIVED", ""),
            }
            let expected = match (*policy, there) {
                ("rename" | "keep" | "fail", "other") => "somebody's".to_owned(),
                _ => csv(ids(there)),
            };
            let text = text_of(archive.join(format!("{there}{ending}")));
            assert_eq!(text, expected, "{name}: {there}");
        }
        held.sort();
        assert_eq!(names_in(&depot.inbox(name)), held, "{name}");
        let names = names_in(&archive);
        let renamed: Vec<_> = names.iter().filter(|it| it.contains('-')).collect();
        match *policy {
            "rename" => {
                assert_eq!(renamed.len(), 2, "{name}: {names:?}");
                for path in renamed {
                    let there = path.split('-').next().expect("a name");
                    assert_eq!(text_of(archive.join(path)), csv(ids(there)), "{name}");
                }
            }
            _ => assert!(renamed.is_empty() && names.len() == 3, "{name}: {names:?}"),
        }
        let mut loaded = depot.ids(name);
        loaded.sort();
        let all: Vec<i64> = THERE.into_iter().flat_map(ids).collect();
        assert_eq!(loaded, all, "{name}: every row once");
    }
    // What is in the way goes, and those that were held follow, without being loaded again.
    for (name, _, place, form, _) in cells.iter().filter(|(_, policy, ..)| *policy == "fail") {
        let ending = if *form == "zstd" { ".csv.zst" } else { ".csv" };
        for there in &THERE[1..] {
            let archive = directory(&depot, name, place);
            fs::remove_file(archive.join(format!("{there}{ending}"))).expect("removed");
        }
    }
    depot.age(1);
    depot.stop();
    depot.start();
    for (name, ..) in cells.iter().filter(|(_, policy, ..)| *policy == "fail") {
        for there in THERE {
            depot.wait_until_said(name, &format!("{there}.csv"), "ARCHIVED", "");
        }
        assert_eq!(names_in(&depot.inbox(name)), [""; 0]);
        assert_eq!(depot.ids(name).len(), 9);
    }
    depot.stop();
}

#[test]
fn a_file_that_is_held_is_seen_and_keeps_no_other_back() {
    let keys = "archive_collision = \"fail\"";
    let mut depot = Depot::new(&[("things", keys)]);
    let archive = depot.home.directory("archive/things");
    fs::write(archive.join("a.csv"), "somebody's").expect("written");
    depot.start();
    depot.drop_file("things", "a.csv", &csv([1]));
    depot.wait_until_said(
        "things",
        "a.csv",
        "COMMITTED",
        "stays in the inbox: there is a file",
    );
    depot.drop_file("things", "b.csv", &csv([2]));
    depot.wait_until_said("things", "b.csv", "ARCHIVED", "");
    let listed = depot.home.ask(&["files"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains("move that away, and this one follows"),
        "{listed}"
    );
    let warnings = || {
        depot
            .home
            .log()
            .matches("file stays in the inbox for now")
            .count()
    };
    assert_eq!(warnings(), 1);
    // It heals by itself, after seconds.
    fs::rename(archive.join("a.csv"), archive.join("old.csv")).expect("renamed");
    depot.wait_until_said("things", "a.csv", "ARCHIVED", "");
    assert_eq!(
        depot
            .home
            .log()
            .matches("file stays in the inbox for now")
            .count(),
        1
    );
    assert_eq!(depot.ids("things"), [1, 2]);
    depot.stop();
}

#[test]
fn load_says_what_could_not_be_archived_and_deletes_nothing() {
    let mut depot = Depot::new(&[
        ("fails", "archive_collision = \"fail\""),
        ("deletes", "finished = \"delete\"\ndelete_after = \"0s\""),
    ]);
    let archive = depot.home.directory("archive/fails");
    fs::write(archive.join("a.csv"), "somebody's").expect("written");
    let mine = depot.home.directory("mine").join("a.csv");
    fs::write(&mine, csv([1])).expect("written");
    let path = mine.to_str().expect("text").to_owned();
    for (pipeline, told) in [
        ("fails", "not archived: stays in the inbox"),
        ("deletes", "1 record"),
    ] {
        let loaded = depot
            .home
            .ask(&["load", &path, "--archive", "--pipeline", pipeline]);
        let said = String::from_utf8_lossy(&loaded.stdout).into_owned();
        assert!(said.contains(told), "{pipeline}: {said} {loaded:?}");
        assert!(mine.exists());
        assert_eq!(depot.ids(pipeline), [1]);
    }
}
