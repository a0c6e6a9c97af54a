//! What the server makes of values.

use ingestd_actors::error::ErrorKind;

use super::fixture::{Fixture, ITEMS};
use crate::postgres::resolver::Resolver;
use crate::row::{Answers, Question};

fn question(type_name: &str, texts: &[&str]) -> Question {
    let mut question = Question::new(type_name);
    for text in texts {
        question.push(text);
    }
    question
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_encoded_in_the_order_asked() {
    let fixture = Fixture::new(ITEMS).await;
    let resolver = Resolver::new(fixture.database.clone());
    let questions = vec![
        question("integer", &["3", " 1 ", "2"]),
        question(
            "timestamp with time zone",
            &["2000-01-01 00:00:00.000001+00", "epoch"],
        ),
    ];
    let answers = resolver.resolve(questions).await.expect("answers");
    let numbers: Vec<_> = answers[0].iter().flatten().collect();
    assert_eq!(numbers, [3i32, 1, 2].map(|n| n.to_be_bytes()));
    assert_eq!(answers[1].get(0).expect("a time"), 1i64.to_be_bytes());
    assert_eq!(answers[1].len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn good_ones_are_encoded_beside_bad_ones() {
    let ddl = "create type mood as enum ('sad', 'ok');
               create domain small as integer check (value < 10)";
    let fixture = Fixture::new(ddl).await;
    let resolver = Resolver::new(fixture.database.clone());
    let questions = vec![
        question("integer", &["x", "5", "99999999999", "6\0", "7"]),
        question("mood", &["ok", "glad"]),
        question("small", &["50", "5"]),
        question("jsonpath", &["$.a", "$$$"]),
        question("tsquery", &["a & b", "a & &"]),
        question("uuid", &["no", "nor this"]),
    ];
    let answers = resolver.resolve(questions).await.expect("answers");
    let codes: Vec<Vec<&str>> = answers.iter().map(verdicts).collect();
    let expected = [
        vec!["x", "", "x", "x", ""],
        vec!["", "x"],
        vec!["x", ""],
        vec!["", "x"],
        vec!["", "x"],
        vec!["x", "x"],
    ];
    assert_eq!(codes, expected);
    let refused = |question: usize, text: usize| {
        let refusal = answers[question].get(text).expect_err("refused");
        refusal.sqlstate.as_str()
    };
    assert_eq!(refused(0, 0), "22P02");
    assert_eq!(refused(0, 2), "22003");
    assert_eq!(refused(0, 3), "22021");
    assert_eq!(refused(2, 0), "23514");
    assert_eq!(answers[0].get(4).expect("seven"), 7i32.to_be_bytes());
    assert_eq!(answers[1].get(0).expect("a mood"), b"ok");
}

/// Nothing for a value, `x` for a refusal.
fn verdicts(answers: &Answers) -> Vec<&str> {
    let verdict = |one: Result<_, _>| if one.is_ok() { "" } else { "x" };
    answers.iter().map(verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_ones_are_found_among_thousands() {
    let fixture = Fixture::new(ITEMS).await;
    let resolver = Resolver::new(fixture.database.clone());
    let texts: Vec<String> = (0..5_000)
        .map(|number| match number % 997 {
            0 => format!("no {number}"),
            _ => number.to_string(),
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answers = resolver.resolve(vec![question("integer", &texts)]).await;
    let answers = &answers.expect("answers")[0];
    assert_eq!(answers.len(), texts.len());
    for (number, answer) in answers.iter().enumerate() {
        match number % 997 {
            0 => {
                let refusal = answer.expect_err("no number");
                assert!(refusal.message.contains(texts[number]), "{refusal:?}");
            }
            _ => assert_eq!(answer.expect("a number"), (number as i32).to_be_bytes()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_type_is_asked_for() {
    let ddl = "create schema \"s p\";
               create type \"s p\".\"Mood[]\" as enum ('a,b', '\"', '\\', '{}', 'NULL', ' ');
               create domain \"s p\".boxes as box check (area(value) > 0);
               create type pair as (a integer, b text)";
    let fixture = Fixture::new(ddl).await;
    let resolver = Resolver::new(fixture.database.clone());
    let kinds: [(&str, &[&str], &str); 12] = [
        (
            "\"s p\".\"Mood[]\"",
            &["a,b", "\"", "\\", "{}", "NULL", " ", "x", ""],
            "xx",
        ),
        (
            "\"s p\".boxes",
            &["(0,0),(1,1)", "(2,2),(1,1)", "(9,9),(9,9)"],
            "x",
        ),
        (
            "pair",
            &["(1,a)", "(2,\"x, \"\"y\"\"\")", "(,)", "(1)"],
            "x",
        ),
        ("integer[]", &["{1,2}", "{{1},{2}}", "{}", "{a}"], "x"),
        ("pair[]", &["{\"(1,a)\",NULL}", "{"], "x"),
        ("inet", &["::1", "10.0.0.0/8", "", "10.0.0"], "xx"),
        ("interval", &["1 day 2 hours", "P1Y", "a day"], "x"),
        ("int4range", &["[1,5)", "empty", "(,)", "[5,1]"], "x"),
        ("\"bit\"", &["1", "101", "2"], "x"),
        ("\"char\"", &["a", "abc", ""], ""),
        ("bpchar", &["a", "abc  "], ""),
        ("regclass", &["pg_class", "1259"], ""),
    ];
    let asked = kinds.iter().map(|(name, texts, _)| question(name, texts));
    let answers = resolver.resolve(asked.collect()).await.expect("answers");
    for ((name, texts, refused), answers) in kinds.iter().zip(&answers) {
        let good = texts.len() - refused.len();
        let expected: Vec<&str> = (0..texts.len())
            .map(|index| if index < good { "" } else { "x" })
            .collect();
        assert_eq!(verdicts(answers), expected, "{name}");
    }
    assert_eq!(answers[8].get(1).expect("bits"), [0, 0, 0, 3, 0b1010_0000]);
    assert_eq!(answers[10].get(1).expect("a text"), b"abc  ");
    assert_eq!(answers[11].get(1).expect("an OID"), 1259i32.to_be_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_not_there_refuses_no_value() {
    let fixture = Fixture::new(ITEMS).await;
    let resolver = Resolver::new(fixture.database.clone());
    let answer = resolver.resolve(vec![question("nothing", &["1"])]).await;
    assert_eq!(
        answer.expect_err("no type").kind(),
        ErrorKind::Configuration
    );
}
