//! How many fields a record has to have.

use super::reject::Reject;
use crate::plan::{Layout, LoadPlan};

/// How many fields a record has to have.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    fields: usize,
    /// Whether it may have more.
    more: bool,
    /// Whether a header says so.
    header: bool,
}

impl Width {
    /// The width of a plan's records in files with this layout.
    pub fn new(plan: &LoadPlan, layout: &Layout) -> Width {
        Width {
            fields: layout.width,
            more: layout.more,
            header: plan.dialect.header,
        }
    }

    /// Whether a record is one field.
    #[inline]
    pub fn is_one(self) -> bool {
        self.fields <= 1
    }

    /// Checks a record of so many fields.
    ///
    /// # Errors
    /// How many it should have.
    #[inline]
    pub fn check(self, got: usize) -> Result<(), Reject> {
        if got == self.fields || (self.more && got > self.fields) {
            return Ok(());
        }
        Err(self.refuse(got))
    }

    #[cold]
    fn refuse(self, got: usize) -> Reject {
        let expected = match (self.header, self.more) {
            (true, _) => format!("the header has {}", self.fields),
            (false, false) => format!("expected {}", self.fields),
            (false, true) => format!("expected {} or more", self.fields),
        };
        Reject::field_count(got, &expected)
    }
}
