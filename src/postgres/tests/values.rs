//! Times that are read by the rules of a column, against what the server makes of them.

use ingestd_actors::error::ErrorKind;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fixture::Fixture;
use crate::plan::{Column, EpochUnit, ValueRules, ValueType};
use crate::postgres::Resolver;
use crate::row::{Answers, Question, Transform, Zone, zone, zone_names};

/// Seconds from 1970-01-01 to 2000-01-01, and a microsecond's count in one.
const EPOCH: i64 = 946_684_800;
const SECOND: i64 = 1_000_000;

/// Zones with something of their own: half an hour of summer time, a day that was left out, a
/// standard time that is the later one, summer time that pauses, several changes of the offset.
const PECULIAR: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Europe/Moscow",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
];

/// A generator with a seed of this run's own, or the one to be tried again.
fn random() -> ChaCha8Rng {
    let again = std::env::var("TEST_SEED").ok();
    let seed = again.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same values");
    ChaCha8Rng::seed_from_u64(seed)
}

/// How many values; `VALUES` asks for more.
fn how_many(usually: usize) -> usize {
    let more = std::env::var("VALUES").ok();
    more.map_or(usually, |more| more.parse().expect("a number"))
}

fn ruled(value_type: ValueType, rules: ValueRules) -> (Transform, ValueType) {
    let column = Column {
        rules,
        ..Column::new("c", value_type, "any")
    };
    let transform = Transform::new(&column).expect("rules that can be");
    (transform.expect("there are some"), value_type)
}

/// The big-endian number that a text becomes; `None` where it is refused.
fn read((transform, value_type): &(Transform, ValueType), text: &str) -> Option<i64> {
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    let asked = transform.encode(*value_type, text.as_bytes(), &mut scratch, &mut out);
    assert_eq!(asked.ok()?, None, "{text:?} is for us to read");
    Some(match out[4..] {
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        _ => i64::from_be_bytes(out[4..].try_into().expect("eight bytes")),
    })
}

/// Local times (in microseconds since 2000) around each change of a zone, and others.
fn local_times(zone: &Zone, random: &mut ChaCha8Rng) -> Vec<i64> {
    let (times, offsets) = zone.samples();
    let mut locals = Vec::new();
    for (pair, time) in offsets.windows(2).zip(&times[1..]) {
        if pair[0] == pair[1] {
            continue;
        }
        for offset in pair {
            for distance in [
                -90_000, -3_600, -1, 0, 1, 1_799, 1_800, 3_599, 3_600, 90_000,
            ] {
                locals.push((time + i64::from(*offset) + distance - EPOCH) * SECOND);
            }
            let near = random.random_range(-100_000 * SECOND..100_000 * SECOND);
            locals.push((time + i64::from(*offset) - EPOCH) * SECOND + near);
        }
    }
    locals.extend((0..100).map(|_| random.random_range(-EPOCH * SECOND..3_155_760_000 * SECOND)));
    locals
}

