//! Connections that are cut; a pause and a resume.

use ingestd_actors::error::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Field, PATIENCE, hold};

const ALL: &str = "
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";

/// The one with this number, counted round and round.
const ONE: &str = "
    with others as (
        select pid, row_number() over (order by pid) - 1 as place, count(*) over () as many
        from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid())
    select count(pg_terminate_backend(pid)) from others where place = {number} % many";

const WRITER: &str = "
    with others as (
        select w.backend as pid, row_number() over (order by w.pipeline, w.lane) - 1 as place,
               count(*) over () as many
        from ingestd.writers w
        join pg_stat_activity a on a.pid = w.backend and a.backend_start = w.backend_start)
    select count(pg_terminate_backend(pid)) from others where place = {number} % many";

/// Cuts one connection, a writer's, or all of them.
pub fn cut(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    match random.random_range(0..3) {
        0 => terminate(field, ALL, random),
        1 => terminate(field, WRITER, random),
        _ => terminate(field, ONE, random),
    }
}

/// Cuts a writer's.
pub fn cut_writer(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    terminate(field, WRITER, random)
}

fn terminate(field: &mut Field<'_>, query: &str, random: &mut ChaCha8Rng) -> Result<()> {
    let number = random.random_range(0..1_000);
    let query = query.replace("{number}", &i32::to_string(&number));
    field
        .watcher
        .ask(PATIENCE, |client| client.batch_execute(&query))
}

/// Pauses all pipelines, and lets them go on.
pub fn pause(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    let mut command = |query: &str| {
        field
            .watcher
            .ask(PATIENCE, |client| client.batch_execute(query))
    };
    command("select ingestd.pause()")?;
    hold(random, 100..=600);
    command("select ingestd.resume()")
}
