//! Asks the server what it makes of values that the fast decoder does not recognise.
//!
//! All texts of a question go as one array, written as a literal and of no type of its own: the
//! server gives each of them to its type's input function, as COPY would. (A cast from `text` may be
//! another function.) The values come back as one array in the binary format.
//!
//! What is read in a time zone is asked in a transaction of its own, in which that zone is set.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, BytesMut};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::port::PortFuture;
use memchr::memchr2;
use tokio_postgres::Client;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::error::classify_ledger;
use super::{Database, classify, time_zone};
use crate::row::{Answers, Question, Refusal};

/// Where some of many texts are refused, they are looked for in so many parts at once.
const PARTS: usize = 8;

/// Of so few texts, each is looked at by itself.
const FEW: usize = 8;

/// Encodes values by asking the server.
#[derive(Clone)]
pub struct Resolver {
    pub(super) database: Database,
    /// How to ask for values of a type, by its name.
    forms: Arc<Mutex<HashMap<String, Form>>>,
}

/// How to ask for values of a type.
#[derive(Clone, Debug)]
struct Form {
    /// Takes an array's literal, and gives an array in the binary format.
    sql: String,
    /// What stands between the elements of the literal.
    delimiter: char,
}

impl Resolver {
    /// A resolver on a database whose ledger is there.
    pub fn new(database: Database) -> Resolver {
        Resolver {
            database,
            forms: Arc::default(),
        }
    }

    /// The binary form of each text, or why it has none; one list for each question, in order.
    ///
    /// A type's name goes into the statement as it is: it must be the catalog's (`format_type`).
    pub fn resolve(&self, questions: Vec<Question>) -> PortFuture<Vec<Answers>> {
        let resolver = self.clone();
        self.database.run(async move {
            let database = &resolver.database;
            let mut client = database.client().await?;
            // A session that is anybody's may read dates in any order: then each question has a
            // transaction of its own.
            let questions = match database.is_pooled() {
                true => questions.into_iter().map(in_utc).collect(),
                false => questions,
            };
            let plain = questions.iter().filter(|it| it.time_zone.is_none());
            let asked = plain.map(|question| resolver.answer(&client, question));
            // Sent at once: they need no round trip each.
            let mut plain = try_join_all(asked).await?.into_iter();
            let mut answers = Vec::with_capacity(questions.len());
            for question in &questions {
                match &question.time_zone {
                    None => answers.extend(plain.next()),
                    Some(zone) => {
                        let session = time_zone::begin_in(database, &mut client, zone).await?;
                        answers.push(resolver.answer(session.client(), question).await?);
                    }
                }
            }
            Ok(answers)
        })
    }

    async fn answer(&self, client: &Client, question: &Question) -> Result<Answers> {
        let form = self.form(client, &question.type_name).await?;
        answer(client, &form, question, 0..question.len()).await
    }

    async fn form(&self, client: &Client, type_name: &str) -> Result<Form> {
        // Nothing is done under the lock that could leave it half done.
        let forms = || self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = forms().get(type_name) {
            return Ok(form.clone());
        }
        let form = Form::of(client, type_name).await?;
        forms().insert(type_name.to_owned(), form.clone());
        Ok(form)
    }
}

impl Form {
    async fn of(client: &Client, type_name: &str) -> Result<Form> {
        let row = client
            .query_typed_one(
                "select typarray <> 0, typdelim::text, typsend::regproc::text
                 from pg_catalog.pg_type where oid = $1::regtype",
                &[(&Literal(type_name.to_owned()), Type::UNKNOWN)],
            )
            .await
            .map_err(|error| classify(error, &doing(type_name)))?;
        let (has_array, delimiter, send): (bool, String, String) =
            (row.get(0), row.get(1), row.get(2));
        if has_array {
            return Ok(Form {
                sql: format!("select pg_catalog.array_send($1::{type_name}[])"),
                delimiter: delimiter.chars().next().unwrap_or(','),
            });
        }
        // There are no arrays of arrays, and a cast of a text to one is its input function.
        Ok(Form {
            sql: format!(
                "select pg_catalog.array_send(array(select {send}(v::{type_name})
                 from unnest($1::text[]) with ordinality u (v, n) order by n))"
            ),
            delimiter: ',',
        })
    }
}

/// The same, where it has no time zone, in the one that sessions are set to.
fn in_utc(mut question: Question) -> Question {
    question.time_zone.get_or_insert_with(|| "UTC".to_owned());
    question
}

fn doing(type_name: &str) -> String {
    format!("encoding values of type {type_name}")
}

