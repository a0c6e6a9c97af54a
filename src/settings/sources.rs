//! Where the configuration comes from: a file, the environment, flags; and how they are merged.
//!
//! What comes later wins: the file, `DATABASE_URL`, `INGESTD__SECTION__KEY`, flags.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat, Map, Value};
use ingestd_actors::error::{Error, ErrorKind, Result};

/// The file that is used where none is named.
pub const DEFAULT_FILE: &str = "/etc/ingestd/ingestd.toml";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "INGESTD_CONFIG";

/// The variable that many programs share.
const DATABASE_URL: &str = "DATABASE_URL";

/// What the names of our variables begin with.
const PREFIX: &str = "INGESTD__";

/// The variables of the environment; empty ones count as unset.
#[derive(Clone, Default)]
pub struct Environment {
    set: BTreeMap<String, String>,
    empty: BTreeSet<String>,
}

impl Environment {
    /// Those of this process, as far as they are UTF-8.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// Whether a variable is there and empty: for what must not be left out by mistake.
    pub fn is_empty(&self, name: &str) -> bool {
        self.empty.contains(name)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        let (empty, set): (BTreeMap<_, _>, _) =
            pairs.partition(|(_, value): &(String, String)| value.is_empty());
        Environment {
            set,
            empty: empty.into_keys().collect(),
        }
    }
}

/// The text in TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// A file.
    Path(PathBuf),
    /// Text that is part of the program, with a name for messages.
    Embedded {
        /// What messages call it.
        name: &'static str,
        /// The text.
        text: &'static str,
    },
    /// None: defaults, environment and flags only.
    None,
}

impl ConfigFile {
    /// The file that a command uses: the one its flag names, or the variable `INGESTD_CONFIG`, or
    /// `/etc/ingestd/ingestd.toml` where that exists.
    ///
    /// # Errors
    /// `Configuration` where there is none, with what to do.
    pub fn find(flag: Option<PathBuf>, environment: &Environment) -> Result<ConfigFile> {
        Self::find_at(flag, environment, Path::new(DEFAULT_FILE))
    }

    /// The same for a command that can do without.
    pub fn find_or_none(flag: Option<PathBuf>, environment: &Environment) -> ConfigFile {
        Self::find_at(flag, environment, Path::new(DEFAULT_FILE)).unwrap_or(ConfigFile::None)
    }

    pub(super) fn find_at(
        flag: Option<PathBuf>,
        environment: &Environment,
        default: &Path,
    ) -> Result<ConfigFile> {
        let named = flag.or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        match named {
            Some(path) => Ok(ConfigFile::Path(path)),
            None if default.exists() => Ok(ConfigFile::Path(default.to_owned())),
            None => Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "no configuration: no --config FILE was given, {FILE_VARIABLE} is not set, and there is no {}",
                    default.display()
                ),
            )
            .with_advice(
                "name a file with --config (config/ingestd.toml is an example to copy), or use what needs none: `ingestd load FILE --table TABLE`, `ingestd demo`",
            )),
        }
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            ConfigFile::Path(path) => path.display().to_string(),
            ConfigFile::Embedded { name, .. } => (*name).to_owned(),
            ConfigFile::None => "no configuration file".to_owned(),
        }
    }

    fn text(&self) -> Result<String> {
        match self {
            ConfigFile::Embedded { text, .. } => Ok((*text).to_owned()),
            ConfigFile::None => Ok(String::new()),
            ConfigFile::Path(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{}: can't be read: {error}", path.display()),
                )
                .with_source(error)
            }),
        }
    }
}

/// Everything that a configuration is made from.
#[derive(Clone)]
pub struct Sources {
    file: ConfigFile,
    environment: Environment,
    flags: Vec<Layer>,
    database_by_flag_only: bool,
    root: bool,
}

