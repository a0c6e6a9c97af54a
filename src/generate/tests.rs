//! The generator as a whole: what it writes, read back by a decoder that it knows nothing of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::UNIX_EPOCH;

use super::*;

/// Some of everything.
fn mixed() -> Spec {
    Spec {
        rows: 20_000,
        rows_per_file: 700,
        malformed: "2%".parse().unwrap(),
        duplicates: "3%".parse().unwrap(),
        ..Spec::new(42)
    }
}

fn generator(spec: Spec) -> Generator {
    Generator::new(spec).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let spec = Spec {
        rows: 100,
        malformed: "10%".parse().unwrap(),
        duplicates: "10%".parse().unwrap(),
        ..Spec::new(42)
    };
    let generator = generator(spec);
    let mut hash = blake3::Hasher::new();
    for file in 1..=generator.files() {
        hash.update(generator.file_name(file).as_bytes());
        hash.update(&generator.file(file));
    }
    hash.update(&generator.catalogue());
    // Whoever changes this breaks the continuation of what earlier versions have begun.
    assert_eq!(
        hash.finalize().to_hex().as_str(),
        "fbacf7b50a8a877e5b3759331286894af760e463c2a2632bf12082bb25eac2e7"
    );
}

#[test]
fn another_seed_gives_other_bytes_and_names() {
    let one = generator(Spec::new(1));
    let two = generator(Spec::new(2));
    assert_ne!(one.file(1), two.file(1));
    assert_ne!(one.file_name(1), two.file_name(1));
}

#[test]
fn a_file_depends_on_no_other_and_not_on_the_number_of_rows() {
    let forwards = generator(mixed());
    let contents: Vec<Vec<u8>> = (1..=forwards.files()).map(|n| forwards.file(n)).collect();
    let longer = generator(Spec {
        rows: 200_000,
        ..mixed()
    });
    for file in (1..forwards.files()).rev() {
        assert_eq!(longer.file(file), contents[file as usize - 1]);
        assert_eq!(longer.file_name(file), forwards.file_name(file));
    }
}

#[test]
fn names_sort_in_the_order_of_the_files() {
    let generator = generator(Spec {
        rows: 3_000_000,
        rows_per_file: 1,
        ..Spec::new(5)
    });
    let files = [1, 2, 9, 10, 99_999, 100_000, 999_999, 1_000_000, 2_999_999];
    let names = files.map(|file| generator.file_name(file));
    assert!(names.is_sorted(), "{names:?}");
    assert!(
        names[0].starts_with("events-20250101T000000Z-"),
        "{names:?}"
    );
    assert!(names[0].ends_with("-000001.csv"), "{names:?}");
}

#[test]
fn malformed_rows_and_duplicates_have_their_shares() {
    let generator = generator(mixed());
    let mut faults: HashMap<Fault, u64> = HashMap::new();
    let mut duplicates = 0;
    for row in 0..generator.spec().rows {
        match generator.kind(row) {
            RowKind::Original => {}
            RowKind::Duplicate { original } => {
                assert!(original < row);
                assert_eq!(generator.kind(original), RowKind::Original);
                duplicates += 1;
            }
            RowKind::Malformed(fault) => *faults.entry(fault).or_default() += 1,
        }
    }
    let malformed: u64 = faults.values().sum();
    assert_eq!(malformed, generator.malformed_rows());
    assert_eq!(duplicates, generator.duplicate_rows());
    assert!(malformed.abs_diff(400) <= 1, "{malformed}");
    assert!(duplicates.abs_diff(600) <= 2, "{duplicates}");
    for fault in Fault::ALL {
        assert!(faults[&fault].abs_diff(400 / 9) <= 1, "{faults:?}");
    }
}

#[test]
fn the_extremes_work_too() {
    for (malformed, duplicates) in [("100%", "0%"), ("0%", "100%"), ("50%", "50%")] {
        let generator = generator(Spec {
            rows: 500,
            malformed: malformed.parse().unwrap(),
            duplicates: duplicates.parse().unwrap(),
            ..Spec::new(9)
        });
        let rows = generator.expected_rows().count() as u64;
        let ids = generator.expected_table().count() as u64;
        assert_eq!(rows + generator.malformed_rows(), 500);
        assert_eq!(ids + generator.duplicate_rows(), rows);
        assert!(generator.duplicate_rows() > 0 || duplicates == "0%");
    }
    let nothing = generator(Spec { rows: 0, ..mixed() });
    assert_eq!(nothing.files(), 0);
    assert_eq!(nothing.expected_table().count(), 0);
}

