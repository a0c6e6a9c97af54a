//! Every text means to us what the server takes it for: our decoder beside the types' own input
//! functions.
//!
//! `INGESTD_TYPES` is how many texts of each type are tried, `INGESTD_TYPES_SEED` the first seed,
//! `INGESTD_TYPES_ONLY` a type.

mod server;
mod texts;

use std::collections::BTreeMap;
use std::env;

use ingestd_actors::model::Position;

use super::fixture::Fixture;
use crate::plan::catalog::Table;
use crate::plan::{LoadPlan, TableName, build};
use crate::postgres::catalog::read_table;
use crate::postgres::resolver::Resolver;
use crate::settings::Pipeline;
use crate::source::Decoder;
use texts::{LABELS, Shape, Texts};

/// How many texts of a type a test run tries.
const COUNT: usize = 200;

/// How many are tried at once.
const BATCH: usize = 10_000;

/// A type, as a column has it, and what its texts look like.
struct Kind {
    column_type: &'static str,
    shape: Shape,
    /// Whether the server refuses more of it only as the rows are copied: by a domain's constraint,
    /// or by a length.
    checked_late: bool,
}

const fn kind(column_type: &'static str, shape: Shape) -> Kind {
    Kind {
        column_type,
        shape,
        checked_late: false,
    }
}

const fn late(column_type: &'static str, shape: Shape) -> Kind {
    Kind {
        column_type,
        shape,
        checked_late: true,
    }
}

const KINDS: [Kind; 35] = [
    kind("int2", Shape::Integer),
    kind("int4", Shape::Integer),
    kind("int8", Shape::Integer),
    kind("float4", Shape::Float),
    kind("float8", Shape::Float),
    kind("numeric", Shape::Numeric),
    late("numeric(12,3)", Shape::Numeric),
    kind("bool", Shape::Boolean),
    kind("text", Shape::Text),
    kind("varchar", Shape::Text),
    late("varchar(3)", Shape::Text),
    kind("bpchar", Shape::Text),
    late("char(3)", Shape::Text),
    kind("uuid", Shape::Uuid),
    kind("date", Shape::Date),
    kind("time", Shape::Time),
    kind("time(2)", Shape::Time),
    kind("timestamp", Shape::Timestamp),
    kind("timestamp(3)", Shape::Timestamp),
    kind("timestamptz", Shape::Timestamp),
    kind("timestamptz(0)", Shape::Timestamp),
    kind("json", Shape::Json),
    kind("jsonb", Shape::Json),
    kind("bytea", Shape::Bytea),
    kind("mood", Shape::Label),
    late("positive", Shape::Integer),
    late("short", Shape::Text),
    late("good_mood", Shape::Label),
    late("small_positive", Shape::Integer),
    late("pair_document", Shape::Json),
    kind("inet", Shape::Network),
    kind("interval", Shape::Interval),
    kind("int4[]", Shape::Array),
    late("bit(3)", Shape::Integer),
    kind("name", Shape::Text),
];

fn types() -> String {
    let labels = LABELS.map(|label| format!("'{label}'")).join(", ");
    format!(
        "create type mood as enum ({labels});
         create domain positive as int4 check (value > 0);
         create domain small_positive as positive check (value < 1000);
         create domain short as varchar(3) check (value <> 'a');
         create domain good_mood as mood check (value <> 'sad');
         create domain pair_document as jsonb check (jsonb_typeof(value) = 'object')"
    )
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_means_what_the_server_takes_it_for() {
    let number = |name, default| setting(name).map_or(default, |text| text.parse().expect(name));
    let count = number("INGESTD_TYPES", COUNT as u64) as usize;
    let seed = number("INGESTD_TYPES_SEED", rand::random::<u64>() >> 1);
    let only = setting("INGESTD_TYPES_ONLY");
    println!("INGESTD_TYPES_SEED={seed}");
    let fixture = Fixture::new(&types()).await;
    let resolver = Resolver::new(fixture.database.clone());
    for kind in &KINDS {
        if only.as_ref().is_some_and(|only| only != kind.column_type) {
            continue;
        }
        let plan = server::prepare(&fixture, kind).await;
        let mut texts = Texts::new(seed);
        let mut tried = Tried::default();
        while tried.texts < count {
            let batch = BATCH.min(count - tried.texts);
            let batch: Vec<String> = (0..batch).map(|_| texts.text(kind.shape)).collect();
            tried += compare(&fixture, &resolver, kind, &plan, &batch).await;
        }
        println!("{:16} {tried:?}", kind.column_type);
    }
}

/// What has been compared.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    texts: usize,
    /// Of those, values.
    values: usize,
    /// Texts that the server was asked for.
    asked: usize,
    /// Rows that it refused as they were copied.
    refused_late: usize,
}

impl std::ops::AddAssign for Tried {
    fn add_assign(&mut self, other: Tried) {
        self.texts += other.texts;
        self.values += other.values;
        self.asked += other.asked;
        self.refused_late += other.refused_late;
    }
}

async fn plan_of(fixture: &Fixture, table: &str) -> LoadPlan {
    let name = TableName {
        schema: None,
        name: table.to_owned(),
    };
    let table: Option<Table> = read_table(&fixture.client, &name).await.expect("read");
    let mut pipeline = Pipeline::ad_hoc(name, Vec::new());
    pipeline.partitions = 1;
    let header = ["n".to_owned(), "v".to_owned()];
    build(&pipeline, &table.expect("a table"), &header).expect("a plan")
}

/// Texts through our decoder and through the server's input function.
async fn compare(
    fixture: &Fixture,
    resolver: &Resolver,
    kind: &Kind,
    plan: &LoadPlan,
    texts: &[String],
) -> Tried {
    let mut file = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        file.extend_from_slice(format!("{number},\"{}\"\n", text.replace('"', "\"\"")).as_bytes());
    }
    let header = ["n".to_owned(), "v".to_owned()];
    let mut decoder = Decoder::new(plan, &header).expect("a decoder");
    let mut decoded = decoder.decode(&file, Position::START, true);
    assert_eq!(decoded.to.record as usize, texts.len());
    let asked = decoded.pending.len();
    let questions = decoded.pending.questions().to_vec();
    let answers = resolver.resolve(questions).await.expect("answers");
    decoder.complete(&mut decoded, &answers).expect("complete");

    let mut ours = BTreeMap::new();
    for (_, rows) in &decoded.partitions {
        for row in &rows.index {
            ours.insert(row.record, rows.data_of(row));
        }
    }
    let refused: Vec<(i32, String)> = decoded
        .rejects
        .iter()
        .map(|letter| {
            let sqlstate = letter.sqlstate.clone();
            (
                letter.record as i32,
                sqlstate.expect("only the server refuses"),
            )
        })
        .collect();
    assert_eq!(ours.len() + refused.len(), texts.len());

    let rows: Vec<&[u8]> = ours.values().copied().collect();
    let refused_late = server::copy(fixture, &rows).await;
    let late: Vec<&str> = refused_late
        .iter()
        .map(|number| texts[*number as usize].as_str())
        .collect();
    assert!(
        kind.checked_late || late.is_empty(),
        "{}: the server makes no rows of {late:?}",
        kind.column_type
    );
    let differences = server::differences(fixture, texts, &refused).await;
    assert!(
        differences.is_empty(),
        "{}: {} texts mean something else to the server:\n{}",
        kind.column_type,
        differences.len(),
        differences[..differences.len().min(20)].join("\n")
    );
    Tried {
        texts: texts.len(),
        values: rows.len() - refused_late.len(),
        asked,
        refused_late: refused_late.len(),
    }
}
