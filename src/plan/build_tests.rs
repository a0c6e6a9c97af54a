//! Headers of every kind, against pipelines of every kind.

use super::super::catalog::TableColumn;
use super::super::{ColumnSource, FieldRef, Filter, FilterRule, Layout, TableName};
use super::*;
use crate::settings::{ColumnSettings, Mapping};

/// A column of the table: its name, and what is particular about it.
fn table_column(name: &str, what: &str) -> TableColumn {
    TableColumn {
        name: name.into(),
        type_oid: 25,
        value_type: ValueType::Text,
        modifier: -1,
        labels: Vec::new(),
        type_name: "text".into(),
        type_full: "text".into(),
        not_null: what == "not null",
        has_default: what == "default",
        generated: what == "generated",
        nondeterministic: false,
    }
}

/// id, name, note, seen (with a default), total (generated).
fn table() -> Table {
    Table {
        name: TableName {
            schema: None,
            name: "t".into(),
        },
        columns: vec![
            table_column("id", "not null"),
            table_column("name", ""),
            table_column("note", ""),
            table_column("seen", "default"),
            table_column("total", "generated"),
        ],
        deferrable_keys: Vec::new(),
        unique_keys: vec![vec!["id".into()]],
        refers_to_itself: false,
    }
}

/// A column of the pipeline, by its name in the table and its field.
fn column(name: &str, field: &str) -> ColumnSettings {
    ColumnSettings {
        field: field.into(),
        ..ColumnSettings::new(name)
    }
}

fn from(name: &str, source: ColumnSource) -> ColumnSettings {
    ColumnSettings {
        source,
        ..column(name, name)
    }
}

fn pipeline(columns: Vec<ColumnSettings>, mapping: Mapping) -> Pipeline {
    let table = TableName {
        schema: None,
        name: "t".into(),
    };
    Pipeline {
        columns,
        mapping,
        ..Pipeline::ad_hoc(table, Vec::new())
    }
}

