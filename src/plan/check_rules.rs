//! Whether the rules of a column fit the type that the table has for it.

use super::{Column, Kind};
use crate::row::Bounds;

/// Checks the rules that depend on the type, which a configuration need not say.
///
/// # Errors
/// The first that doesn't fit, and what would be right.
pub fn check_rules(column: &Column) -> Result<(), String> {
    let misfits = column.rules.misfits(Kind::of(column.value_type));
    if let Some((key, advice)) = misfits.first() {
        return Err(format!(
            "column {:?} is of type {}, but its {key} {advice}; leave it out, or change the column",
            column.name, column.type_name
        ));
    }
    match Bounds::of(column) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("column {:?}: {error}", column.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ValueRules, ValueType};

    #[test]
    fn what_does_not_fit_the_tables_type_is_named() {
        let mut column = Column::new("price", ValueType::Text, "text");
        column.rules = ValueRules {
            decimal: Some(','),
            ..ValueRules::default()
        };
        assert_eq!(
            check_rules(&column).unwrap_err(),
            "column \"price\" is of type text, but its decimal is for columns of numbers; leave it out, or change the column"
        );
        column.value_type = ValueType::Numeric;
        assert_eq!(check_rules(&column), Ok(()));
        column.minimum = Some("none".into());
        let error = check_rules(&column).unwrap_err();
        assert!(
            error.starts_with("column \"price\": the minimum \"none\""),
            "{error}"
        );
    }
}