/// The answers to some of a question's texts. Where the server refuses any, parts of them are asked
/// for, until those are found that are refused.
fn answer<'a>(
    client: &'a Client,
    form: &'a Form,
    question: &'a Question,
    texts: Range<usize>,
) -> BoxFuture<'a, Result<Answers>> {
    async move {
        match encode(client, form, question, texts.clone()).await {
            Ok(array) => return answers_of(array, &question.type_name, texts.len()),
            Err(error) if may_be_a_value(&error) => {}
            Err(error) => return Err(classify(error, &doing(&question.type_name))),
        }
        let in_transaction = question.time_zone.is_some();
        if in_transaction {
            time_zone::go_on(client).await?;
        }
        // Of several that a transaction is asked at once, one that fails has the others fail.
        if in_transaction || texts.len() <= FEW {
            return few(client, form, question, texts).await;
        }
        let length = texts.len().div_ceil(PARTS);
        let mut parts = Vec::with_capacity(PARTS);
        for start in texts.clone().step_by(length) {
            let part = start..(start + length).min(texts.end);
            parts.push(answer(client, form, question, part));
        }
        let mut answers = Answers::default();
        for part in try_join_all(parts).await? {
            answers.append(part);
        }
        Ok(answers)
    }
    .boxed()
}

/// The answers to texts at least one of which is refused, and of which each is looked at by itself.
async fn few(
    client: &Client,
    form: &Form,
    question: &Question,
    texts: Range<usize>,
) -> Result<Answers> {
    let type_name = &question.type_name;
    let refusals = input_errors(client, question, texts.clone()).await?;
    let mut good = Question::new(type_name.as_str());
    for (index, refusal) in texts.zip(&refusals) {
        if refusal.is_none() {
            good.push(question.text(index));
        }
    }
    let values = match good.len() {
        0 => Answers::default(),
        count => {
            let array = encode(client, form, &good, 0..count).await;
            let array = array.map_err(|error| classify(error, &doing(type_name)))?;
            answers_of(array, type_name, count)?
        }
    };
    let mut answers = Answers::default();
    let mut taken = 0;
    for refusal in refusals {
        match refusal {
            Some(refusal) => answers.refuse(refusal),
            None => {
                match values.get(taken) {
                    Ok(value) => answers.push(value),
                    Err(refusal) => answers.refuse(refusal.clone()),
                }
                taken += 1;
            }
        }
    }
    Ok(answers)
}

fn answers_of(array: Vec<u8>, type_name: &str, count: usize) -> Result<Answers> {
    let answers = Answers::of_array(array).filter(|answers| answers.len() == count);
    answers.ok_or_else(|| {
        let message = format!("{}: the answer is no array of them", doing(type_name));
        Error::new(ErrorKind::Bug, message)
    })
}

/// Asks for all of them at once; one that is no value refuses all.
async fn encode(
    client: &Client,
    form: &Form,
    question: &Question,
    texts: Range<usize>,
) -> Result<Vec<u8>, tokio_postgres::Error> {
    let array = Literal::of_array(question, texts, form.delimiter);
    let row = client
        .query_typed_one(&form.sql, &[(&array, Type::UNKNOWN)])
        .await?;
    row.try_get(0)
}

/// Whether an error may be one value's: input functions report by these classes, and some
/// (`tsquery`, `jsonpath`, PostGIS) by a syntax error or an internal one.
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
    question: &Question,
    texts: Range<usize>,
) -> Result<Vec<Option<Refusal>>> {
    let type_name = question.type_name.as_str();
    let has_nul = |text: &&str| text.contains('\0');
    let texts: Vec<&str> = texts.map(|index| question.text(index)).collect();
    let askable = texts
        .iter()
        .map(|text| if has_nul(text) { "" } else { text });
    let askable: Vec<&str> = askable.collect();
    let rows = client
        .query_typed(
            "select e.code, e.message
             from unnest($1::text[]) with ordinality u (v, n),
                  lateral ingestd.input_error(u.v, $2) e order by n",
            &[(&askable, Type::TEXT_ARRAY), (&type_name, Type::TEXT)],
        )
        .await
        .map_err(|error| classify_ledger(error, &doing(type_name)))?;
    let refusal = |(text, row): (&&str, &tokio_postgres::Row)| {
        if has_nul(text) {
            return Some(nul_byte());
        }
        let sqlstate = row.get::<_, Option<String>>(0)?;
        Some(Refusal {
            sqlstate,
            message: row.get::<_, Option<String>>(1).unwrap_or_default(),
        })
    };
    Ok(texts.iter().zip(&rows).map(refusal).collect())
}

fn nul_byte() -> Refusal {
    Refusal {
        sqlstate: "22021".to_owned(),
        message: "a NUL byte, which no text of PostgreSQL can hold".to_owned(),
    }
}

/// A parameter in the text format: the input function of its type takes it as it is.
#[derive(Debug)]
struct Literal(String);

impl Literal {
    /// An array of texts, as `array_in` reads it: every element between quotes.
    fn of_array(question: &Question, texts: Range<usize>, delimiter: char) -> Literal {
        let mut literal = String::with_capacity(question.bytes() + 3 * texts.len() + 2);
        literal.push('{');
        for index in texts.clone() {
            if index > texts.start {
                literal.push(delimiter);
            }
            literal.push('"');
            let mut rest = question.text(index);
            while let Some(at) = memchr2(b'"', b'\\', rest.as_bytes()) {
                literal.push_str(&rest[..at]);
                literal.push('\\');
                literal.push_str(&rest[at..=at]);
                rest = &rest[at + 1..];
            }
            literal.push_str(rest);
            literal.push('"');
        }
        literal.push('}');
        Literal(literal)
    }
}

impl ToSql for Literal {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
