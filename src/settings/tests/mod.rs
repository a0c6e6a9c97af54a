//! The loader as a whole: what is right loads as meant, and each thing that is wrong says so.

mod archive;
mod change;
mod database;
mod documents;
mod mapping;
mod mistakes;
mod shown;
mod tolerance;
mod values;

use std::path::Path;
use std::time::Duration;

use ingestd_actors::error::ErrorKind;

use tokio_postgres::config::Host;

use super::*;
use crate::plan::{
    Case, ColumnSource, Compression, DeleteWhen, Dialect, TableName, ValueRules, WriteMode,
    WriteRules,
};
use crate::postgres::Connection;

const SMALL: &str = "[pipelines.events]\ndirectory = 'in'\ntable = 'events'\n";

/// The settings of a text, with a data directory of `/data` unless it names another.
fn load_with(text: &str, pairs: &[(&str, &str)]) -> Result<Settings> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("test.toml");
    std::fs::write(&path, text).expect("a file");
    let environment: Environment = pairs.iter().copied().collect();
    let sources = Sources::new(ConfigFile::Path(path), environment).flag(
        "--data-dir",
        "service.data_dir",
        Some("/data"),
    );
    Settings::load(&sources)
}

fn load(text: &str) -> Settings {
    load_with(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    let error = load_with(text, &[]).expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

/// The only host of a connection, as people call it.
fn host_of(connection: &Connection) -> String {
    match &connection.endpoints[..] {
        [one] => match &one.host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(directory) => directory.display().to_string(),
        },
        several => panic!("{several:?}"),
    }
}

/// The small pipeline with further lines.
fn with(lines: &str) -> String {
    format!("{SMALL}{lines}\n")
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let settings = load(SMALL);
    assert_eq!(settings.service.shutdown_timeout, Duration::from_secs(8));
    assert_eq!(settings.service.stuck_after, Duration::from_secs(60));
    assert_eq!(settings.service.lease, Duration::from_secs(15));
    assert_eq!(settings.service.database, None);
    assert_eq!(settings.service.log, LogSettings::default());
    let cores = std::thread::available_parallelism().unwrap().get().min(8);
    let expected = Pipeline {
        name: "events".into(),
        directory: "/data/in".into(),
        pattern: "*.csv".into(),
        recursive: false,
        order: FileOrder::Name,
        settle: Duration::from_secs(2),
        scan_interval: Duration::from_secs(5),
        table: TableName {
            schema: None,
            name: "events".into(),
        },
        key: vec![],
        mode: WriteMode::Append,
        rules: WriteRules::default(),
        create: false,
        columns: vec![],
        generated: vec![],
        indexes: vec![],
        dialect: Dialect::default(),
        mapping: Mapping::default(),
        partitions: cores as u16,
        batch_rows: 50_000,
        batch_bytes: 8 << 20,
        memory: 48 << 20,
        archive: Some("/data/archive/events".into()),
        quarantine: Some("/data/quarantine/events".into()),
        archive_rules: ArchiveRules::default(),
        redropped: Redropped::default(),
        companions: Companions::default(),
        tolerance: Tolerance::default(),
    };
    assert_eq!(settings.pipelines, [expected]);
}

#[test]
fn every_key_has_its_effect() {
    let settings = load(
        r#"
        [service]
        shutdown_timeout = "3s"
        stuck_after = "2m"
        lease = "30s"
        [database]
        url = "postgresql://somebody@example.com/shop"
        pooler = "transaction"
        [log]
        format = "json"
        level = "debug"
        file = "log/ingestd.log"
        [pipelines.shop]
        directory = "/in/shop"
        pattern = "*.{csv,txt}"
        recursive = true
        order = "modified"
        settle = "200ms"
        scan_interval = "1s"
        archive = false
        quarantine = "bad"
        redropped = { same = "reload", appended = "skip", changed = "quarantine", renamed = "reload" }
        done_marker = ".ok"
        manifest = ".json"
        delimiter = "; "
        quote = "'"
        escape = '\'
        comment = '#'
        skip_lines = 2
        null = ["", "NA"]
        quoted_null = ["NULL"]
        header = true
        max_record = "64KiB"
        encoding = "latin1"
        compression = "none"
        max_ratio = 50
        table = 'sales."My Events"'
        key = ["id"]
        mode = "upsert"
        update = ["price"]
        delete_when = { field = "op", values = ["D", 1] }
        create = true
        indexes = [["time"], ["time", "double"]]
        partitions = 3
        batch_rows = 1_000
        batch_bytes = "1MiB"
        memory = "16MiB"
        [[pipelines.shop.columns]]
        name = "id"
        type = "uuid"
        required = true
        [[pipelines.shop.columns]]
        name = "time"
        field = "Time"
        type = "timestamptz"
        default = "now()"
        finite = true
        [[pipelines.shop.columns]]
        name = "kind"
        type = "text"
        trim = true
        null = ["-"]
        quoted_null = []
        case = "upper"
        allowed = ["A", "B"]
        [[pipelines.shop.columns]]
        name = "price"
        type = "numeric(10,2)"
        minimum = 0
        maximum = "99.50"
        [[pipelines.shop.generated]]
        name = "double"
        type = "numeric"
        expression = "price * 2"
        "#,
    );
    let service = &settings.service;
    assert_eq!(service.shutdown_timeout, Duration::from_secs(3));
    assert_eq!(service.stuck_after, Duration::from_secs(120));
    assert_eq!(service.lease, Duration::from_secs(30));
    let database = service.database.as_ref().unwrap();
    let connection = &database.connection;
    assert_eq!(connection.pooler, crate::postgres::Pooler::Transaction);
    assert_eq!(connection.user.as_deref(), Some("somebody"));
    assert_eq!(host_of(connection), "example.com");
    assert!(database.origin.ends_with("test.toml"));
    assert_eq!(service.log.format, LogFormat::Json);
    assert_eq!(service.log.level, LogLevel::Debug);
    assert_eq!(
        service.log.file.as_deref(),
        Some(Path::new("/data/log/ingestd.log"))
    );

    let column = |name: &str, sql_type: &str| ColumnSettings {
        sql_type: sql_type.into(),
        ..ColumnSettings::new(name)
    };
    let expected = Pipeline {
        name: "shop".into(),
        directory: "/in/shop".into(),
        pattern: "*.{csv,txt}".into(),
        recursive: true,
        order: FileOrder::Modified,
        settle: Duration::from_millis(200),
        scan_interval: Duration::from_secs(1),
        table: TableName {
            schema: Some("sales".into()),
            name: "My Events".into(),
        },
        key: vec!["id".into()],
        mode: WriteMode::Upsert,
        rules: WriteRules {
            update: Some(vec!["price".into()]),
            version: None,
            delete_when: Some(DeleteWhen {
                field: "op".into(),
                values: vec!["D".into(), "1".into()],
            }),
        },
        create: true,
        columns: vec![
            ColumnSettings {
                required: true,
                ..column("id", "uuid")
            },
            ColumnSettings {
                field: "Time".into(),
                sql_default: Some("now()".into()),
                finite: true,
                ..column("time", "timestamptz")
            },
            ColumnSettings {
                trim: true,
                null: Some(vec!["-".into()]),
                quoted_null: Some(vec![]),
                case: Some(Case::Upper),
                allowed: vec!["A".into(), "B".into()],
                ..column("kind", "text")
            },
            ColumnSettings {
                minimum: Some("0".into()),
                maximum: Some("99.50".into()),
                ..column("price", "numeric(10,2)")
            },
        ],
        generated: vec![GeneratedColumn {
            name: "double".into(),
            sql_type: "numeric".into(),
            expression: "price * 2".into(),
        }],
        indexes: vec![vec!["time".into()], vec!["time".into(), "double".into()]],
        dialect: Dialect {
            delimiter: b"; ".into(),
            quote: Some(b'\''),
            escape: Some(b'\\'),
            comment: Some(b'#'),
            trim: false,
            skip_lines: 2,
            null: vec!["".into(), "NA".into()],
            quoted_null: vec!["NULL".into()],
            header: true,
            max_record: 64 << 10,
            encoding: Some("windows-1252".into()),
            compression: Compression::None,
            max_ratio: 50,
        },
        mapping: Mapping::default(),
        partitions: 3,
        batch_rows: 1_000,
        batch_bytes: 1 << 20,
        memory: 16 << 20,
        archive: None,
        quarantine: Some("/data/bad".into()),
        archive_rules: ArchiveRules {
            finished: Finished::Keep,
            ..ArchiveRules::default()
        },
        redropped: Redropped {
            same: OnReturn::Reload,
            appended: OnReturn::Skip,
            changed: OnReturn::Quarantine,
            renamed: OnReturn::Reload,
        },
        companions: Companions {
            done_marker: Some(".ok".into()),
            manifest: Some(".json".into()),
        },
        tolerance: Tolerance::default(),
    };
    assert_eq!(settings.pipelines, [expected]);
}

#[test]
fn a_dialect_is_written_in_few_words() {
    let dialect = |lines: &str| load(&with(lines)).pipelines[0].dialect.clone();
    let default = Dialect::default;
    assert_eq!(dialect("delimiter = '→'").delimiter, "→".as_bytes());
    assert_eq!(dialect("delimiter = '\\t'").delimiter, b"\t");
    let unquoted = dialect("quote = false\ntrim = true");
    assert_eq!((unquoted.quote, unquoted.trim), (None, true));
    assert_eq!(dialect("escape = '\"'"), default(), "as without an escape");
    assert_eq!(dialect("null = 'NA'").null, ["NA"]);
    assert_eq!(dialect("null = []").null, [""; 0]);
}

#[test]
fn the_stronger_source_wins() {
    const URLS: [(&str, &str); 4] = [
        ("flag", "postgresql://flag/db"),
        ("INGESTD__DATABASE__URL", "postgresql://ours/db"),
        ("DATABASE_URL", "postgresql://shared/db"),
        ("file", "postgresql://file/db"),
    ];
    // Each source with all the weaker ones.
    for strongest in 0..URLS.len() {
        let given = &URLS[strongest..];
        let has = |name: &str| given.iter().find(|(given, _)| *given == name);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.toml");
        let text = has("file").map_or(String::new(), |(_, url)| {
            format!("[database]\nurl = {url:?}\n")
        });
        std::fs::write(&path, text).unwrap();
        let environment: Environment = given
            .iter()
            .filter(|(name, _)| name.ends_with("URL"))
            .copied()
            .collect();
        let sources = Sources::new(ConfigFile::Path(path.clone()), environment)
            .flag(
                "--database-url",
                "database.url",
                has("flag").map(|(_, url)| *url),
            )
            .as_root(true);

        let database = Settings::load(&sources).unwrap().service.database.unwrap();
        let host = |url: &str| host_of(&url.parse().unwrap());
        assert_eq!(host_of(&database.connection), host(URLS[strongest].1));
        let origin = match URLS[strongest].0 {
            "flag" => "--database-url".to_owned(),
            "file" => path.display().to_string(),
            variable => variable.to_owned(),
        };
        assert_eq!(database.origin, origin);

        let demo = Settings::load(&sources.database_by_flag_only()).unwrap();
        let expected = if strongest == 0 { URLS[0].1 } else { URLS[3].1 };
        let found = host_of(&demo.service.database.unwrap().connection);
        assert_eq!(found, host(expected), "the demo ignores the environment");
    }
}

#[test]
fn the_environment_reaches_every_scalar() {
    let settings = load_with(
        &with("memory = '32MiB'"),
        &[
            ("INGESTD__LOG__LEVEL", "warning"),
            ("INGESTD__PIPELINES__EVENTS__MEMORY", "16MiB"),
            ("INGESTD__PIPELINES__EVENTS__PARTITIONS", "2"),
            ("INGESTD__PIPELINES__EVENTS__RECURSIVE", "true"),
            ("INGESTD__PIPELINES__EVENTS__KEY", "a, b"),
            ("INGESTD__PIPELINES__EVENTS__ARCHIVE", "false"),
            ("INGESTD__PIPELINES__EVENTS__DELIMITER", "tab"),
            ("INGESTD__PIPELINES__EVENTS__QUOTE", "false"),
            ("INGESTD__PIPELINES__EVENTS__NULL", "NA"),
            ("INGESTD__LOG__FORMAT", ""),
            ("INGESTD_CONFIG", "somewhere"),
            ("LOG__LEVEL", "nonsense"),
        ],
    )
    .unwrap();
    assert_eq!(settings.service.log.level, LogLevel::Warning);
    assert_eq!(settings.service.log.format, LogFormat::Auto);
    let pipeline = &settings.pipelines[0];
    assert_eq!(pipeline.memory, 16 << 20);
    assert_eq!(pipeline.batch_bytes, 4 << 20, "a quarter of memory");
    assert_eq!(pipeline.partitions, 2);
    assert!(pipeline.recursive);
    assert_eq!(pipeline.key, ["a", "b"]);
    assert_eq!(pipeline.archive, None);
    assert_eq!(pipeline.dialect.delimiter, b"\t");
    assert_eq!(pipeline.dialect.quote, None);
    assert_eq!(pipeline.dialect.null, ["NA"]);
}

#[test]
fn what_is_wrong_in_the_environment_or_a_flag_is_named_so() {
    let error = load_with(SMALL, &[("INGESTD__PIPELINES__EVENTS__MEMORY", "lots")]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("INGESTD__PIPELINES__EVENTS__MEMORY: pipelines.events.memory: "),
        "{text}"
    );
    let error = load_with(SMALL, &[("INGESTD__LOG__LEVLE", "info")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "INGESTD__LOG__LEVLE: log.levle: unknown key; did you mean \"level\"?"
    );
    let error = load_with(SMALL, &[("INGESTD__LOG__", "info")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("INGESTD__LOG__: names no key")
    );

    let sources = Sources::new(ConfigFile::None, Environment::default())
        .as_root(true)
        .flag("--log-level", "log.level", Some("loud"));
    let error = Settings::load(&sources).unwrap_err();
    assert!(error.to_string().starts_with("--log-level: log.level: "));
}

#[test]
fn the_data_directory_depends_on_who_asks() {
    let data_dir = |root, pairs: &[(&str, &str)]| {
        let environment = pairs.iter().copied().collect();
        let sources = Sources::new(ConfigFile::None, environment).as_root(root);
        Settings::load(&sources).map(|settings| settings.service.data_dir)
    };
    let home = ("HOME", "/home/ada");
    let cases = [
        (true, vec![home], "/var/lib/ingestd"),
        (false, vec![home], "/home/ada/.local/share/ingestd"),
        (false, vec![home, ("XDG_DATA_HOME", "/xdg")], "/xdg/ingestd"),
        (
            false,
            vec![home, ("XDG_DATA_HOME", "not/absolute")],
            "/home/ada/.local/share/ingestd",
        ),
        (
            true,
            vec![("INGESTD__SERVICE__DATA_DIR", "/elsewhere")],
            "/elsewhere",
        ),
    ];
    for (root, pairs, expected) in cases {
        let found = data_dir(root, &pairs).unwrap();
        assert_eq!(found, Path::new(expected), "{pairs:?}");
    }
    let error = data_dir(false, &[]).unwrap_err().to_string();
    assert!(error.contains("service.data_dir: is missing"), "{error}");
    let relative = data_dir(true, &[("INGESTD__SERVICE__DATA_DIR", "here")]).unwrap();
    assert!(relative.is_absolute() && relative.ends_with("here"));
}

#[test]
fn the_file_is_found_by_flag_then_variable_then_default() {
    let directory = tempfile::tempdir().unwrap();
    let default = directory.path().join("ingestd.toml");
    let none = Environment::default();
    let some: Environment = [(FILE_VARIABLE, "/by/variable")].into_iter().collect();
    let by = |path: &str| ConfigFile::Path(path.into());
    let find = |flag: Option<&str>, environment: &Environment| {
        ConfigFile::find_at(flag.map(Into::into), environment, &default)
    };
    assert_eq!(find(Some("/by/flag"), &some).unwrap(), by("/by/flag"));
    assert_eq!(find(None, &some).unwrap(), by("/by/variable"));
    let error = find(None, &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().ends_with(&default.display().to_string()));
    assert!(
        error
            .advice()
            .is_some_and(|advice| advice.contains("--config"))
    );
    std::fs::write(&default, "").unwrap();
    assert_eq!(
        find(None, &none).unwrap(),
        ConfigFile::Path(default.clone())
    );
}

#[test]
fn a_missing_file_says_which() {
    let sources = Sources::new(
        ConfigFile::Path("/no/such/file.toml".into()),
        Environment::default(),
    );
    let error = Settings::load(&sources).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/no/such/file.toml: can't be read: "),
        "{error}"
    );
}

#[test]
fn pipelines_are_found_by_name() {
    let settings = load(SMALL);
    assert_eq!(settings.pipeline("events").unwrap().name, "events");
    let error = settings.pipeline("event").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no pipeline \"event\"; did you mean \"events\"?"
    );
    let error = settings.pipeline("orders").unwrap_err().to_string();
    assert!(error.ends_with("; there are events"), "{error}");
    assert_eq!(settings.some_pipelines().unwrap().len(), 1);
    let none = load("");
    assert!(none.some_pipelines().is_err());
    assert!(
        none.pipeline("a")
            .unwrap_err()
            .to_string()
            .ends_with("none is configured")
    );
}