fn header(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

/// The columns that a header fills, each with the index of its field.
fn filled(pipeline: &Pipeline, names: &str) -> Result<Vec<(String, Option<usize>)>, HeaderError> {
    let plan = build(pipeline, &table(), &header(names))?;
    let layout = plan.layout(&header(names))?;
    let names = plan.columns.into_iter().map(|column| column.name);
    Ok(names.zip(layout.columns).collect())
}

/// As `filled`, in short: `id=0 name=2`.
fn fills(pipeline: &Pipeline, names: &str) -> String {
    let filled = filled(pipeline, names).unwrap_or_else(|error| panic!("{names}: {error}"));
    let filled = filled.iter().map(|(name, index)| match index {
        Some(index) => format!("{name}={index}"),
        None => name.clone(),
    });
    filled.collect::<Vec<_>>().join(" ")
}

/// Why a file is refused.
fn refused(pipeline: &Pipeline, names: &str) -> String {
    match filled(pipeline, names) {
        Err(HeaderError::Header(why)) => why,
        other => panic!("{names}: {other:?}"),
    }
}

fn by_header(mapping: Mapping) -> Pipeline {
    pipeline(Vec::new(), mapping)
}

fn ignoring_extra() -> Mapping {
    Mapping {
        refuse_extra: Some(false),
        ..Mapping::default()
    }
}

#[test]
fn fields_go_to_the_columns_of_their_names() {
    let plain = by_header(Mapping::default());
    assert_eq!(fills(&plain, "name,id"), "name=0 id=1");
    assert_eq!(
        refused(&plain, "id,nope,name,what"),
        "the header names \"nope\", \"what\", which no column of table t takes; its columns are \"id\", \"name\", \"note\", \"seen\", \"total\"; extra_columns = \"ignore\" passes over such fields"
    );
    assert!(refused(&plain, "id,,name,").contains("no name for field 2, 4"));
    assert!(refused(&plain, "name,note").contains("nothing for column \"id\""));
    let lenient = by_header(ignoring_extra());
    assert_eq!(fills(&lenient, "what,id,,name,,what"), "id=1 name=3");
    assert!(refused(&lenient, "a,b").contains("none of the columns of table t"));
}

#[test]
fn a_name_that_comes_twice_is_refused_only_where_a_column_needs_it() {
    let plain = by_header(ignoring_extra());
    assert_eq!(fills(&plain, "x,id,x"), "id=1");
    let why = refused(&plain, "id,name,name");
    assert!(
        why.contains("names \"name\" twice, as fields 2 and 3"),
        "{why}"
    );
    let numbered = from("name", ColumnSource::Number(3));
    let listed = pipeline(vec![column("id", "id"), numbered], Mapping::default());
    assert_eq!(fills(&listed, "id,name,name"), "id=0 name=2");
    assert_eq!(fills(&listed, "id,,"), "id=0 name=2");
    let why = refused(&listed, "id,name");
    assert!(
        why.contains("has 2 fields, and column \"name\" takes field 3"),
        "{why}"
    );
}

#[test]
fn case_is_ignored_where_nothing_is_exactly_so() {
    let ignoring = |columns| {
        let mapping = Mapping {
            ignore_case: true,
            ..Mapping::default()
        };
        pipeline(columns, mapping)
    };
    let plain = ignoring(Vec::new());
    assert_eq!(fills(&plain, "NAME,Id"), "name=0 id=1");
    // Files that differ in case alone have one plan: no barrier between them.
    let plan = |names| build(&plain, &table(), &header(names)).expect("a plan");
    assert_eq!(plan("ID,Name"), plan("id,NAME"));
    let why = refused(&plain, "ID,Id");
    assert!(
        why.contains("twice, as fields 1 and 2 (their case is ignored)"),
        "{why}"
    );
    let listed = ignoring(vec![column("id", "Nr"), column("name", "ÄPFEL")]);
    assert_eq!(fills(&listed, "äpfel,NR"), "id=1 name=0");
    assert_eq!(fills(&listed, "nr,Nr,äpfel"), "id=1 name=2");
    let exact = by_header(Mapping::default());
    assert!(refused(&exact, "ID,name").contains("names \"ID\""));
}

#[test]
fn missing_columns_take_the_default_or_refuse_the_file() {
    let columns = || vec![column("id", "id"), column("name", "name")];
    let refusing = || Mapping {
        refuse_missing: true,
        ..Mapping::default()
    };
    assert_eq!(
        fills(&pipeline(columns(), Mapping::default()), "id,x"),
        "id=0"
    );
    let why = refused(&pipeline(columns(), refusing()), "id,x");
    assert!(why.starts_with("the header has no field \"name\""), "{why}");
    // Of the columns that are not listed, those that have no default of their own.
    let by_header = pipeline(Vec::new(), refusing());
    assert_eq!(fills(&by_header, "id,name,note"), "id=0 name=1 note=2");
    let why = refused(&by_header, "id,name,seen");
    assert!(why.contains("no field for column \"note\""), "{why}");
    let mut required = columns();
    required[1].required = true;
    let why = refused(&pipeline(required, Mapping::default()), "id");
    assert!(why.contains("\"name\", which is required"), "{why}");
    let why = refused(&pipeline(columns(), Mapping::default()), "a,b");
    assert!(why.contains("none of the pipeline's columns"), "{why}");
}

#[test]
fn listed_columns_may_say_only_what_differs() {
    let mut note = column("note", "Remark");
    note.trim = true;
    let loading = |refuse_extra| {
        let mapping = Mapping {
            load_others: true,
            refuse_extra,
            ..Mapping::default()
        };
        pipeline(vec![note.clone()], mapping)
    };
    let pipeline = loading(None);
    assert_eq!(fills(&pipeline, "id,Remark,name"), "note=1 id=0 name=2");
    let plan = build(&pipeline, &table(), &header("id,Remark,name")).expect("a plan");
    assert!(plan.columns[0].trim && !plan.columns[1].trim);
    // The column has its field; another one of the column's own name is one too many.
    let why = refused(&pipeline, "id,Remark,note");
    assert!(why.contains("names \"note\", which no column"), "{why}");
    assert_eq!(
        fills(&loading(Some(false)), "id,Remark,note,x"),
        "note=1 id=0"
    );
    let why = refused(&listed_only(), "id,x");
    assert!(why.contains("names \"x\", which no column"), "{why}");
}

/// A pipeline that takes its columns alone, and refuses everything else.
fn listed_only() -> Pipeline {
    let mapping = Mapping {
        refuse_extra: Some(true),
        ..Mapping::default()
    };
    pipeline(vec![column("id", "id")], mapping)
}

#[test]
fn generated_columns_are_left_to_the_server() {
    let plain = by_header(Mapping::default());
    let error = filled(&plain, "id,total").expect_err("it can't be loaded");
    assert!(matches!(error, HeaderError::Table(_)), "{error}");
    assert_eq!(fills(&by_header(ignoring_extra()), "id,total"), "id=0");
}

#[test]
fn constants_and_the_file_fill_columns_that_no_field_does() {
    let columns = vec![
        from("id", ColumnSource::Constant("7".into())),
        from("note", ColumnSource::FileName),
        column("name", "name"),
    ];
    let listed = pipeline(columns, Mapping::default());
    assert_eq!(fills(&listed, "x,name"), "id note name=1");
    assert!(refused(&listed, "x,y").contains("none of the pipeline's columns"));
    // They are no fields: a key of them needs none, and nothing of a file may be wanted at all.
    let mut keyed = pipeline(vec![from("id", ColumnSource::Record)], Mapping::default());
    keyed.key = vec!["id".into()];
    assert_eq!(fills(&keyed, "x,y"), "id");
}

#[test]
fn filters_may_look_at_fields_that_are_no_column() {
    let with_filter = |field| {
        let filter = Filter {
            field,
            rule: FilterRule::Empty(false),
        };
        by_header(Mapping {
            filters: vec![filter],
            ..Mapping::default()
        })
    };
    let by_name = with_filter(FieldRef::Name("country".into()));
    assert_eq!(fills(&by_name, "id,country"), "id=0");
    let plan = build(&by_name, &table(), &header("id,country")).expect("a plan");
    let layout = plan.layout(&header("country,id")).expect("it has both");
    assert_eq!(layout.filters, [0]);
    let why = refused(&by_name, "id,name");
    assert!(
        why.contains("no field \"country\", which a filter takes"),
        "{why}"
    );
    assert_eq!(fills(&with_filter(FieldRef::Number(2)), "id,"), "id=0");
    let why = refused(&with_filter(FieldRef::Number(3)), "id,name");
    assert!(
        why.contains("has 2 fields, and a filter takes field 3"),
        "{why}"
    );
}

#[test]
fn without_a_header_fields_are_counted_or_numbered() {
    let layout = |columns, filters: Vec<u32>, refuse_extra| {
        let filters = filters.into_iter().map(|number| Filter {
            field: FieldRef::Number(number),
            rule: FilterRule::Empty(false),
        });
        let mut pipeline = pipeline(
            columns,
            Mapping {
                filters: filters.collect(),
                refuse_extra,
                ..Mapping::default()
            },
        );
        pipeline.dialect.header = false;
        let plan = build(&pipeline, &table(), &[]).expect("a plan");
        plan.layout(&[]).expect("it needs no names")
    };
    let counted = || {
        let line = from("seen", ColumnSource::Line);
        vec![column("id", "id"), line, column("name", "name")]
    };
    let expected = |width, more, columns: [Option<usize>; 3], filters: &[usize]| Layout {
        marker: None,
        width,
        more,
        columns: columns.to_vec(),
        filters: filters.to_vec(),
    };
    let in_order = [Some(0), None, Some(1)];
    assert_eq!(
        layout(counted(), vec![], None),
        expected(2, false, in_order, &[])
    );
    assert_eq!(
        layout(counted(), vec![3], Some(false)),
        expected(3, true, in_order, &[2])
    );
    let mut numbered = counted();
    numbered[0].source = ColumnSource::Number(4);
    numbered[2].source = ColumnSource::Number(1);
    let by_number = [Some(3), None, Some(0)];
    assert_eq!(
        layout(numbered, vec![2], None),
        expected(4, false, by_number, &[1])
    );
}

#[test]
fn an_empty_file_has_a_plan_whatever_is_wanted_of_its_header() {
    let mapping = Mapping {
        refuse_extra: Some(true),
        refuse_missing: true,
        filters: vec![Filter {
            field: FieldRef::Number(9),
            rule: FilterRule::Empty(true),
        }],
        ..Mapping::default()
    };
    let numbered = from("name", ColumnSource::Number(5));
    for columns in [vec![], vec![column("id", "x"), numbered]] {
        let pipeline = pipeline(columns, mapping.clone());
        let plan = build(&pipeline, &table(), &[]).expect("a plan");
        plan.layout(&[]).expect("a layout");
        assert!(!plan.columns.is_empty());
    }
}

/// The plans of files that an earlier version has begun with.
#[test]
fn a_stored_plan_without_the_new_fields_means_what_it_meant() {
    let plan = build(&listed_only(), &table(), &header("id")).expect("a plan");
    let mut stored = serde_json::to_value(&plan).expect("JSON");
    let object = stored.as_object_mut().expect("an object");
    assert!(object.remove("fields").is_some() && object.remove("filters").is_some());
    let column = &mut object["columns"][0];
    let source = column.as_object_mut().expect("an object").remove("source");
    assert!(source.is_some());
    let read: LoadPlan = serde_json::from_value(stored).expect("it can be read");
    assert_eq!(read, plan);
}

#[test]
fn a_stored_plan_without_a_header_takes_fields_in_the_order_of_its_columns() {
    let mut plan = build(&listed_only(), &table(), &header("id")).expect("a plan");
    plan.dialect.header = false;
    plan.fields = Fields::default();
    plan.columns.push(plan.columns[0].clone());
    let layout = plan.layout(&[]).expect("a layout");
    assert_eq!((layout.width, layout.more), (2, false));
    assert_eq!(layout.columns, [Some(0), Some(1)]);
}
