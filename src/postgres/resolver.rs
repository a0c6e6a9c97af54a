//! Asks the server what it makes of values that the fast decoder does not recognise.

use std::error::Error as StdError;

use bytes::Bytes;
use ingestd_actors::error::Result;
use ingestd_actors::port::PortFuture;
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, Type};

use super::error::classify_ledger;
use super::{Database, classify, time_zone};

/// Values of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The type's name, as the catalog writes it.
    pub type_name: String,
    /// The time zone in which they are read, where it is not UTC.
    pub time_zone: Option<String>,
    /// The texts.
    pub texts: Vec<String>,
}

/// What the server makes of each text, in the order asked.
pub type Answer = Vec<Result<Bytes, Refusal>>;

/// The server takes a text for no value of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The server's words, which may hold the value.
    pub message: String,
}

/// Encodes values by asking the server.
#[derive(Clone)]
pub struct Resolver {
    pub(super) database: Database,
}

impl Resolver {
    /// A resolver on a database whose ledger is there.
    pub fn new(database: Database) -> Resolver {
        Resolver { database }
    }

    /// The binary form of each text, or why it has none; one answer for each question, in order.
    ///
    /// A type's name goes into the statement as it is: it must be the catalog's (`format_type`).
    pub fn resolve(&self, questions: Vec<Question>) -> PortFuture<Vec<Answer>> {
        let database = self.database.clone();
        self.database.run(async move {
            let mut client = database.client().await?;
            let mut answers = Vec::with_capacity(questions.len());
            for question in &questions {
                answers.push(match &question.time_zone {
                    None => answer(&client, question).await?,
                    Some(zone) => {
                        let session = time_zone::begin_in(&mut client, zone).await?;
                        answer(session.client(), question).await?
                    }
                });
            }
            Ok(answers)
        })
    }
}

async fn answer(client: &Client, question: &Question) -> Result<Answer> {
    let Question {
        type_name, texts, ..
    } = question;
    let mut answer: Vec<Option<Result<Bytes, Refusal>>> = texts
        .iter()
        .map(|text| text.contains('\0').then(|| Err(nul_byte())))
        .collect();
    let open = |answer: &[Option<_>]| {
        let open = answer.iter().enumerate();
        let open = open.filter_map(|(index, known)| known.is_none().then_some(index));
        open.collect::<Vec<usize>>()
    };

    let asked = open(&answer);
    match cast(client, type_name, &pick(texts, &asked)).await {
        Ok(values) => fill(&mut answer, &asked, values),
        Err(error) if may_be_a_value(&error) => {
            if question.time_zone.is_some() {
                time_zone::go_on(client).await?;
            }
            let errors = input_errors(client, type_name, &pick(texts, &asked)).await?;
            for (&index, error) in asked.iter().zip(errors) {
                answer[index] = error.map(Err);
            }
            let good = open(&answer);
            let values = cast(client, type_name, &pick(texts, &good))
                .await
                .map_err(|error| classify(error, &doing(type_name)))?;
            fill(&mut answer, &good, values);
        }
        Err(error) => return Err(classify(error, &doing(type_name))),
    }
    Ok(answer.into_iter().flatten().collect())
}

fn doing(type_name: &str) -> String {
    format!("encoding values of type {type_name}")
}

fn pick<'a>(texts: &'a [String], indices: &[usize]) -> Vec<&'a str> {
    indices.iter().map(|&index| texts[index].as_str()).collect()
}

fn fill(
    answer: &mut [Option<Result<Bytes, Refusal>>],
    indices: &[usize],
    values: Vec<Option<Bytes>>,
) {
    for (&index, value) in indices.iter().zip(values) {
        answer[index] = Some(value.ok_or_else(|| Refusal {
            sqlstate: "22004".to_owned(),
            message: "the type's input makes NULL of it".to_owned(),
        }));
    }
}

fn nul_byte() -> Refusal {
    Refusal {
        sqlstate: "22021".to_owned(),
        message: "a NUL byte, which no text of PostgreSQL can hold".to_owned(),
    }
}

/// Casts all of them at once; one that is no value refuses all.
async fn cast(
    client: &Client,
    type_name: &str,
    texts: &[&str],
) -> Result<Vec<Option<Bytes>>, tokio_postgres::Error> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select v::{type_name} from unnest($1::text[]) with ordinality u (v, n) order by n"
    );
    let rows = client
        .query_typed(&sql, &[(&texts, Type::TEXT_ARRAY)])
        .await?;
    let binary =
        |row: &tokio_postgres::Row| row.try_get(0).map(|raw: Option<Raw>| raw.map(|r| r.0));
    rows.iter().map(binary).collect()
}

/// Whether an error of the cast may be one value's: input functions report by these classes, and
/// some (`tsquery`, `jsonpath`, PostGIS) by a syntax error or an internal one.
fn may_be_a_value(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    let code = code.code();
    matches!(&code[..2], "22" | "23" | "54") || matches!(code, "42601" | "XX000" | "P0001")
}

/// Why the server refuses each; `None` for those that it takes.
async fn input_errors(
    client: &Client,
    type_name: &str,
    texts: &[&str],
) -> Result<Vec<Option<Refusal>>> {
    let rows = client
        .query_typed(
            "select e.code, e.message
             from unnest($1::text[]) with ordinality u (v, n),
                  lateral ingestd.input_error(u.v, $2) e order by n",
            &[(&texts, Type::TEXT_ARRAY), (&type_name, Type::TEXT)],
        )
        .await
        .map_err(|error| classify_ledger(error, &doing(type_name)))?;
    let refusal = |row: &tokio_postgres::Row| {
        row.get::<_, Option<String>>(0).map(|sqlstate| Refusal {
            sqlstate,
            message: row.get::<_, Option<String>>(1).unwrap_or_default(),
        })
    };
    Ok(rows.iter().map(refusal).collect())
}

/// The bytes of a value of any type, as the server sends them.
struct Raw(Bytes);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Bytes::copy_from_slice(raw)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
