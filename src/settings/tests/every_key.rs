//! What every key does, and what it is where nothing is written.

use super::*;

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let settings = load(SMALL);
    assert_eq!(settings.service.shutdown_timeout, Duration::from_secs(8));
    assert_eq!(settings.service.stuck_after, Duration::from_secs(60));
    assert_eq!(settings.service.lease, Duration::from_secs(15));
    assert_eq!(settings.service.database, None);
    assert_eq!(settings.service.log, LogSettings::default());
    assert_eq!(settings.service.http, HttpSettings::default());
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
        letters: crate::settings::LetterRules::default(),
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
        letters: crate::settings::LetterRules::default(),
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
