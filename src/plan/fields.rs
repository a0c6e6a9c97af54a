//! Which field of a record is meant, by its name in the header or by its place.

use serde::{Deserialize, Serialize};

use super::{Column, HeaderError, LoadPlan};

/// How the fields of a file are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    /// Whether a name that the header does not have exactly may differ from it in case.
    pub ignore_case: bool,
    /// Without a header: how many fields a record has; `None` means as many as there are columns.
    pub count: Option<u32>,
    /// Without a header: whether a record may have more of them.
    pub more: bool,
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRef {
    /// By its name in the header.
    Name(String),
    /// By its place, counted from 1.
    Number(u32),
}

/// Where a column's value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnSource {
    /// The field that has the name [`Column::field`] in the header.
    #[default]
    Field,
    /// The field at this place, counted from 1.
    Number(u32),
    /// This text, in every row.
    Constant(String),
    /// The file's number in the ledger, which no other file ever has.
    FileId,
    /// The name that the file had when its reading began.
    FileName,
    /// The path that it had then.
    FilePath,
    /// The time at which its reading began.
    LoadTime,
    /// The record's number, counted from 1.
    Record,
    /// The physical line that the record starts on, counted from 1.
    Line,
}

impl ColumnSource {
    /// Whether it is a field of the record.
    pub fn is_field(&self) -> bool {
        matches!(self, ColumnSource::Field | ColumnSource::Number(_))
    }

    /// Whether it is something that has to be the same for all rows of a file, in all lives.
    pub fn is_of_file(&self) -> bool {
        matches!(
            self,
            ColumnSource::FileId
                | ColumnSource::FileName
                | ColumnSource::FilePath
                | ColumnSource::LoadTime
        )
    }
}

/// Where the columns and the filters of a plan find their fields in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many fields a record has.
    pub width: usize,
    /// Whether it may have more.
    pub more: bool,
    /// For each column the index of its field; `None` where it takes none.
    pub columns: Vec<Option<usize>>,
    /// For each filter the index of its field.
    pub filters: Vec<usize>,
    /// The index of the field that tells the records that delete; `None` where none does.
    pub marker: Option<usize>,
}

/// Who takes the field that tells the records that delete: by its name alone.
const DELETE_WHEN: &str = "delete_when";

impl LoadPlan {
    /// The layout of a file with this header. A header without names is that of an empty file, which
    /// has no record that would ask.
    ///
    /// # Errors
    /// `Header` where a field is not there, or the header has it twice.
    pub fn layout(&self, header: &[String]) -> Result<Layout, HeaderError> {
        if !self.dialect.header {
            return Ok(self.layout_by_place());
        }
        let columns = self.columns.iter().map(|column| self.index(column, header));
        let filters = self.filters.iter().map(|filter| {
            let who = "a filter";
            match &filter.field {
                FieldRef::Name(name) => self.by_name(who, name, header),
                FieldRef::Number(number) => by_number(who, *number, header),
            }
        });
        let marker = self.rules.delete_when.as_ref();
        let marker = marker.map(|when| self.by_name(DELETE_WHEN, &when.field, header));
        Ok(Layout {
            width: header.len(),
            more: false,
            marker: marker.transpose()?,
            columns: columns.collect::<Result<_, _>>()?,
            filters: filters.collect::<Result<_, _>>()?,
        })
    }

