//! Which records delete the row of their key.

use crate::csv::Field;
use crate::plan::{DeleteWhen, LoadPlan};
use ingestd_actors::error::{Error, ErrorKind, Result};

/// The mark on such records.
#[derive(Debug)]
pub struct Marker {
    /// Which field of the record has it.
    field: usize,
    values: Vec<Box<[u8]>>,
    unescaped: Vec<u8>,
}

impl Marker {
    /// The marker of a plan for files with this header; `None` where no record deletes.
    ///
    /// # Errors
    /// `File` where the header lacks the field.
    pub fn new(plan: &LoadPlan, header: &[String]) -> Result<Option<Marker>> {
        let Some(DeleteWhen { field, values }) = &plan.rules.delete_when else {
            return Ok(None);
        };
        let Some(position) = header.iter().position(|name| name == field) else {
            let message = format!("the header has no field {field:?}, by which deletions are told");
            return Err(Error::new(ErrorKind::File, message));
        };
        Ok(Some(Marker {
            field: position,
            values: values.iter().map(|text| text.as_bytes().into()).collect(),
            unescaped: Vec::new(),
        }))
    }

    /// Whether the record, whose fields are spans of `bytes`, has the mark.
    pub fn marks(&mut self, bytes: &[u8], fields: &[Field], quote: u8) -> bool {
        let text = fields[self.field].text(bytes, quote, &mut self.unescaped);
        self.values.iter().any(|value| **value == *text)
    }
}
