//! Which records delete the row of their key.

use crate::csv::{Escape, Field};
use crate::plan::{Layout, LoadPlan};

/// The mark on such records.
#[derive(Debug)]
pub struct Marker {
    /// Which field of the record has it.
    field: usize,
    values: Vec<Box<[u8]>>,
    unescaped: Vec<u8>,
}

impl Marker {
    /// The marker of a plan for files with this layout; `None` where no record deletes.
    pub fn new(plan: &LoadPlan, layout: &Layout) -> Option<Marker> {
        let when = plan.rules.delete_when.as_ref()?;
        Some(Marker {
            field: layout.marker?,
            values: when
                .values
                .iter()
                .map(|text| text.as_bytes().into())
                .collect(),
            unescaped: Vec::new(),
        })
    }

    /// Whether the record, whose fields are spans of `bytes`, has the mark.
    pub fn marks(&mut self, bytes: &[u8], fields: &[Field], escape: Escape) -> bool {
        let text = fields[self.field].text(bytes, escape, &mut self.unescaped);
        self.values.iter().any(|value| **value == *text)
    }
}
