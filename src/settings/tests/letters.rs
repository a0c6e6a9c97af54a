//! How long dead letters are kept.

use super::*;
use crate::settings::LetterRules;

const DAY: Duration = Duration::from_secs(86_400);

fn with(lines: &str) -> String {
    format!("[pipelines.events]\ndirectory = 'in'\ntable = 'events'\n{lines}\n")
}

#[test]
fn they_are_kept_for_ever_unless_something_is_said() {
    let rules = |lines: &str| load(&with(lines)).pipelines[0].letters.clone();
    assert_eq!(rules(""), LetterRules::default());
    let all =
        "dead_letter_retention = '90d'\ndead_letter_most = 1_000\nnew_dead_letter_retention = '1d'";
    let wanted = LetterRules {
        retention: Some(90 * DAY),
        most: Some(1_000),
        new_retention: Some(DAY),
    };
    assert_eq!(rules(all), wanted);
}

#[test]
fn mistakes_in_their_retention_are_told() {
    for (lines, key, said) in [
        (
            "dead_letter_retention = '0s'",
            "dead_letter_retention",
            "write \"1s\" or more",
        ),
        (
            "dead_letter_retention = 90",
            "dead_letter_retention",
            "expected text in quotes",
        ),
        ("dead_letter_most = -1", "dead_letter_most", "0 or more"),
        (
            "new_dead_letter_retention = 'soon'",
            "new_dead_letter_retention",
            "is no duration",
        ),
    ] {
        let problem = refusal(&with(lines));
        let key = format!("pipelines.events.{key}: ");
        assert!(
            problem.contains(&key) && problem.contains(said),
            "{problem}"
        );
    }
}
