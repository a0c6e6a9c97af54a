//! What the rules of columns make of fields, from the file to the table.

use postgres::Client;

use crate::support::database;
use crate::support::home::Home;

/// The rows of a query as the server writes them, `|` between columns.
fn rows(client: &mut Client, query: &str) -> Vec<String> {
    let messages = client.simple_query(query).expect("rows");
    let rows = messages.iter().filter_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        let cells = (0..row.len()).map(|index| row.get(index).unwrap_or("NULL"));
        cells.collect::<Vec<_>>().join("|")
    })
    .collect()
}

/// Record, column and reason of each dead letter.
const LETTERS: &str =
    "select record, column_name, reason from ingestd.dead_letters order by record";

#[test]
fn fields_are_checked_and_read_by_the_rules_of_their_columns() {
    let database = database();
    let mut client = database.client();
    client
        .batch_execute(
            "create table sales (id int primary key, sku text, name varchar(20),
                 amount numeric(10,2), count int, day date, sold_at timestamptz,
                 seen_at timestamptz, local_at timestamp, price double precision)",
        )
        .expect("a table");
    let pipeline = r#"
        [pipelines.sales]
        directory = "inbox"
        delimiter = ";"
        table = "sales"
        key = ["id"]
        columns = [
            { name = "id", minimum = 1 },
            { name = "sku", trim = true, case = "upper", pattern = "[A-Z]{2}-[0-9]+" },
            { name = "name", max_length = 5 },
            { name = "amount", thousands = ".", decimal = ",", maximum = "9999.99" },
            { name = "count", thousands = ".", decimal = "," },
            { name = "day", format = "%d.%m.%Y", minimum = "2000-01-01" },
            { name = "sold_at", format = "%d/%m/%y %H:%M", time_zone = "Europe/Berlin" },
            { name = "seen_at", time_zone = "America/New_York", minimum = "1900-01-01 00:00Z" },
            { name = "local_at", epoch = "milliseconds" },
            { name = "price", decimal = "," },
        ]
    "#;
    let home = Home::new(Some(&database.url), "", pipeline);
    let good = [
        "1; ab-1 ;größe;1.234,5;12.345;29.02.2024;31/03/24 02:30;2024-11-03 01:30;1709164800123;1,5e2",
        "2;AB-22;;;;;;;;",
        "3;\"AB-3\";\"\";-0,5;-7;01.01.2000;27/10/24 02:30;2024-03-10 02:30:00.25;-1;NaN",
        // What the fast decoder does not know is asked in the column's zone.
        "4;AB-4;x;1e3;1;1.1.2000;01/07/69 12:00;Jul 4 1955 12:00;0;1",
        "5;AB-5;x;1;1;01.01.2000;01/07/24 12:00;2024-07-04 12:00+02;0;1",
    ];
    let bad = [
        (
            "0;AB-1;x;1;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "id|out_of_range",
        ),
        (
            "7;AB1;x;1;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "sku|pattern_mismatch",
        ),
        (
            "8;AB-1;größer;1;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "name|too_long",
        ),
        (
            "9;AB-1;x;1234.5;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "amount|wrong_format",
        ),
        (
            "10;AB-1;x;10.000,00;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "amount|out_of_range",
        ),
        (
            "11;AB-1;x;1;1,5;01.01.2000;01/07/24 12:00;2024-07-04;0;1",
            "count|invalid_value",
        ),
        (
            "12;AB-1;x;1;1;2000-01-01;01/07/24 12:00;2024-07-04;0;1",
            "day|wrong_format",
        ),
        (
            "13;AB-1;x;1;1;31.12.1999;01/07/24 12:00;2024-07-04;0;1",
            "day|out_of_range",
        ),
        (
            "14;AB-1;x;1;1;01.01.2000;01/07/24 24:00;2024-07-04;0;1",
            "sold_at|wrong_format",
        ),
        (
            "15;AB-1;x;1;1;01.01.2000;01/07/24 12:00;2024-13-04;0;1",
            "seen_at|invalid_value",
        ),
        (
            "16;AB-1;x;1;1;01.01.2000;01/07/24 12:00;Jul 4 1855;0;1",
            "seen_at|out_of_range",
        ),
        (
            "17;AB-1;x;1;1;01.01.2000;01/07/24 12:00;2024-07-04;1.5;1",
            "local_at|wrong_format",
        ),
        (
            "18;AB-1;x;1;1;01.01.2000;01/07/24 12:00;2024-07-04;0;1.5",
            "price|wrong_format",
        ),
    ];
    let mut file = "id;sku;name;amount;count;day;sold_at;seen_at;local_at;price\n".to_owned();
    for line in good.iter().chain(bad.iter().map(|(line, _)| line)) {
        file.push_str(line);
        file.push('\n');
    }
    let path = home.directory("inbox").join("sales.csv");
    std::fs::write(&path, file).expect("a file");
    let output = home.ask(&["load", path.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");

    let expected: Vec<String> = bad
        .iter()
        .enumerate()
        .map(|(index, (_, letter))| format!("{}|{letter}", good.len() + index + 1))
        .collect();
    assert_eq!(rows(&mut client, LETTERS), expected);
    client
        .batch_execute("set timezone = 'UTC'; set datestyle = 'ISO, YMD'")
        .expect("set");
    assert_eq!(
        rows(&mut client, "select * from sales order by id"),
        [
            "1|AB-1|größe|1234.50|12345|2024-02-29|2024-03-31 01:30:00+00|2024-11-03 06:30:00+00|2024-02-29 00:00:00.123|150",
            "2|AB-22|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
            "3|AB-3||-0.50|-7|2000-01-01|2024-10-27 01:30:00+00|2024-03-10 07:30:00.25+00|1969-12-31 23:59:59.999|NaN",
            "4|AB-4|x|1000.00|1|2000-01-01|1969-07-01 11:00:00+00|1955-07-04 16:00:00+00|1970-01-01 00:00:00|1",
            "5|AB-5|x|1.00|1|2000-01-01|2024-07-01 10:00:00+00|2024-07-04 10:00:00+00|1970-01-01 00:00:00|1",
        ]
    );
    // The server agrees: the same texts in sessions of these zones.
    let same = "select bool_and(same) from (
            select set_config('timezone', 'America/New_York', false),
                (select seen_at from sales where id = 1) = '2024-11-03 01:30'::text::timestamptz
                and (select seen_at from sales where id = 3) = '2024-03-10 02:30:00.25'::text::timestamptz
                and (select seen_at from sales where id = 4) = 'Jul 4 1955 12:00'::text::timestamptz same
        ) s";
    assert_eq!(rows(&mut client, same), ["t"]);
    // No message holds a value.
    let telling = "select count(*) from ingestd.dead_letters
                   where reason <> 'invalid_value' and message ~ 'AB1|größer|1234\\.5|1999|\\m1\\.5'";
    assert_eq!(rows(&mut client, telling), ["0"]);
    let messages = rows(
        &mut client,
        "select message from ingestd.dead_letters where reason = 'wrong_format' order by record",
    );
    assert_eq!(
        messages,
        [
            "column \"amount\" must be written as a number such as 1.234.567,5",
            "column \"day\" must be written as \"%d.%m.%Y\", such as 31.12.2024",
            "column \"sold_at\" must be written as \"%d/%m/%y %H:%M\", such as 31/12/24 18:30",
            "column \"local_at\" must be a whole number of milliseconds since 1970, such as 1735669805500",
            "column \"price\" must be written as a number such as 1234567,5",
        ]
    );
}

#[test]
fn a_rule_that_does_not_fit_the_tables_type_is_a_fault_of_the_configuration() {
    let database = database();
    let mut client = database.client();
    client
        .batch_execute("create table sales (id int, price text, at interval)")
        .expect("a table");
    for (rule, said) in [
        (
            "{ name = \"price\", decimal = \",\" }",
            "its decimal is for columns of numbers",
        ),
        (
            "{ name = \"at\", format = \"%F\" }",
            "date, timestamp or timestamptz",
        ),
        ("{ name = \"at\", minimum = \"1 h\" }", "CHECK constraint"),
        ("{ name = \"id\", minimum = \"one\" }", "plain notation"),
    ] {
        let pipeline = format!(
            "[pipelines.sales]\ndirectory = \"inbox\"\ntable = \"sales\"\ncolumns = [{rule}]\n"
        );
        let home = Home::new(Some(&database.url), "", &pipeline);
        let path = home.directory("inbox").join("sales.csv");
        std::fs::write(&path, "id,price,at\n1,2,3\n").expect("a file");
        let output = home.ask(&["load", path.to_str().expect("a path")]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{rule}: {text}");
        assert!(text.contains(said), "{rule}: {text}");
    }
}
