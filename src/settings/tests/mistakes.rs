//! What is wrong with a configuration, and what is said of it.

use super::*;

/// Columns for the last table.
const COLUMNS: &str = "columns = [{ name = 'id' }, { name = 'price' }]\n";

/// What is written, the key that is named, and a part of what is said.
#[rustfmt::skip]
const ALONE: &[(&str, &str, &str)] = &[
    ("[service]\nshutdown_timeout = 8", "service.shutdown_timeout", "\"8\" has no unit"),
    ("[service]\nshutdown_timeout = '1ms'", "service.shutdown_timeout", "is too short"),
    ("[service]\nstuck_after = '1ms'", "service.stuck_after", "write \"1s\" or more"),
    ("[service]\nlease = '1ms'", "service.lease", "write \"1s\" or more"),
    ("[database]\nurl = 'host=h user=u'\npooler = 'session'", "database.pooler", "write one of \"none\", \"transaction\""),
    ("[database]\npooler = 'transaction'", "database.pooler", "name that in url or host, or leave this out"),
    ("[service]\ndata_dirs = 1", "service.data_dirs", "did you mean \"data_dir\""),
    ("[service]\ncolour = 1", "service.colour", "known here are data_dir, shutdown_timeout, stuck_after"),
    ("log = 1", "log", "begin it with [log]"),
    ("[database]\nurl = ''", "database.url", "leave it out for a private server"),
    ("[log]\nformat = 'xml'", "log.format", "\"auto\", \"terminal\", \"json\""),
    ("[log]\nfile = ''", "log.file", "is empty"),
    ("[log]\nfile = 5", "log.file", "expected text in quotes, found a number"),
    ("[http]\nlisten = '8474'", "http.listen", "such as \"127.0.0.1:8474\", or \"off\""),
    ("[http]\nlisten = 'example.com:80'", "http.listen", "is no address with a port"),
    ("[http]\nlisten = ['127.0.0.1:1', '127.0.0.1:2']", "http.listen", "names 2 addresses"),
    ("[http]\nlisten = []", "http.listen", "names 0 addresses"),
    ("[http]\ntoken = 's3cret'", "http.token", "put it into a file that token_file names"),
    ("[http]\ntoken_file = ''", "http.token_file", "is empty"),
    ("[http]\ntokenfile = 'x'", "http.tokenfile", "did you mean \"token_file\""),
    ("[http]\ntls = 'x'", "http.tls", "begin it with [http.tls]"),
    ("[http]\ntls = { certificate = 'c' }", "http.tls.key", "is missing"),
    ("[http]\ntls = { key = 'c' }", "http.tls.certificate", "is missing"),
    ("[http]\ntls = { certificate = 'c', key = 'k', ca = 'a' }", "http.tls.ca", "known here are certificate, key"),
    ("pipelines = 1", "pipelines", "expected a table"),
    ("[pipelines]\na = 1", "pipelines.a", "begin it with [pipelines.a]"),
    ("[pipelines.Bad]", "pipelines.Bad", "lower-case letters"),
    ("[pipelines.'a.b']", "pipelines.a.b", "lower-case letters"),
    ("[pipelines.load_events]", "pipelines.load_events", "choose another"),
    ("[pipelines.a]\ntable = 't'", "pipelines.a.directory", "is missing"),
    ("[pipelines.a]\ndirectory = ' '\ntable = 't'", "pipelines.a.directory", "is empty"),
    ("[pipelines.a]\ndirectory = '~/in'\ntable = 't'", "pipelines.a.directory", "write the home directory out"),
    ("[pipelines.a]\ndirectory = 'in'", "pipelines.a.table", "is missing"),
    ("[pipelines.a]\ndirectory = 'in'\ntable = 'my table'", "pipelines.a.table", "double quotes"),
];

