//! The ledger's tables, brought up to what this binary expects.

mod alone;

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::error::classify_ledger;

pub use alone::Tell;

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
    Migration {
        version: 4,
        name: "verdicts",
        sql: include_str!("../../sql/0004_verdicts.sql"),
    },
    Migration {
        version: 5,
        name: "archive",
        sql: include_str!("../../sql/0005_archive.sql"),
    },
    Migration {
        version: 6,
        name: "budget",
        sql: include_str!("../../sql/0006_budget.sql"),
    },
    Migration {
        version: 7,
        name: "control",
        sql: include_str!("../../sql/0007_control.sql"),
    },
    Migration {
        version: 8,
        name: "instances",
        sql: include_str!("../../sql/0008_instances.sql"),
    },
    Migration {
        version: 9,
        name: "events",
        sql: include_str!("../../sql/0009_events.sql"),
    },
    Migration {
        version: 10,
        name: "dead_letters",
        sql: include_str!("../../sql/0010_dead_letters.sql"),
    },
    Migration {
        version: 11,
        name: "answers",
        sql: include_str!("../../sql/0011_answers.sql"),
    },
    Migration {
        version: 12,
        name: "alerts",
        sql: include_str!("../../sql/0012_alerts.sql"),
    },
    Migration {
        version: 13,
        name: "indexes",
        sql: include_str!("../../sql/0013_indexes.sql"),
    },
    Migration {
        version: 14,
        name: "unknown_names",
        sql: include_str!("../../sql/0014_unknown_names.sql"),
    },
    Migration {
        version: 15,
        name: "found",
        sql: include_str!("../../sql/0015_found.sql"),
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

/// The versions of all migrations that this binary expects.
pub fn versions() -> Vec<i32> {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .collect()
}

/// Applies what is missing, all in one transaction; a second process waits for the first.
///
/// A database that lacks nothing is only read, so that a role without the right to create may call
/// this too. What is made belongs to the owner of the schema `ingestd`, where the role is a member of
/// that: whoever migrates next may then be another member.
///
/// # Errors
/// `Configuration` where the database is newer than this binary, holds another text of a
/// migration than this binary, or where the role may not do it.
pub async fn migrate(client: &mut Client) -> Result<Vec<Applied>> {
    migrate_telling(client, &|_| ()).await
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

/// The same, and says whom it waits for.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_telling(client: &mut Client, tell: &Tell) -> Result<Vec<Applied>> {
    match apply(client, MIGRATIONS, tell).await {
        Err(error) if error.code() == Some("42501") => Err(not_allowed(client, error).await),
        result => result,
    }
}

async fn apply(client: &mut Client, migrations: &[Migration], tell: &Tell) -> Result<Vec<Applied>> {
    let doing = "migrating the ledger";
    let failed = |error| classify_ledger(error, doing);
    let mut transaction = client.transaction().await.map_err(failed)?;
    transaction
        .execute_typed("select pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
        .await
        .map_err(failed)?;
    let present = applied_versions(&transaction).await?;
    check(&present, migrations)?;

    let is_missing = |wanted: &&Migration| {
        let mut versions = present.iter().map(|(version, _)| *version);
        versions.all(|version| version != wanted.version)
    };
    let missing: Vec<&Migration> = migrations.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        become_owner(&transaction).await?;
        if !present.is_empty() {
            alone::keep_others_out(&mut transaction, alone::PATIENCE, tell).await?;
        }
    }
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
            .execute_typed(
                "insert into ingestd.migrations (version, name, checksum) values ($1, $2, $3)",
                &[
                    (&migration.version, Type::INT4),
                    (&migration.name, Type::TEXT),
                    (&checksum(migration), Type::TEXT),
                ],
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

/// From here to its end the transaction acts as the owner of the schema, where it may, and where all
/// that is there is that one's; but for staging tables, which are whose they are that load.
async fn become_owner(transaction: &Transaction<'_>) -> Result<()> {
    let failed = |error| classify_ledger(error, "looking for the owner of the schema ingestd");
    let owner = transaction
        .query_typed_opt(
            "select n.nspowner::regrole::text from pg_namespace n
             where n.nspname = 'ingestd' and pg_has_role(n.nspowner, 'member')
               and not exists (select from pg_class c
                               where c.relnamespace = n.oid and c.relowner <> n.nspowner
                                 and c.relname !~ '^staged_[0-9]')",
            &[],
        )
        .await
        .map_err(failed)?;
    let Some(owner) = owner else {
        return Ok(());
    };
    // The server has quoted the name, where it needs that.
    let owner: String = owner.get(0);
    transaction
        .batch_execute(&format!("set local role {owner}"))
        .await
        .map_err(|error| classify_ledger(error, "acting as the owner of the schema ingestd"))
}

/// Says which role it takes, where this one may not.
async fn not_allowed(client: &Client, error: Error) -> Error {
    let asked = client
        .query_typed_one(
            "select current_user::text,
                    (select n.nspowner::regrole::text from pg_namespace n
                     where n.nspname = 'ingestd')",
            &[],
        )
        .await;
    let Ok(row) = asked else {
        return error;
    };
    let (role, owner): (String, Option<String>) = (row.get(0), row.get(1));
    let whom = match owner {
        Some(owner) => format!(
            "run `ingestd migrate` once as a member of role {owner}, which owns the schema ingestd; \
             to load, role {role} needs to be a member of ingestd_load alone (sql/roles.sql)"
        ),
        None => "run `ingestd migrate` once as a role that may create schemas in this database"
            .to_owned(),
    };
    let message = format!(
        "the ledger has to be brought to version {}, and role {role} may not: {}",
        versions().last().unwrap_or(&0),
        error.message()
    );
    Error::new(ErrorKind::Configuration, message)
        .with_code("42501")
        .with_advice(whom)
}

async fn create_table(transaction: &Transaction<'_>) -> Result<()> {
    let failed = |error| classify_ledger(error, "creating the schema ingestd");
    // A schema that an administrator has made is there for a role that may make none.
    let there: bool = transaction
        .query_typed_one("select to_regnamespace('ingestd') is not null", &[])
        .await
        .map_err(failed)?
        .get(0);
    if !there {
        let create = transaction.batch_execute("create schema ingestd").await;
        create.map_err(failed)?;
    }
    transaction
        .batch_execute(
            "create table if not exists ingestd.migrations (
                 version    integer primary key,
                 name       text not null,
                 checksum   text not null,
                 applied_at timestamptz not null default now()
             )",
        )
        .await
        .map_err(failed)
}

/// Version and checksum of every migration that the database holds, in order.
async fn applied_versions(transaction: &Transaction<'_>) -> Result<Vec<(i32, String)>> {
    let failed = |error| classify_ledger(error, "reading the ledger's migrations");
    let there: bool = transaction
        .query_typed_one("select to_regclass('ingestd.migrations') is not null", &[])
        .await
        .map_err(failed)?
        .get(0);
    if !there {
        return Ok(Vec::new());
    }
    let rows = transaction
        .query_typed(
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
        let versions: Vec<i32> = MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .collect();
        assert_eq!(versions.first(), Some(&1));
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }

    #[test]
    fn a_newer_database_says_so() {
        let known = (1, checksum(&MIGRATIONS[0]));
        check(std::slice::from_ref(&known), MIGRATIONS).expect("the same version");
        let error = check(&[known, (2, "x".into())], &MIGRATIONS[..1]).expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("newer"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_older_ledger_is_brought_up() {
        for older in 1..MIGRATIONS.len() {
            let place = crate::postgres::tests::fixture::new_database().await;
            let mut client = crate::postgres::tests::fixture::connect(&place.url).await;
            let first = apply(&mut client, &MIGRATIONS[..older], &|_| ()).await;
            assert_eq!(first.expect("an older ledger").len(), older);
            let file = "insert into ingestd.files (pipeline, path, size, modified, device, inode,
                            head_hash, tail_hash, state)
                        values ('p', '/in/a', 1, 1, 1, 1, '', '', 'COMMITTED')";
            client.batch_execute(file).await.expect("a file");
            let rest = migrate(&mut client).await.expect("the rest");
            assert_eq!(rest.len(), MIGRATIONS.len() - older);
            let query = "select state from ingestd.file_status";
            let state = client.query_one(query, &[]).await.expect("the file");
            assert_eq!(state.get::<_, &str>(0), "COMMITTED");
        }
    }

    #[test]
    fn another_text_of_a_migration_says_so() {
        let error = check(&[(1, "other".into())], MIGRATIONS).expect_err("another text");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