#[test]
fn event_types_come_by_their_weights() {
    let weights: Weights = "view=30,add_to_cart=10,purchase=60".parse().unwrap();
    let generator = generator(Spec {
        rows: 20_000,
        weights: weights.clone(),
        ..Spec::new(11)
    });
    let mut counts: HashMap<EventType, f64> = HashMap::new();
    for event in generator.expected_rows() {
        *counts.entry(event.event_type).or_default() += 1.0;
    }
    assert_eq!(counts.len(), 3, "{counts:?}");
    let chi_square: f64 = counts
        .iter()
        .map(|(event_type, count)| {
            let expected = f64::from(weights.of(*event_type)) / 100.0 * 20_000.0;
            (count - expected).powi(2) / expected
        })
        .sum();
    // Two degrees of freedom: above 14 once in a thousand seeds.
    assert!(chi_square < 14.0, "{chi_square}: {counts:?}");
}

#[test]
fn users_products_and_times_are_as_ordered() {
    let generator = generator(Spec {
        rows: 5_000,
        users: 10,
        products: 3,
        ..Spec::new(1)
    });
    let events: Vec<Event> = generator.expected_rows().collect();
    let users: HashSet<u64> = events.iter().map(|event| event.user).collect();
    let products: HashSet<u64> = events.iter().map(|event| event.product).collect();
    assert_eq!(users, (1..=10).collect());
    assert_eq!(products, (1..=3).collect());
    assert!(events.is_sorted_by(|earlier, later| earlier.time < later.time));
    let ids: HashSet<u128> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn the_files_hold_what_is_expected_of_them() {
    let generator = generator(mixed());
    let mut row = 0;
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let mut categories: HashSet<String> = HashSet::new();
    for file in 1..=generator.files() {
        let content = generator.file(file);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(content.as_slice());
        assert_eq!(
            reader
                .headers()
                .unwrap()
                .iter()
                .collect::<Vec<_>>()
                .join(","),
            HEADER
        );
        for (index, record) in reader.byte_records().enumerate() {
            match (generator.expected(row), judge(&record.unwrap())) {
                (Expected::Row(event), Ok(fields)) => {
                    let literals = event.literals().map(Option::unwrap_or_default);
                    assert_eq!(fields, literals, "row {row}");
                    categories.extend(event.category.map(str::to_owned));
                    *seen.entry("row").or_default() += 1;
                }
                (Expected::DeadLetter(dead_letter), Err(reason)) => {
                    assert_eq!(dead_letter.reason.code(), reason, "row {row}");
                    assert_eq!(dead_letter.file, file);
                    assert_eq!(dead_letter.record, index as u64 + 1);
                    *seen.entry(reason).or_default() += 1;
                }
                (expected, found) => panic!("row {row}: {expected:?}, but {found:?}"),
            }
            row += 1;
        }
    }
    assert_eq!(row, generator.spec().rows);
    let kinds: Vec<&str> = seen.keys().copied().collect();
    assert_eq!(
        kinds,
        [
            "field_count",
            "invalid_encoding",
            "invalid_value",
            "not_allowed",
            "nul_byte",
            "out_of_range",
            "row"
        ]
    );
    for special in [',', '"', '\n', '\\', 'ö', '電'] {
        assert!(
            categories.iter().any(|name| name.contains(special)),
            "{special:?}"
        );
    }
}

/// The fields of a record as the pipeline must load them, or the reason why it must not.
fn judge(record: &csv::ByteRecord) -> Result<[String; 9], &'static str> {
    if record.len() != 9 {
        return Err("field_count");
    }
    if record.iter().any(|field| field.contains(&0)) {
        return Err("nul_byte");
    }
    let record = csv::StringRecord::from_byte_record(record.clone());
    let record = record.map_err(|_| "invalid_encoding")?;
    let mut fields: [String; 9] = std::array::from_fn(|index| record[index].to_owned());

    let id: uuid::Uuid = fields[0].parse().map_err(|_| "invalid_value")?;
    fields[0] = id.to_string();
    let time = fields[1].replace("+00:00", "Z");
    let time = humantime::parse_rfc3339_weak(&time).map_err(|_| "invalid_value")?;
    let micros = time.duration_since(UNIX_EPOCH).unwrap().as_micros() % 1_000_000;
    let seconds = humantime::format_rfc3339_seconds(time).to_string();
    let seconds = seconds.replace('T', " ").replace('Z', "");
    fields[1] = format!("{seconds}.{micros:06}+00");
    fields[2] = fields[2].trim().to_lowercase();
    if !EventType::ALL.iter().any(|known| known.name() == fields[2]) {
        return Err("not_allowed");
    }
    let price: f64 = fields[7].parse().map_err(|_| "invalid_value")?;
    let quantity: i32 = fields[8].parse().map_err(|_| "invalid_value")?;
    if price < 0.0 || quantity < 1 {
        return Err("out_of_range");
    }
    Ok(fields)
}

