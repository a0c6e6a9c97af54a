//! How fields are matched with columns, and the filters.

use super::Mapping;
use super::entry::{Entry, Scalars};
use super::keys::item_path;
use super::problems::Section;
use super::raw::RawFilter;
use super::service::one_of;
use crate::plan::{FieldRef, Filter, FilterRule, whole_match};

/// What is written of it.
pub(super) struct RawMapping {
    pub header_case: Option<Entry<String>>,
    pub extra_columns: Option<Entry<String>>,
    pub missing_columns: Option<Entry<String>>,
    pub other_columns: Option<Entry<String>>,
    pub filters: Vec<RawFilter>,
    pub header: bool,
}

pub(super) fn check(raw: RawMapping, section: &mut Section<'_, '_>) -> Mapping {
    let choice = |key: &str, entry, [yes, no]: [&str; 2], section: &mut Section<'_, '_>| {
        section.converted(key, entry, |text: String| match text.as_str() {
            text if text == yes => Ok(true),
            text if text == no => Ok(false),
            _ => Err(one_of(&text, &[yes, no])),
        })
    };
    let ignore_case = choice("header_case", raw.header_case, ["ignore", "exact"], section);
    let (extra, missing) = (raw.extra_columns, raw.missing_columns);
    let refuse_extra = choice("extra_columns", extra, ["refuse", "ignore"], section);
    let refuse_missing = choice("missing_columns", missing, ["refuse", "default"], section);
    let load_others = choice(
        "other_columns",
        raw.other_columns,
        ["load", "ignore"],
        section,
    );
    if load_others == Some(true) && !raw.header {
        section.problem(
            "other_columns",
            "without a header fields have no names by which they could be loaded; list their columns",
        );
    }
    let list = section.path_of("filters");
    let filters = raw.filters.into_iter().enumerate();
    let filters = filters.filter_map(|(index, filter)| {
        let section = &mut section.below(item_path(&list, None, index));
        check_filter(filter, raw.header, section)
    });
    Mapping {
        filters: filters.collect(),
        ignore_case: ignore_case.unwrap_or(false),
        refuse_extra,
        refuse_missing: refuse_missing.unwrap_or(false),
        load_others: load_others.unwrap_or(false),
    }
}

fn check_filter(raw: RawFilter, header: bool, section: &mut Section<'_, '_>) -> Option<Filter> {
    let field = section.required("field", raw.field, "name the field, or write its number");
    if let Some(FieldRef::Name(_)) = field
        && !header
    {
        section.problem(
            "field",
            "without a header fields have no names; write the field's number",
        );
    }
    let mut rules = Vec::new();
    let mut present = 0;
    let values = |key: &str, entry: Option<Entry<Scalars>>, section: &mut Section<'_, '_>| {
        section.converted(key, entry, |values| match values.0.is_empty() {
            true => Err("is empty; list the values".to_owned()),
            false => Ok(values.0),
        })
    };
    present += usize::from(raw.is_in.is_some());
    rules.extend(values("in", raw.is_in, section).map(FilterRule::In));
    present += usize::from(raw.not_in.is_some());
    rules.extend(values("not_in", raw.not_in, section).map(FilterRule::NotIn));
    present += usize::from(raw.matches.is_some());
    let matches = section.converted("matches", raw.matches, |pattern| {
        whole_match(&pattern).map(|_| pattern)
    });
    rules.extend(matches.map(FilterRule::Matches));
    present += usize::from(raw.empty.is_some());
    rules.extend(section.optional("empty", raw.empty).map(FilterRule::Empty));
    match present {
        0 => section.problem(
            "in",
            "is missing; say what the field has to be by one of in, not_in, matches and empty",
        ),
        1 => {}
        _ => section.problem(
            "field",
            "has several rules; write a filter for each of in, not_in, matches and empty",
        ),
    }
    Some(Filter {
        field: field?,
        rule: rules.pop()?,
    })
}
