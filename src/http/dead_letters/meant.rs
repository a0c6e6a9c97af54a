//! PURE: which dead letters are meant.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::problem::Problem;
use crate::dead_letters::LetterFilter;
use crate::view::filters::moment;

/// Which dead letters: those that fit all that is said.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Meant {
    /// Only this pipeline's.
    pub pipeline: Option<String>,
    /// Only those of the file of this number.
    pub file: Option<i64>,
    /// Only this record of it.
    pub record: Option<i64>,
    /// Only those with this reason.
    #[param(example = "invalid_value")]
    pub reason: Option<String>,
    /// Only those of this column; the empty text stands for none.
    pub column: Option<String>,
    /// Only those that the server has refused with this code.
    #[param(example = "22P02")]
    pub sqlstate: Option<String>,
    /// Only those that were found since then: so long ago, or a time.
    #[param(example = "2h")]
    pub since: Option<String>,
}

impl Meant {
    /// The filter, of those in one state or in any.
    ///
    /// # Errors
    /// What would be right.
    pub fn filter(self, status: Option<&str>) -> Result<LetterFilter, Problem> {
        let since = self.since.map(|text| {
            let wrong = |advice| Problem::bad_request(format!("since: {text:?}: {advice}"));
            moment(&text).map_err(wrong)
        });
        Ok(LetterFilter {
            pipeline: self.pipeline,
            file: self.file,
            record: self.record,
            reason: self.reason,
            column: self.column,
            sqlstate: self.sqlstate,
            since: since.transpose()?,
            status: status.map(str::to_owned),
        })
    }

    /// The filter of something that changes them: those that are NEW, and not all of them by mistake.
    ///
    /// # Errors
    /// What would be right.
    pub fn some_that_are_new(self, all: bool) -> Result<LetterFilter, Problem> {
        let filter = self.filter(Some("NEW"))?;
        if filter.is_open() && !all {
            let detail = "meant says nothing, so that all dead letters would be";
            return Err(Problem::bad_request(detail)
                .with_advice("say which, by pipeline, file, reason and so on; or \"all\": true"));
        }
        Ok(filter)
    }
}

/// The state that is asked for; `None` for any.
///
/// # Errors
/// What would be right.
pub fn status(asked: Option<&str>) -> Result<Option<&'static str>, Problem> {
    let Some(asked) = asked else {
        return Ok(Some("NEW"));
    };
    match asked.to_ascii_lowercase().as_str() {
        "new" => Ok(Some("NEW")),
        "resolved" => Ok(Some("RESOLVED")),
        "discarded" => Ok(Some("DISCARDED")),
        "all" => Ok(None),
        _ => Err(Problem::bad_request(format!(
            "status: {asked:?} is none; write new, resolved, discarded or all"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_means_all_by_mistake() {
        let refused = Meant::default().some_that_are_new(false).expect_err("all");
        assert_eq!(refused.status, 400);
        assert!(Meant::default().some_that_are_new(true).is_ok());
        let some = Meant {
            reason: Some("refused".to_owned()),
            ..Meant::default()
        };
        let filter = some.some_that_are_new(false).expect("a filter");
        assert_eq!(filter.status.as_deref(), Some("NEW"));
    }

    #[test]
    fn states_are_words() {
        assert_eq!(status(None).ok(), Some(Some("NEW")));
        assert_eq!(status(Some("Resolved")).ok(), Some(Some("RESOLVED")));
        assert_eq!(status(Some("all")).ok(), Some(None));
        assert!(status(Some("old")).is_err());
        let bad = Meant {
            since: Some("yesterday".to_owned()),
            ..Meant::default()
        };
        assert_eq!(bad.filter(None).map_err(|it| it.status), Err(400));
    }
}
