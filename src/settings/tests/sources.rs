//! Files, the environment and flags: which is read, and which wins.

use super::*;

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