/// The same for lines of one pipeline, and keys below it.
#[rustfmt::skip]
const IN_THE_PIPELINE: &[(&str, &str, &str)] = &[
    ("pattern = ''", "pattern", "is empty"),
    ("pattern = '[a'", "pattern", "is no pattern"),
    ("pattern = 'in/*.csv'", "pattern", "set recursive"),
    ("recursive = 'yes'", "recursive", "neither true nor false"),
    ("order = 'size'", "order", "write one of \"name\", \"modified\""),
    ("settle = '2 fortnights'", "settle", "is no duration"),
    ("scan_interval = '0s'", "scan_interval", "write \"10ms\" or more"),
    ("archive = 'in'", "archive", "write archive = false"),
    ("archive = './x/../in/'", "archive", "is the directory that files arrive in"),
    ("recursive = true\narchive = 'in/done'", "archive", "recursive = true watches"),
    ("recursive = true\nquarantine = 'in/bad'", "quarantine", "recursive = true watches"),
    ("archive = 5", "archive", "expected a directory, or false"),
    ("archive = ''", "archive", "is empty"),
    ("delimiter = ''", "delimiter", "is empty"),
    ("delimiter = \"\\n\"", "delimiter", "ends lines"),
    ("delimiter = '\"'", "delimiter", "is the same as quote"),
    ("delimiter = '|\"|'", "delimiter", "holds the quote"),
    ("trim = true\ndelimiter = ', '", "delimiter", "which trim takes off"),
    ("trim = true\ndelimiter = 'tab'", "delimiter", "or trim = false"),
    ("quote = 'ab'", "quote", "is not one ASCII character"),
    ("quote = '«'", "quote", "is not one ASCII character"),
    ("quote = ''", "quote", "is not one ASCII character"),
    ("quote = true", "quote", "expected text in quotes, or false"),
    ("quote = \"\\n\"", "quote", "ends lines"),
    ("trim = true\nquote = ' '", "quote", "is white space"),
    ("escape = '\\\\'", "escape", "is not one ASCII character"),
    ("quote = false\nescape = '\\'", "escape", "quote = false"),
    ("comment = '//'", "comment", "is not one ASCII character"),
    ("comment = '\"'", "comment", "is the same as quote"),
    ("comment = ';'\ndelimiter = ';;'", "comment", "the delimiter begins with"),
    ("trim = 1", "trim", "expected true or false"),
    ("skip_lines = -1", "skip_lines", "not a whole number"),
    ("null = 5", "null", "expected a list of texts"),
    ("null = [\"a\\nb\"]", "null", "holds a line end"),
    ("null = ['a,b']", "null", "holds the delimiter"),
    ("delimiter = '||'\nnull = ['|', '||']", "null", "\"||\" can never be met"),
    ("null = ['\"\"']", "null", "write it without quotes, in quoted_null"),
    ("null = [\"\\u0000\"]", "null", "holds a NUL"),
    ("trim = true\nnull = [' ']", "null", "has white space around it"),
    ("quoted_null = [\"\\u0000\"]", "quoted_null", "holds a NUL"),
    ("quote = false\nquoted_null = ['']", "quoted_null", "no field is quoted"),
    ("columns = [{ name = 'a', trim = true, null = ['- '] }]", "columns.a.null", "which trim takes off"),
    ("columns = [{ name = 'a', trim = true, quoted_null = ['- '] }]", "columns.a.quoted_null", "which trim takes off"),
    ("columns = [{ name = 'a', null = ['1,5'] }]", "columns.a.null", "holds the delimiter"),
    ("quote = false\ncolumns = [{ name = 'a', quoted_null = [''] }]", "columns.a.quoted_null", "no field is quoted"),
    ("header = false", "header", "columns have to be listed"),
    ("max_record = '1MBit'", "max_record", "no unit of size"),
    ("max_record = '32MiB'", "max_record", "more than a quarter of memory (48MiB)"),
    ("encoding = 'window-1252'", "encoding", "did you mean \"windows-1252\""),
    ("encoding = 'klingon'", "encoding", "\"windows-1252\" or \"utf-16le\""),
    ("encoding = 5", "encoding", "expected text"),
    ("compression = 'gzip'", "compression", "write one of \"auto\", \"none\""),
    ("max_ratio = 0", "max_ratio", "write 1 to 1000000"),
    ("batch_bytes = '32MiB'", "batch_bytes", "raise memory to 128MiB or more"),
    ("batch_bytes = 10", "batch_bytes", "write 1KiB to 1GiB"),
    ("batch_rows = 0", "batch_rows", "write 1 to 10000000"),
    ("batch_rows = 2.5", "batch_rows", "not a whole number"),
    ("partitions = -1", "partitions", "not a whole number"),
    ("partitions = 1000", "partitions", "write 1 to 256"),
    ("memory = '1MiB'", "memory", "write 4MiB to 64GiB"),
    ("create = true", "create", "list them, or write create = false"),
    ("key = 5", "key", "expected a list of names"),
    ("key = ['a', 'a']", "key", "names \"a\" twice"),
    ("key = ['']", "key", "has an empty name"),
    ("mode = 'replace'", "mode", "write one of \"append\", \"upsert\", \"ignore\", \"newest\""),
    ("mode = 'upsert'", "mode", "needs a key"),
    ("mode = 'newest'\nkey = 'a'", "version", "is missing"),
    ("mode = 'newest'\nkey = 'a'\nversion = 'a'", "version", "part of the key"),
    ("version = 'b'\nkey = 'a'", "version", "is for mode = \"newest\" alone"),
    ("mode = 'ignore'\nkey = 'a'\nupdate = 'b'", "update", "is for mode = \"upsert\" alone"),
    ("key = 'a'\nupdate = []", "update", "write mode = \"ignore\""),
    ("key = 'a'\nupdate = ['b', 'b']", "update", "names \"b\" twice"),
    ("key = 'a, b'\nupdate = 'b'", "update", "part of the key"),
    ("delete_when = { field = 'op', values = ['D'] }", "delete_when", "needs a key"),
    ("key = 'a'\nmode = 'append'\ndelete_when = { field = 'op', values = ['D'] }", "delete_when", "needs a key"),
    ("key = 'a'\ndelete_when = 'D'", "delete_when", "expected a table"),
    ("key = 'a'\ndelete_when = { field = 'op', values = ['D'], value = 'D' }", "delete_when.value", "did you mean \"values\""),
    ("key = 'a'\ndelete_when = { values = ['D'] }", "delete_when.field", "is missing"),
    ("key = 'a'\ndelete_when = { field = 'op' }", "delete_when.values", "is missing"),
    ("key = 'a'\ndelete_when = { field = 'op', values = [] }", "delete_when.values", "is empty"),
    ("indexes = 'a'", "indexes", "expected a list of lists"),
    ("indexes = [[]]", "indexes", "an index without a column"),
    ("redropped = 'skip'", "redropped", "expected a table"),
    ("redropped = { same = 'tail' }", "redropped.same", "\"tail\" is for appended alone"),
    ("redropped = { changed = 'tail' }", "redropped.changed", "write one of \"skip\", \"reload\", \"quarantine\""),
    ("redropped = { renamed = 'load' }", "redropped.renamed", "write one of \"skip\", \"reload\", \"quarantine\""),
    ("redropped = { appended = 'append' }", "redropped.appended", "write one of \"skip\", \"tail\", \"reload\", \"quarantine\""),
    ("redropped = { moved = 'skip' }", "redropped.moved", "known here are same, appended, changed, renamed"),
    ("done_marker = ''", "done_marker", "is empty"),
    ("done_marker = 'done/'", "done_marker", "a character that no name has"),
    ("manifest = 5", "manifest", "expected text"),
    ("done_marker = '.ok'\nmanifest = '.json.ok'", "manifest", "can't be told from done_marker"),
    ("columns = 5", "columns", "begin each with [[pipelines.events.columns]]"),
    ("columns = ['id']", "columns.1", "expected a table"),
    ("columns = [{ type = 'int' }]", "columns.1.name", "is missing"),
    ("columns = [{ name = '' }]", "columns.1.name", "can't be a column's name"),
    ("columns = [{ name = 'a' }, { name = 'a' }]", "columns.a.name", "is there already"),
    ("columns = [{ name = 'a' }, { name = 'b', field = 'a' }]", "columns.b.field", "goes to column \"a\" already"),
    ("columns = [{ name = 'a', case = 'title' }]", "columns.a.case", "\"lower\", \"upper\""),
    ("columns = [{ name = 'a', allowed = [] }]", "columns.a.allowed", "leave it out"),
    ("columns = [{ name = 'a', case = 'lower', allowed = ['Buy'] }]", "columns.a.allowed", "write \"buy\""),
    ("columns = [{ name = 'a', trim = true, allowed = [' b'] }]", "columns.a.allowed", "write \"b\""),
    ("columns = [{ name = 'a', minimum = 5, maximum = 1 }]", "columns.a.minimum", "above maximum"),
    ("columns = [{ name = 'a', minimum = '' }]", "columns.a.minimum", "is empty"),
    ("columns = [{ name = 'a', type = '' }]", "columns.a.type", "is empty"),
    ("header = false\ncolumns = [{ name = 'a', field = 'b' }]", "columns.a.field", "columns are taken in their order"),
    ("create = true\ncolumns = [{ name = 'a' }]", "columns.a.type", "is missing"),
    ("generated = [{ name = 'a', expression = '1' }]", "generated.a.type", "is missing"),
    ("generated = [{ name = 'a', type = 'int' }]", "generated.a.expression", "is missing"),
    ("generated = [{ name = 'a', type = 'int', expression = '' }]", "generated.a.expression", "is empty"),
];

