//! The server's side: rows as they are stored, and what its input functions make of texts.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::{BoxFuture, FutureExt};

use super::super::fixture::Fixture;
use super::{Kind, plan_of};
use crate::plan::LoadPlan;

/// Makes the table of a type, and the function that gives a text to the type's input function (an
/// assignment in PL/pgSQL does) and to the column's modifier.
pub async fn prepare(fixture: &Fixture, kind: &Kind) -> LoadPlan {
    let column_type = kind.column_type;
    let sql = format!(
        "set timezone = 'UTC'; set datestyle = 'ISO, YMD';
         drop table if exists probe, expected, texts cascade;
         create table probe (n int4, v {column_type});
         create table expected (n int4, v {column_type}, code text);
         create table texts (n int4, t text);
         create function expect(numbered texts) returns void language plpgsql as $$
         declare
             value {column_type};
         begin
             value := numbered.t;
             insert into expected values (numbered.n, value);
         exception when others then
             insert into expected values (numbered.n, null, sqlstate);
         end $$"
    );
    fixture.client.batch_execute(&sql).await.expect(column_type);
    plan_of(fixture, "probe").await
}

/// Copies rows; the numbers of those that the server refuses.
pub fn copy<'a>(fixture: &'a Fixture, rows: &'a [&'a [u8]]) -> BoxFuture<'a, Vec<i32>> {
    async move {
        let mut data = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        rows.iter().for_each(|row| data.extend_from_slice(row));
        data.extend_from_slice(&[0xFF, 0xFF]);
        let sink = fixture
            .client
            .copy_in("copy probe (n, v) from stdin (format binary)")
            .await;
        let mut sink = pin!(sink.expect("a COPY"));
        // An error of the data comes with either.
        let sent = sink.send(Bytes::from(data)).await;
        if sent.is_ok() && sink.finish().await.is_ok() {
            return Vec::new();
        }
        if let [row] = rows {
            // Behind the count of the fields and the length of the first.
            let number = row[6..].first_chunk().expect("a number");
            return vec![i32::from_be_bytes(*number)];
        }
        let mut refused = Vec::new();
        for part in rows.chunks(rows.len().div_ceil(16)) {
            refused.extend(copy(fixture, part).await);
        }
        refused
    }
    .boxed()
}

/// Where the rows that were copied, or what was refused before, differ from what the input function
/// makes of the texts. Empties the tables.
pub async fn differences(
    fixture: &Fixture,
    texts: &[String],
    refused: &[(i32, String)],
) -> Vec<String> {
    let client = &fixture.client;
    let (numbers, codes): (Vec<i32>, Vec<&str>) = refused
        .iter()
        .map(|(record, code)| (record - 1, code.as_str()))
        .unzip();
    let fill = "insert into texts select n - 1, t from unnest($1::text[]) with ordinality u (t, n)";
    client.execute(fill, &[&texts]).await.expect("texts");
    client
        .execute("select expect(texts) from texts", &[])
        .await
        .expect("verdicts");
    let rows = client
        .query(
            "select format('%L: the server %s, we %s', t.t,
                        coalesce('refuses it with ' || e.code, 'has ' || e.v::text),
                        case when p.n is null then coalesce('refuse it with ' || r.code, 'copy nothing')
                             else 'have ' || p.v::text end)
             from texts t join expected e using (n) left join probe p using (n)
             left join unnest($1::int4[], $2::text[]) r (n, code) using (n)
             where (e.code is null) <> (p.n is not null)
                or p.n is not null and not row(p.v)::record operator(pg_catalog.*=) row(e.v)::record
                or r.code <> e.code
             order by length(t.t)",
            &[&numbers, &codes],
        )
        .await
        .expect("differences");
    let count = client
        .query_one("select count(*) from expected", &[])
        .await
        .expect("a count");
    assert_eq!(count.get::<_, i64>(0), texts.len() as i64);
    client
        .batch_execute("truncate probe, expected, texts")
        .await
        .expect("emptied");
    rows.iter().map(|row| row.get(0)).collect()
}
