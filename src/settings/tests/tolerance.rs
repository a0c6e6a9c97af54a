//! The error budget, as it is written.

use ingestd_actors::flow::{Budget, Millionths};

use super::*;

fn with(lines: &str) -> String {
    format!("[pipelines.p]\ndirectory = 'in'\ntable = 't'\n{lines}\n")
}

fn budget(lines: &str) -> Budget {
    let settings = load(&with(lines));
    settings.pipeline("p").expect("a pipeline").tolerance.budget
}

#[test]
fn without_a_word_of_it_there_is_no_limit() {
    let budget = budget("");
    assert_eq!((budget.max_errors, budget.max_ratio), (None, None));
    assert_eq!(budget.min_records, 1_000);
}

#[test]
fn counts_and_shares() {
    assert_eq!(budget("max_errors = 0").max_errors, Some(0));
    for (written, millionths) in [
        ("0.05", 50_000),
        ("0.29", 290_000),
        ("0.000001", 1),
        ("0", 0),
        ("1", 1_000_000),
        ("'0.5'", 500_000),
    ] {
        let budget = budget(&format!("max_error_ratio = {written}\nmin_records = 7"));
        assert_eq!(budget.max_ratio, Some(Millionths(millionths)), "{written}");
        assert_eq!(budget.min_records, 7);
    }
}

#[test]
fn all_of_a_file_means_no_errors_unless_something_else_is_said() {
    for (lines, whole, most) in [
        ("", false, None),
        ("all_or_nothing = false", false, None),
        ("all_or_nothing = true", true, Some(0)),
        ("all_or_nothing = true\nmax_errors = 5", true, Some(5)),
        ("all_or_nothing = true\nmax_error_ratio = 0.1", true, None),
    ] {
        let settings = load(&with(lines));
        let tolerance = settings.pipeline("p").expect("a pipeline").tolerance;
        assert_eq!(tolerance.all_or_nothing, whole, "{lines}");
        assert_eq!(tolerance.budget.max_errors, most, "{lines}");
    }
}

#[test]
fn what_can_not_be_is_said() {
    for (lines, key, part) in [
        ("max_errors = -1", "max_errors", "0 or more"),
        ("all_or_nothing = 1", "all_or_nothing", "true or false"),
        (
            "max_error_ratio = 5",
            "max_error_ratio",
            "a share of 1 such as 0.05",
        ),
        (
            "max_error_ratio = -0.1",
            "max_error_ratio",
            "a share of 1 such as 0.05",
        ),
        (
            "max_error_ratio = nan",
            "max_error_ratio",
            "a share of 1 such as 0.05",
        ),
        (
            "max_error_ratio = 0.1234567",
            "max_error_ratio",
            "at most six",
        ),
        (
            "max_error_ratio = '5%'",
            "max_error_ratio",
            "is not a number",
        ),
        ("min_records = 5", "min_records", "is for max_error_ratio"),
    ] {
        let said = refusal(&with(lines));
        assert!(
            said.contains(&format!("pipelines.p.{key}: ")),
            "{lines}: {said}"
        );
        assert!(said.contains(part), "{lines}: {said}");
    }
}