impl Sources {
    /// A file and an environment.
    pub fn new(file: ConfigFile, environment: Environment) -> Self {
        Self {
            file,
            environment,
            flags: Vec::new(),
            database_by_flag_only: false,
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// Adds what a flag says of a key, if it was given:
    /// `.flag("--database-url", "database.url", cli.database_url)`.
    pub fn flag(mut self, flag: &str, key: &str, value: Option<impl Into<String>>) -> Self {
        self.flags.extend(value.map(|value| Layer {
            origin: flag.to_owned(),
            path: key.to_owned(),
            value: value.into(),
        }));
        self
    }

    /// Takes a database from a flag or the file alone, never from the environment: for the demo,
    /// which must not write into somebody's database by accident.
    pub fn database_by_flag_only(mut self) -> Self {
        self.database_by_flag_only = true;
        self
    }

    /// Whether to take the defaults of root, whoever runs the process.
    pub fn as_root(mut self, root: bool) -> Self {
        self.root = root;
        self
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What messages call the file.
    pub(super) fn file_name(&self) -> String {
        self.file.name()
    }

    /// The file's text.
    pub(super) fn text(&self) -> Result<String> {
        self.file.text()
    }

    pub(super) fn is_root(&self) -> bool {
        self.root
    }

    /// Merges them into one tree.
    pub(super) fn merge(&self) -> Result<(Map<String, Value>, Origins)> {
        let name = self.file.name();
        let text = self.file.text()?;
        let layers = self.layers()?;
        let mut builder = Config::builder().add_source(File::from_str(&text, FileFormat::Toml));
        for layer in &layers {
            builder = builder.add_source(layer.as_source()?);
        }
        let tree = builder
            .build()
            .and_then(|config| config.try_deserialize::<Value>())
            .and_then(Value::into_table)
            .map_err(|error| syntax_error(&name, &text, &error))?;
        Ok((tree, Origins { file: name, layers }))
    }

    /// What lies above the file, the strongest last.
    fn layers(&self) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        let database_url = self.environment.get(DATABASE_URL);
        if let Some(url) = database_url.filter(|_| !self.database_by_flag_only) {
            layers.push(Layer {
                origin: DATABASE_URL.to_owned(),
                path: "database.url".to_owned(),
                value: url.to_owned(),
            });
        }
        for (name, value) in &self.environment.set {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let path = path.to_lowercase().replace("__", ".");
            if self.database_by_flag_only && path.starts_with("database.") {
                continue;
            }
            layers.push(Layer {
                origin: name.clone(),
                path,
                value: value.clone(),
            });
        }
        layers.extend(self.flags.iter().cloned());
        Ok(layers)
    }
}

/// One value from the environment or a flag.
#[derive(Clone)]
struct Layer {
    origin: String,
    path: String,
    value: String,
}

impl Layer {
    fn as_source(&self) -> Result<Config> {
        Config::builder()
            .set_override(&self.path, self.value.as_str())
            .and_then(|builder| builder.build())
            .map_err(|_| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("{}: names no key", self.origin),
                )
                .with_advice(
                    "write INGESTD__SECTION__KEY, as in INGESTD__LOG__LEVEL or INGESTD__PIPELINES__EVENTS__MEMORY",
                )
            })
    }
}

/// Which source has the last word about a key.
pub struct Origins {
    file: String,
    layers: Vec<Layer>,
}

impl Origins {
    /// The file, the variable or the flag that the value of a key comes from.
    pub fn of(&self, path: &str) -> &str {
        self.above(path).map_or(&self.file, |layer| &layer.origin)
    }

    /// How strong the kind of source is that the value of a key comes from, to compare two keys.
    pub fn strength(&self, path: &str) -> u8 {
        match self.above(path).map(|layer| layer.origin.as_str()) {
            None => 0,
            Some(DATABASE_URL) => 1,
            Some(variable) if variable.starts_with(PREFIX) => 2,
            Some(_) => 3,
        }
    }

    /// The strongest source above the file that has a key.
    fn above(&self, path: &str) -> Option<&Layer> {
        self.layers.iter().rev().find(|layer| {
            path.strip_prefix(layer.path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// The parser's own message would quote the line, and that may hold a password.
fn syntax_error(name: &str, text: &str, error: &ConfigError) -> Error {
    let parser = match error {
        ConfigError::FileParse { cause, .. } => cause.downcast_ref::<toml::de::Error>(),
        _ => None,
    };
    let message = match parser {
        Some(error) => {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            let what = error.message();
            format!("{name}: line {line}, column {column}: no valid TOML: {what}")
        }
        None => format!("{name}: no valid TOML, or a number in it that is too large"),
    };
    Error::new(ErrorKind::Configuration, message)
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