#[test]
fn the_spellings_vary() {
    let content = generator(mixed()).file(1);
    let text = String::from_utf8_lossy(&content);
    for spelling in [
        "VIEW",
        ",View",
        ", view  ,",
        "Z,",
        "+00:00,",
        ",,",
        ",\"\",",
    ] {
        assert!(text.contains(spelling), "{spelling:?}");
    }
}

#[test]
fn the_table_holds_the_last_row_of_each_id() {
    let generator = generator(mixed());
    let mut table: HashMap<u128, Event> = HashMap::new();
    for event in generator.expected_rows() {
        table.insert(event.id, event);
    }
    let expected: Vec<Event> = generator.expected_table().collect();
    assert_eq!(expected.len(), table.len());
    assert!(expected.len() < generator.expected_rows().count());
    for event in expected {
        assert_eq!(table.remove(&event.id), Some(event));
    }
}

#[test]
fn the_answer_can_be_written_for_copy() {
    let generator = generator(mixed());
    let written = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<u64>| {
        let mut out = Vec::new();
        let count = write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count() as u64, count);
        text
    };
    let rows = written(&|out| generator.write_expected_rows(out));
    for (line, event) in rows.lines().zip(generator.expected_rows()) {
        let unescaped: Vec<Option<String>> = line
            .split('\t')
            .map(|field| (field != "\\N").then(|| unescape(field)))
            .collect();
        assert_eq!(unescaped, event.literals());
    }
    let table = written(&|out| generator.write_expected_table(out));
    assert_eq!(table.lines().count(), generator.expected_table().count());

    let dead_letters = written(&|out| generator.write_expected_dead_letters(out));
    let all = (0..generator.spec().rows).filter_map(|row| match generator.expected(row) {
        Expected::DeadLetter(dead_letter) => Some(dead_letter),
        Expected::Row(_) => None,
    });
    let lines: Vec<String> = all
        .map(
            |ExpectedDeadLetter {
                 file,
                 record,
                 reason,
             }| {
                let name = generator.file_name(file);
                format!("{file}\t{name}\t{record}\t{}", reason.code())
            },
        )
        .collect();
    assert_eq!(dead_letters.lines().collect::<Vec<_>>(), lines);
    assert_eq!(
        lines.len() + rows.lines().count(),
        generator.spec().rows as usize
    );
}

fn unescape(field: &str) -> String {
    let mut out = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            },
            other => other,
        });
    }
    out
}

#[test]
fn the_catalogue_lists_every_product_once() {
    let generator = generator(Spec::new(3));
    let catalogue = generator.catalogue();
    let mut reader = csv::Reader::from_reader(catalogue.as_slice());
    assert_eq!(
        reader.headers().unwrap(),
        vec!["product_id", "name", "category", "price"]
    );
    let ids: HashSet<String> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            assert!(record[3].parse::<f64>().unwrap() > 0.0);
            record[0].to_owned()
        })
        .collect();
    assert_eq!(ids.len(), 25);
    for event in generator.expected_rows() {
        let id = event.literals()[4].clone().unwrap();
        assert!(ids.contains(&id), "{id}");
    }
}