/// The same for a pipeline with columns.
#[rustfmt::skip]
const WITH_COLUMNS: &[(&str, &str, &str)] = &[
    ("key = ['event_id']", "key", "the columns are id, price"),
    ("key = ['prize']", "key", "did you mean \"price\""),
    ("key = ['id']\nupdate = ['prize']", "update", "did you mean \"price\""),
    ("key = ['id']\nmode = 'newest'\nversion = 'seen'", "version", "is not among the columns"),
    ("key = ['id']\nheader = false\ndelete_when = { field = 'op', values = ['D'] }", "delete_when.field", "is not among the columns"),
    ("indexes = [['x_y_z']]", "indexes", "is not among the columns"),
    ("generated = [{ name = 'id', type = 'int', expression = '1' }]", "generated.id.name", "is there already"),
    ("key = ['sum']\ngenerated = [{ name = 'sum', type = 'int', expression = '1' }]", "key", "is not among the columns"),
];

#[test]
fn bad_toml_says_where_without_quoting_the_line() {
    let text = refusal("[log]\nlevel = 'info'\n[database]\nurl = 'postgresql://u:secret@h/d\n");
    assert!(text.contains("test.toml: line 4, column "), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let text = refusal(&format!("{SMALL}{SMALL}"));
    assert!(text.contains("line 4, column "), "{text}");
    assert!(text.contains("duplicate"), "{text}");
}

#[test]
fn a_password_is_never_shown() {
    for text in [
        "database = 'postgresql://u:secret@h/d'",
        "[database]\nurl = 'postgresql://u:secret@h:port/d'",
        "[database]\nurl = ['postgresql://u:secret@h/d']",
        "[database]\nurl = 'postgresql:/u:secret@h/d'",
    ] {
        let text = refusal(text);
        assert!(text.contains("test.toml: database"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    let settings = load("[database]\nurl = 'postgresql://u:secret@h/d'");
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let text = refusal(
        r#"
        servce = {}
        [log]
        level = "loud"
        [pipelines.a]
        directory = "in"
        patern = "*.csv"
        partitions = 0
        columns = [{ name = "x", typ = "int", trim = 1 }]
        "#,
    );
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "servce: unknown key; did you mean \"service\"?",
        "pipelines.a.patern: unknown key; did you mean \"pattern\"?",
        "pipelines.a.columns.x.typ: unknown key; did you mean \"type\"?",
        "log.level: \"loud\" is unknown; write one of \"error\", \"warning\", \"info\", \"debug\"",
        "pipelines.a.table: is missing; name the table, as \"name\" or \"schema.name\"",
        "pipelines.a.columns.x.trim: expected true or false, found a number",
        "pipelines.a.partitions: 0 can't be; write 1 to 256",
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        let (file, rest) = line.split_once(": ").unwrap();
        assert!(file.ends_with("test.toml"), "{line}");
        assert_eq!(rest, expected);
    }
}

#[test]
fn each_mistake_has_its_message() {
    let below = |key: &str| format!("pipelines.events.{key}");
    for (text, key, said) in ALONE {
        expect(text, key, said);
    }
    for (text, key, said) in IN_THE_PIPELINE {
        expect(&with(text), &below(key), said);
    }
    for (text, key, said) in WITH_COLUMNS {
        expect(&with(&format!("{COLUMNS}{text}")), &below(key), said);
    }
}

fn expect(text: &str, key: &str, said: &str) {
    let error = refusal(text);
    assert_eq!(error.lines().count(), 1, "{text}\n{error}");
    let place = format!("test.toml: {key}: ");
    assert!(error.contains(&place), "{text}\n{error}");
    assert!(error.contains(said), "{text}\n{error}");
}

#[test]
fn two_pipelines_must_not_take_the_same_file() {
    let two = |first: &str, second: &str| {
        format!("[pipelines.a]\ntable = 't'\n{first}\n[pipelines.b]\ntable = 't'\n{second}\n")
    };
    for (first, second) in [
        ("directory = 'in'", "directory = './in/'"),
        (
            "directory = 'in'\npattern = 'a*'",
            "directory = 'in'\npattern = '*.csv'",
        ),
        ("directory = 'in'\nrecursive = true", "directory = 'in/b'"),
        ("directory = 'in/a'", "directory = 'in'\nrecursive = true"),
    ] {
        let text = refusal(&two(first, second));
        assert!(
            text.contains("pipelines.b.directory: pipeline \"a\" would take the same files"),
            "{text}"
        );
    }
    for (first, second) in [
        ("directory = 'in/a'", "directory = 'in/b'"),
        ("directory = 'in'", "directory = 'in/b'"),
        (
            "directory = 'in'\npattern = 'a*.csv'",
            "directory = 'in'\npattern = 'b*.csv'",
        ),
    ] {
        assert_eq!(load(&two(first, second)).pipelines.len(), 2);
    }
}

/// Without a header, a mark that was to be found in a constant was found nowhere, and what was to be
/// deleted was loaded.
#[test]
fn a_mark_is_looked_for_in_a_field_and_not_in_a_constant() {
    let text = with(
        "key = 'id'\nheader = false\ncolumns = [{ name = 'id' }, { name = 'op', constant = 'D' }]\n\
         delete_when = { field = 'op', values = ['D'] }",
    );
    expect(
        &text,
        "pipelines.events.delete_when.field",
        "that take a field",
    );
}
