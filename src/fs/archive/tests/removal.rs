//! What is removed from an archive, and what is not.

use super::*;
use crate::fs::archive::naming::removal_path;
use crate::fs::archive::{Archived, Due, Form, Removal, remove_due};

/// An archive with one file in a directory of its date, and what the ledger knows of it.
struct Kept {
    _directory: tempfile::TempDir,
    root: PathBuf,
    due: Due,
}

fn kept(form: Form) -> Kept {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("archive");
    let path = root.join("2026/11/a.csv");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, CONTENT).unwrap();
    let found = candidate_at(&path).unwrap().unwrap();
    let content = hash_file(&std::fs::File::open(&path).unwrap(), found.size).unwrap();
    if form == Form::Zstd {
        let bytes = zstd::encode_all(CONTENT.as_bytes(), 3).unwrap();
        let file = std::fs::File::options()
            .write(true)
            .truncate(true)
            .open(&path);
        let mut file = file.unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        file.set_modified(modified).unwrap();
    }
    let is = Archived {
        size: found.size,
        modified: candidate_at(&path).unwrap().unwrap().modified,
        content: Some(content.to_vec()),
        form,
    };
    let due = Due {
        with: vec![path.with_file_name("a.csv.reason")],
        path,
        may_be: vec![is],
        tag: "tag".to_owned(),
        root: root.clone(),
    };
    Kept {
        _directory: directory,
        root,
        due,
    }
}

#[test]
fn a_file_goes_with_what_stands_beside_it_and_its_empty_directories() {
    for form in [Form::Plain, Form::Zstd] {
        let kept = kept(form);
        std::fs::write(&kept.due.with[0], "why").unwrap();
        assert_eq!(remove_due(&kept.due).unwrap(), Removal::Removed);
        assert_eq!(files(&kept.root), [""; 0], "and the archive itself stays");
        assert!(kept.root.is_dir());
        assert_eq!(remove_due(&kept.due).unwrap(), Removal::Gone, "once more");
    }
}

#[test]
fn directories_with_something_in_them_stay() {
    let kept = kept(Form::Plain);
    std::fs::write(kept.root.join("2026/mine"), "").unwrap();
    assert_eq!(remove_due(&kept.due).unwrap(), Removal::Removed);
    assert_eq!(files(&kept.root.join("2026")), ["mine"]);
}

#[test]
fn what_is_not_the_file_stays() {
    let replace = |kept: &Kept, content: &str| std::fs::write(&kept.due.path, content).unwrap();
    for content in [&CONTENT.replace('1', "9"), "another", ""] {
        let kept = kept(Form::Plain);
        std::fs::remove_file(&kept.due.path).unwrap();
        replace(&kept, content);
        assert_eq!(
            remove_due(&kept.due).unwrap(),
            Removal::NotOurs,
            "{content:?}"
        );
        assert_eq!(std::fs::read_to_string(&kept.due.path).unwrap(), content);
    }
    let kept = kept(Form::Plain);
    let elsewhere = kept.root.join("elsewhere");
    std::fs::rename(&kept.due.path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &kept.due.path).unwrap();
    assert_eq!(remove_due(&kept.due).unwrap(), Removal::NotOurs);
    assert!(elsewhere.exists());
}

#[test]
fn a_file_that_was_only_touched_is_known_by_what_it_holds() {
    for form in [Form::Plain, Form::Zstd] {
        let kept = kept(form);
        let file = std::fs::File::options().write(true).open(&kept.due.path);
        file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(remove_due(&kept.due).unwrap(), Removal::Removed);
    }
}

#[test]
fn a_removal_that_was_begun_is_ended_or_undone() {
    let kept = kept(Form::Plain);
    let hidden = removal_path(&kept.due.path, &kept.due.tag);
    std::fs::rename(&kept.due.path, &hidden).unwrap();
    std::fs::write(&kept.due.path, "a newer file").unwrap();
    assert_eq!(remove_due(&kept.due).unwrap(), Removal::Removed);
    let left = std::fs::read_to_string(&kept.due.path).unwrap();
    assert_eq!(left, "a newer file");

    // The one that was taken had just taken the place of the file.
    std::fs::rename(&kept.due.path, &hidden).unwrap();
    assert_eq!(remove_due(&kept.due).unwrap(), Removal::NotOurs);
    let left = std::fs::read_to_string(&kept.due.path).unwrap();
    assert_eq!(left, "a newer file");
    assert!(!hidden.exists());
}

#[test]
fn nothing_is_taken_for_removed_where_the_archive_itself_is_away() {
    let kept = kept(Form::Plain);
    std::fs::rename(&kept.root, kept.root.with_file_name("unmounted")).unwrap();
    assert!(remove_due(&kept.due).is_err());
}