/// `ZONES=all` looks at every zone that there is.
#[tokio::test(flavor = "multi_thread")]
async fn local_times_are_those_of_a_session_in_the_zone() {
    let fixture = Fixture::new("select").await;
    let resolver = Resolver::new(fixture.database.clone());
    let mut random = random();
    let all = zone_names();
    let names: Vec<String> = match std::env::var("ZONES").as_deref() {
        Ok("all") => all,
        _ => {
            let others = all.sample(&mut random, 10).cloned();
            others.chain(PECULIAR.map(str::to_owned)).collect()
        }
    };
    let (mut compared, mut elsewhere) = (0, Vec::new());
    for name in &names {
        let zone = zone(name).expect("a zone");
        let (times, offsets) = zone.samples();
        // Where the server has another version of the database, it will be asked for such times.
        let agreed = match resolver.differing_offsets(name, times, offsets).await {
            Ok(differing) => {
                if !differing.is_empty() {
                    elsewhere.push(name);
                }
                zone.agreed(&differing)
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
                elsewhere.push(name);
                continue;
            }
        };
        let locals = local_times(&zone, &mut random);
        let rows = fixture
            .client
            .query(
                "select (extract(epoch from
                     (timestamp '2000-01-01' + local * interval '1 microsecond') at time zone $2
                 ) * 1000000)::bigint - 946684800000000
                 from unnest($1::bigint[]) with ordinality l (local, n) order by n",
                &[&locals, name],
            )
            .await
            .expect("times");
        for (local, row) in locals.iter().zip(rows) {
            if !agreed.contains(local) {
                continue;
            }
            let utc = zone.to_utc(*local).expect("what is agreed on is known");
            assert_eq!(utc, row.get::<_, i64>(0), "{local} in {name}");
            compared += 1;
        }
    }
    eprintln!("{compared} times compared; differ or are missing on the server: {elsewhere:?}");
    assert!(compared > 1_000, "{compared} compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_are_so_many_seconds_after_1970() {
    let fixture = Fixture::new("select").await;
    let mut random = random();
    let seconds = ruled(
        ValueType::Timestamptz,
        ValueRules {
            epoch: Some(EpochUnit::Seconds),
            ..ValueRules::default()
        },
    );
    let (mut wholes, mut fractions) = (Vec::new(), Vec::new());
    for _ in 0..how_many(20_000) {
        wholes.push(random.random_range(-4_000_000_000i64..4_000_000_000));
        let digits = random.random_range(0..=12);
        let digits = (0..digits).map(|_| char::from(random.random_range(b'0'..=b'9')));
        let digits: String = digits.collect();
        fractions.push(if digits.is_empty() {
            digits
        } else {
            format!(".{digits}")
        });
    }
    let rows = fixture
        .client
        .query(
            "select (extract(epoch from timestamptz 'epoch' + sign(whole) *
                     (abs(whole) * interval '1 second' + ('00:00:00' || fraction)::time::interval)
                    ) * 1000000)::bigint - 946684800000000
             from unnest($1::bigint[], $2::text[]) with ordinality t (whole, fraction, n) order by n",
            &[&wholes, &fractions],
        )
        .await
        .expect("times");
    for ((whole, fraction), row) in wholes.iter().zip(&fractions).zip(rows) {
        let text = format!("{whole}{fraction}");
        assert_eq!(read(&seconds, &text), Some(row.get(0)), "{text}");
    }
}

/// The notation is as ISO has it, so that the server can read the same text.
#[tokio::test(flavor = "multi_thread")]
async fn formats_are_read_as_the_server_reads_the_same_time() {
    let fixture = Fixture::new("select").await;
    let mut random = random();
    let mut text = || {
        let fraction = match random.random_range(0..3) {
            0 => String::new(),
            _ => {
                let digits = random.random_range(1..=9);
                let number = random.random_range(0..10u64.pow(digits));
                format!(".{number:0width$}", width = digits as usize)
            }
        };
        let zone: i32 = random.random_range(-15 * 60..=15 * 60);
        let time = match random.random_range(0..10) {
            0 => "23:59:59".to_owned(),
            1 => "23:59:60".to_owned(),
            _ => format!(
                "{:02}:{:02}:{:02}",
                random.random_range(0..=24),
                random.random_range(0..=60),
                random.random_range(0..=61),
            ),
        };
        format!(
            "{:04}-{:02}-{:02} {time}{fraction} {}{:02}{:02}",
            random.random_range(1..=9999),
            random.random_range(1..=12),
            random.random_range(1..=31),
            if zone < 0 { '-' } else { '+' },
            zone.abs() / 60,
            zone.abs() % 60,
        )
    };
    let texts: Vec<String> = (0..how_many(20_000)).map(|_| text()).collect();
    let format = |value_type| {
        let format = Some("%Y-%m-%d %H:%M:%S%.f %z".to_owned());
        let rules = ValueRules {
            format,
            ..ValueRules::default()
        };
        ruled(value_type, rules)
    };
    for (value_type, type_name) in [
        (ValueType::Timestamptz, "timestamp with time zone"),
        (ValueType::Timestamp, "timestamp without time zone"),
        (ValueType::Date, "date"),
    ] {
        let answers = Resolver::new(fixture.database.clone())
            .resolve(vec![question(type_name, None, &texts)])
            .await
            .expect("answers");
        let transform = format(value_type);
        for (text, answer) in texts.iter().zip(answers[0].iter()) {
            // strptime has no 24:00.
            let server = answer.ok().filter(|_| !text.contains(" 24:"));
            let server = server.map(number);
            assert_eq!(read(&transform, text), server, "{text:?} as {type_name}");
        }
    }
}

