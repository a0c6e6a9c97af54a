//! Files that have come to an end.

use super::*;

#[test]
fn finished_files_say_how_they_ended() {
    let of = |state: &str, change: &dyn Fn(&mut File)| {
        let mut facts = facts(state);
        change(file(&mut facts));
        stage(&facts)
    };
    let over = "over its error budget (max_errors = 0): 2 of 3";
    let found = of("QUARANTINED", &|file| file.reason = Some(over.into()));
    assert_eq!(found.stage, Stage::OverBudget);
    let advice = found.advice.expect("advice");
    assert!(advice.contains("dead-letters list --file 3") && advice.contains("retry 3"));
    let found = of("QUARANTINED", &|file| {
        file.reason = Some("no field id".into())
    });
    assert_eq!(
        (found.stage, &found.because[..]),
        (Stage::Quarantined, "no field id")
    );
    assert_eq!(of("FAILED", &|_| ()).stage, Stage::Failed);

    let found = of("SKIPPED", &|file| {
        file.duplicate_of = Some((1, "/in/b.csv".into()))
    });
    assert_eq!(found.stage, Stage::SkippedAsDuplicate);
    assert!(
        found.because.contains("file 1 (/in/b.csv)"),
        "{}",
        found.because
    );
    let found = of("SKIPPED", &|file| file.undone_at = Some("then".into()));
    assert_eq!(
        (found.stage, found.since.as_deref()),
        (Stage::Undone, Some("then"))
    );
    assert_eq!(of("SKIPPED", &|_| ()).stage, Stage::Skipped);

    let found = of("ARCHIVED", &|file| {
        file.archive_path = Some("/out/a.csv".into())
    });
    assert_eq!(found.stage, Stage::Archived);
    assert!(found.because.ends_with("archived as /out/a.csv"));
    let found = of("ARCHIVED", &|file| {
        file.archive_path = Some("/out/a.csv".into());
        file.removed = true;
    });
    assert!(found.because.ends_with("removed from there since"));
    assert!(
        of("ARCHIVED", &|_| ())
            .because
            .contains("not there any more")
    );
}

fn advice(facts: &Facts) -> String {
    stage(facts).advice.expect("advice")
}

/// It was told to be mended and retried, which is refused as long as rows of it are in the table.
#[test]
fn what_is_loaded_in_part_is_taken_back_before_it_is_mended() {
    let mut facts = facts("QUARANTINED");
    *file(&mut facts) = File {
        reason: Some("over its error budget (max_errors = 0): 2 of 3".into()),
        archive_path: Some("/bad/a.csv".into()),
        archived_at: Some("then".into()),
        ..file(&mut facts).clone()
    };
    let found = stage(&facts);
    assert_eq!(found.stands_at.as_deref(), Some("/bad/a.csv"));
    let lines = found.lines();
    assert!(lines.contains(&("stands at".into(), "/bad/a.csv".into())));
    let said = advice(&facts);
    let words =
        "raise the budget, then `ingestd retry 3`; or mend /bad/a.csv, then `ingestd retry 3`";
    assert!(said.ends_with(words), "{said}");
    file(&mut facts).loaded = 1_234;
    facts.pipeline.as_mut().expect("one").tells_rows = true;
    let said = advice(&facts);
    let words = "or `ingestd undo 3`, mend /bad/a.csv, then `ingestd retry 3`";
    assert!(said.ends_with(words), "{said}");
    facts.pipeline.as_mut().expect("one").tells_rows = false;
    let said = advice(&facts);
    assert!(!said.contains("undo"), "{said}");
    assert!(said.contains("1,234 of its records"), "{said}");
    let load = "`ingestd load /bad/a.csv --pipeline events --again`";
    assert!(said.contains(load), "{said}");

    *file(&mut facts) = File {
        reason: Some("it can't be read: Permission denied (os error 13)".into()),
        loaded: 0,
        ..file(&mut facts).clone()
    };
    assert_eq!(
        advice(&facts),
        "give the service's user the right to read /bad/a.csv, then `ingestd retry 3`"
    );
}

/// To load it once more would load it twice.
#[test]
fn a_retried_file_names_the_one_that_it_went_on_as() {
    let mut facts = facts("SKIPPED");
    file(&mut facts).reason = Some(crate::ledger::retry::RETRIED.into());
    assert!(advice(&facts).contains("`ingestd rescan`"));
    file(&mut facts).went_on_as = Some(20);
    file(&mut facts).undone_at = Some("then, before it was retried".into());
    let found = stage(&facts);
    assert!(found.because.ends_with(": file 20"), "{}", found.because);
    let said = advice(&facts);
    assert!(said.starts_with("`ingestd why 20`"), "{said}");
    assert!(!said.contains("load"), "{said}");
}

#[test]
fn a_duplicate_names_the_other_one_once_and_the_whole_command() {
    let mut facts = facts("SKIPPED");
    facts.path = "/in/a b.csv".into();
    *file(&mut facts) = File {
        reason: Some("the same content as file 1 (/in/b.csv), loaded then UTC".into()),
        duplicate_of: Some((1, "/in/b.csv".into())),
        ..file(&mut facts).clone()
    };
    assert_eq!(
        stage(&facts).because,
        "it has the same content as file 1 (/in/b.csv), loaded then UTC"
    );
    let said = advice(&facts);
    let load = "`ingestd load '/in/a b.csv' --pipeline events --again`";
    assert!(said.starts_with(load), "{said}");
}

/// It was advised to load it once more, without a word of the rows that are there.
#[test]
fn what_would_stand_in_the_table_twice_is_said() {
    let mut facts = facts("QUARANTINED");
    file(&mut facts).loaded = 1_234;
    let words = "1,234 rows of it are in the table already, and the pipeline only appends";
    for state in ["QUARANTINED", "FAILED"] {
        file(&mut facts).state = state.into();
        facts.pipeline.as_mut().expect("one").appends = false;
        let said = advice(&facts);
        assert!(!said.contains("twice"), "a key tells them apart: {said}");
        facts.pipeline.as_mut().expect("one").appends = true;
        let said = advice(&facts);
        assert!(said.contains(words) && said.contains("twice"), "{said}");
    }
    file(&mut facts).loaded = 0;
    assert!(!advice(&facts).contains("twice"), "nothing of it is there");

    file(&mut facts).state = "SKIPPED".into();
    file(&mut facts).duplicate_of = Some((1, "/in/b.csv".into()));
    assert!(!advice(&facts).contains("twice"), "that one was taken back");
    file(&mut facts).loaded_there = 3;
    let said = advice(&facts);
    let words = "3 rows of file 1 are in the table already";
    assert!(said.contains(words) && said.contains("twice"), "{said}");
}

#[test]
fn a_loaded_file_that_is_still_there_says_why() {
    let mut facts = facts("COMMITTED");
    assert_eq!(stage(&facts).stage, Stage::NotArchived);
    facts.pipeline.as_mut().expect("one").wanted = "paused".into();
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::NotArchived);
    assert!(
        found.because.contains("pipeline events is paused"),
        "{}",
        found.because
    );
    facts.pipeline.as_mut().expect("one").leaves = Some(Leaves::Never);
    assert_eq!(stage(&facts).stage, Stage::Loaded);
    file(&mut facts).leave_again_at = Some("soon".into());
    file(&mut facts).reason = Some("the archive has a file of that name".into());
    let found = stage(&facts);
    assert_eq!(found.stage, Stage::NotArchived);
    assert!(found.because.contains("of that name; tried again at soon"));
}
