//! The ledger's tables, brought up to what this binary expects.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::{Client, Transaction};

use super::error::classify_ledger;

/// One step of the ledger's schema, as it stands in `sql/`.
struct Migration {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "ledger",
        sql: include_str!("../../sql/0001_ledger.sql"),
    },
    Migration {
        version: 2,
        name: "deferred_indexes",
        sql: include_str!("../../sql/0002_deferred_indexes.sql"),
    },
    Migration {
        version: 3,
        name: "origins",
        sql: include_str!("../../sql/0003_origins.sql"),
    },
];

/// Any number that no other program is likely to lock.
const LOCK: i64 = i64::from_be_bytes(*b"\0ingestd");

/// A migration that was applied just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: i32,
    /// Its name.
    pub name: String,
}

/// The version of the ledger that this binary expects.
pub fn newest() -> i32 {
    MIGRATIONS.last().map_or(0, |newest| newest.version)
}

/// Applies what is missing, all in one transaction; a second process waits for the first.
///
/// A database that lacks nothing is only read, so that a role without the right to create may call
/// this too.
///
/// # Errors
/// `Configuration` where the database is newer than this binary, or holds another text of a
/// migration than this binary.
pub async fn migrate(client: &mut Client) -> Result<Vec<Applied>> {
    apply(client, MIGRATIONS).await
}

/// The names of the migrations that a database lacks; nothing is changed or waited for.
///
/// # Errors
/// As [`migrate`].
pub async fn missing(client: &mut Client) -> Result<Vec<String>> {
    let failed = |error| classify_ledger(error, "looking at the ledger");
    let transaction = client.transaction().await.map_err(failed)?;
    let present = applied_versions(&transaction).await?;
    check(&present, MIGRATIONS)?;
    let missing = MIGRATIONS.iter().filter(|wanted| {
        let mut versions = present.iter().map(|(version, _)| *version);
        !versions.any(|version| version == wanted.version)
    });
    Ok(missing.map(|it| it.name.to_owned()).collect())
}

async fn apply(client: &mut Client, migrations: &[Migration]) -> Result<Vec<Applied>> {
    let doing = "migrating the ledger";
    let failed = |error| classify_ledger(error, doing);
    let transaction = client.transaction().await.map_err(failed)?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&LOCK])
        .await
        .map_err(failed)?;
    let present = applied_versions(&transaction).await?;
    check(&present, migrations)?;

    let missing = migrations.iter().filter(|wanted| {
        present
            .iter()
            .all(|(version, _)| *version != wanted.version)
    });
    let mut applied = Vec::new();
    for migration in missing {
        if present.is_empty() && applied.is_empty() {
            create_table(&transaction).await?;
        }
        let doing = format!("migration {} ({})", migration.version, migration.name);
        let failed = |error| classify_ledger(error, &doing);
        transaction
            .batch_execute(migration.sql)
            .await
            .map_err(failed)?;
        transaction
            .execute(
                "insert into ingestd.migrations (version, name, checksum) values ($1, $2, $3)",
                &[&migration.version, &migration.name, &checksum(migration)],
            )
            .await
            .map_err(failed)?;
        applied.push(Applied {
            version: migration.version,
            name: migration.name.to_owned(),
        });
    }
    transaction.commit().await.map_err(failed)?;
    Ok(applied)
}

async fn create_table(transaction: &Transaction<'_>) -> Result<()> {
    transaction
        .batch_execute(
            "create schema if not exists ingestd;
             create table if not exists ingestd.migrations (
                 version    integer primary key,
                 name       text not null,
                 checksum   text not null,
                 applied_at timestamptz not null default now()
             )",
        )
        .await
        .map_err(|error| classify_ledger(error, "creating the schema ingestd"))
}

/// Version and checksum of every migration that the database holds, in order.
async fn applied_versions(transaction: &Transaction<'_>) -> Result<Vec<(i32, String)>> {
    let failed = |error| classify_ledger(error, "reading the ledger's migrations");
    let there: bool = transaction
        .query_one("select to_regclass('ingestd.migrations') is not null", &[])
        .await
        .map_err(failed)?
        .get(0);
    if !there {
        return Ok(Vec::new());
    }
    let rows = transaction
        .query(
            "select version, checksum from ingestd.migrations order by version",
            &[],
        )
        .await
        .map_err(failed)?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn check(present: &[(i32, String)], migrations: &[Migration]) -> Result<()> {
    for (version, found) in present {
        let Some(known) = migrations.iter().find(|known| known.version == *version) else {
            let newest = migrations.last().map_or(0, |newest| newest.version);
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "the ledger in the database is at version {version}, newer than this ingestd, \
                     which knows {newest}"
                ),
            )
            .with_advice("run the newer ingestd that migrated it"));
        };
        if checksum(known) != *found {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "migration {version} ({}) in the database is not the one of this ingestd",
                    known.name
                ),
            )
            .with_advice("run the ingestd that migrated it, or use another database"));
        }
    }
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    blake3::hash(migration.sql.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_ascend_from_one() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version, index as i32 + 1);
        }
    }

    #[test]
    fn a_newer_database_says_so() {
        let known = (1, checksum(&MIGRATIONS[0]));
        check(std::slice::from_ref(&known), MIGRATIONS).expect("the same version");
        let error = check(&[known, (2, "x".into())], &MIGRATIONS[..1]).expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("newer"), "{error}");
    }

    #[test]
    fn another_text_of_a_migration_says_so() {
        let error = check(&[(1, "other".into())], MIGRATIONS).expect_err("another text");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