fn question(type_name: &str, zone: Option<&str>, texts: &[impl AsRef<str>]) -> Question {
    let mut question = Question::new(type_name).in_zone(zone);
    for text in texts {
        question.push(text.as_ref());
    }
    question
}

fn number(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        _ => i64::from_be_bytes(bytes.try_into().expect("eight bytes")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_reads_times_in_the_columns_zone_and_only_those() {
    let fixture = Fixture::new("select").await;
    let resolver = Resolver::new(fixture.database.clone());
    let question =
        |zone: Option<&str>, texts: &[&str]| question("timestamp with time zone", zone, texts);
    let noon = "Jul 1 1950 12:00";
    let answers = resolver
        .resolve(vec![
            question(Some("Asia/Tokyo"), &[noon, "Jul 1 1950 12:00 UTC"]),
            question(None, &[noon]),
            question(Some("Asia/Kolkata"), &["x", noon, "2024-13-01"]),
            question(None, &[noon]),
        ])
        .await
        .expect("answers");
    let utc = number(answers[1].get(0).expect("a time"));
    // Japan had summer time in that year.
    let half_hours = |answers: &Answers, index| {
        (utc - number(answers.get(index).expect("a time"))) / (3_600 * SECOND / 2)
    };
    assert_eq!(half_hours(&answers[0], 0), 2 * 10);
    assert_eq!(half_hours(&answers[0], 1), 0);
    assert_eq!(half_hours(&answers[2], 1), 2 * 5 + 1);
    assert_eq!(half_hours(&answers[3], 0), 0);
    let refused = |index| answers[2].get(index).unwrap_err().sqlstate.as_str();
    assert_eq!([refused(0), refused(2)], ["22007", "22008"]);

    let error = resolver
        .resolve(vec![question(Some("Mars/Utopia"), &[noon])])
        .await;
    let error = error.expect_err("no such zone");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("Mars/Utopia"), "{error}");
    // The connection that failed serves others as before.
    let answers = resolver.resolve(vec![question(None, &[noon])]).await;
    assert_eq!(half_hours(&answers.expect("answers")[0], 0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_of_the_server_that_differs_is_noticed() {
    let fixture = Fixture::new("select").await;
    let resolver = Resolver::new(fixture.database.clone());
    let (times, mut offsets) = zone("Europe/Berlin").expect("a zone").samples();
    let differing = |offsets: &[i32]| {
        resolver.differing_offsets("Europe/Berlin", times.clone(), offsets.to_vec())
    };
    assert_eq!(differing(&offsets).await.expect("an answer"), [0; 0]);
    let last = times.len() - 1;
    offsets[7] += 1;
    offsets[last] -= 3_600;
    let expected = [times[7], times[last]];
    assert_eq!(differing(&offsets).await.expect("an answer"), expected);
    let error = resolver
        .differing_offsets("Mars/Utopia", times, offsets)
        .await;
    assert_eq!(error.expect_err("no zone").kind(), ErrorKind::Configuration);
}
