//! Which records are loaded: the plan's filters, on fields as they are written.

use ingestd_actors::error::{Error, ErrorKind, Result};
use regex::bytes::Regex;

use crate::csv::{Escape, Field};
use crate::plan::{FilterRule, Layout, LoadPlan, whole_match};

/// The filters of a file.
#[derive(Debug)]
pub struct Filters {
    filters: Vec<FieldFilter>,
    escape: Escape,
    unescaped: Vec<u8>,
}

#[derive(Debug)]
struct FieldFilter {
    /// Which field of the record it looks at.
    field: usize,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    In(Values),
    NotIn(Values),
    Matches(Regex),
    Empty(bool),
}

/// Texts, sorted.
#[derive(Debug)]
struct Values(Vec<Box<[u8]>>);

impl Filters {
    /// The filters of a plan, for files with this layout.
    ///
    /// # Errors
    /// `Configuration` where one can't be carried out.
    pub fn new(plan: &LoadPlan, layout: &Layout) -> Result<Filters> {
        let filters = plan.filters.iter().zip(&layout.filters);
        let filters = filters.map(|(filter, &field)| {
            let rule = match &filter.rule {
                FilterRule::In(values) => Rule::In(Values::new(values)),
                FilterRule::NotIn(values) => Rule::NotIn(Values::new(values)),
                FilterRule::Empty(empty) => Rule::Empty(*empty),
                FilterRule::Matches(pattern) => {
                    let refused = |why| Error::new(ErrorKind::Configuration, why);
                    Rule::Matches(whole_match(pattern).map_err(refused)?)
                }
            };
            Ok(FieldFilter { field, rule })
        });
        Ok(Filters {
            filters: filters.collect::<Result<_>>()?,
            escape: Escape::new(&plan.dialect),
            unescaped: Vec::new(),
        })
    }

    /// Whether a record is to be loaded. Its fields are spans of `bytes`, and as many as the layout
    /// says.
    #[inline]
    pub fn pass(&mut self, bytes: &[u8], fields: &[Field]) -> bool {
        self.filters.iter().all(|filter| {
            let text = fields[filter.field].text(bytes, self.escape, &mut self.unescaped);
            match &filter.rule {
                Rule::In(values) => values.contain(text),
                Rule::NotIn(values) => !values.contain(text),
                Rule::Matches(pattern) => pattern.is_match(text),
                Rule::Empty(empty) => text.is_empty() == *empty,
            }
        })
    }
}

impl Values {
    fn new(values: &[String]) -> Values {
        let values = values.iter().map(|value| Box::from(value.as_bytes()));
        let mut values: Vec<Box<[u8]>> = values.collect();
        values.sort_unstable();
        Values(values)
    }

    fn contain(&self, text: &[u8]) -> bool {
        let found = self.0.binary_search_by(|value| (**value).cmp(text));
        found.is_ok()
    }
}
