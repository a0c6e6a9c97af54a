//! What the server makes of values.

use ingestd_actors::error::ErrorKind;

use super::fixture::{Fixture, ITEMS};
use crate::postgres::resolver::{Question, Resolver};

fn question(type_name: &str, texts: &[&str]) -> Question {
    let texts = texts.iter().map(|text| text.to_string()).collect();
    Question {
        type_name: type_name.to_owned(),
        time_zone: None,
        texts,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_encoded_in_the_order_asked() {
    let fixture = Fixture::new(ITEMS).await;
    let resolver = Resolver::new(fixture.database.clone());
    let questions = vec![
        question("integer", &["3", " 1 ", "2"]),
        question("inet", &[]),
        question(
            "timestamp with time zone",
            &["2000-01-01 00:00:00.000001+00", "epoch"],
        ),
    ];
    let answers = resolver.resolve(questions).await.expect("answers");
    let numbers: Vec<_> = answers[0].iter().flatten().map(|b| b.to_vec()).collect();
    assert_eq!(numbers, [3i32, 1, 2].map(|n| n.to_be_bytes().to_vec()));
    assert!(answers[1].is_empty());
    assert_eq!(
        answers[2][0].as_ref().expect("a time")[..],
        1i64.to_be_bytes()
    );
    assert_eq!(answers[2].len(), 2);
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
    let codes: Vec<Vec<&str>> = answers
        .iter()
        .map(|answer| {
            let code = |one: &Result<_, crate::postgres::resolver::Refusal>| match one {
                Ok(_) => "",
                Err(_) => "x",
            };
            answer.iter().map(code).collect()
        })
        .collect();
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
        let refusal = answers[question][text].as_ref().expect_err("refused");
        refusal.sqlstate.as_str()
    };
    assert_eq!(refused(0, 0), "22P02");
    assert_eq!(refused(0, 2), "22003");
    assert_eq!(refused(0, 3), "22021");
    assert_eq!(refused(2, 0), "23514");
    assert_eq!(
        answers[0][4].as_ref().expect("seven")[..],
        7i32.to_be_bytes()
    );
    assert_eq!(answers[1][0].as_ref().expect("a mood")[..], *b"ok");
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