    fn layout_by_place(&self) -> Layout {
        let at = |number: u32| number.saturating_sub(1) as usize;
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(index, column)| match column.source {
            ColumnSource::Field => Some(index),
            ColumnSource::Number(number) => Some(at(number)),
            _ => None,
        });
        let columns: Vec<Option<usize>> = columns.collect();
        // Without a header the mark is a column's field.
        let marker = self.rules.delete_when.as_ref().and_then(|when| {
            let marked = self.columns.iter().position(|it| it.field == when.field)?;
            columns[marked]
        });
        let filters = self.filters.iter().map(|filter| match filter.field {
            FieldRef::Number(number) => at(number),
            // Settings and plans without a header know numbers alone.
            FieldRef::Name(_) => 0,
        });
        let count = self.fields.count.map(|count| count as usize);
        Layout {
            width: count.unwrap_or(self.columns.len()),
            more: self.fields.more,
            columns,
            filters: filters.collect(),
            marker,
        }
    }

    fn index(&self, column: &Column, header: &[String]) -> Result<Option<usize>, HeaderError> {
        let who = || format!("column {:?}", column.name);
        let index = match &column.source {
            ColumnSource::Field => self.by_name(&who(), &column.field, header)?,
            ColumnSource::Number(number) => by_number(&who(), *number, header)?,
            _ => return Ok(None),
        };
        Ok(Some(index))
    }

    fn by_name(&self, who: &str, name: &str, header: &[String]) -> Result<usize, HeaderError> {
        let ignore_case = self.fields.ignore_case;
        match places(header, name, ignore_case)[..] {
            _ if header.is_empty() => Ok(0),
            [index] => Ok(index),
            [] => Err(HeaderError::Header(format!(
                "the header has no field {name:?}, which {who} takes; it has {}",
                listed(header)
            ))),
            [first, second, ..] => {
                let advice = match who {
                    DELETE_WHEN => "rename one of them",
                    _ => "write its number as field",
                };
                let case = match header[first] == header[second] {
                    true => "",
                    false => " (their case is ignored)",
                };
                Err(HeaderError::Header(format!(
                    "the header names {name:?} twice, as fields {} and {}{case}, and {who} takes one of them; {advice}",
                    first + 1,
                    second + 1
                )))
            }
        }
    }
}

fn by_number(who: &str, number: u32, header: &[String]) -> Result<usize, HeaderError> {
    if header.is_empty() {
        return Ok(0);
    }
    let index = number.saturating_sub(1) as usize;
    if index < header.len() {
        return Ok(index);
    }
    Err(HeaderError::Header(format!(
        "the header has {} field{}, and {who} takes field {number}",
        header.len(),
        if header.len() == 1 { "" } else { "s" }
    )))
}

/// Where a header has a name: exactly, or else in other case, where that is ignored.
pub fn places(header: &[String], name: &str, ignore_case: bool) -> Vec<usize> {
    let all = |is: &dyn Fn(&str) -> bool| {
        let fields = header.iter().enumerate();
        let found = fields.filter_map(|(index, field)| is(field).then_some(index));
        found.collect::<Vec<usize>>()
    };
    let exact = all(&|field| field == name);
    if !exact.is_empty() || !ignore_case {
        return exact;
    }
    let name = name.to_lowercase();
    all(&|field| field.to_lowercase() == name)
}

/// So many names are listed in a message.
const LISTED: usize = 30;
/// So many characters of each.
const OF_A_NAME: usize = 64;

/// Names in quotes, with commas between them; no more than somebody reads.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut names = names.into_iter();
    let shown: Vec<String> = names
        .by_ref()
        .take(LISTED)
        .map(|name| quoted(name))
        .collect();
    shown.join(", ") + &more(names.count())
}

/// Numbers, with commas between them; no more than somebody reads.
pub fn listed_numbers(numbers: impl IntoIterator<Item = usize>) -> String {
    let mut numbers = numbers.into_iter();
    let shown: Vec<String> = numbers
        .by_ref()
        .take(LISTED)
        .map(|it| it.to_string())
        .collect();
    shown.join(", ") + &more(numbers.count())
}

fn more(count: usize) -> String {
    match count {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// A name in quotes, the end of one that is too long cut off.
fn quoted(name: &str) -> String {
    match name.char_indices().nth(OF_A_NAME) {
        None => format!("{name:?}"),
        Some((end, _)) => format!("{:?}", format!("{}…", &name[..end])),
    }
}
