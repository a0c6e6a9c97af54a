//! What the program is built on: licences, sources, and where its own code is unsafe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The packages that are built on a machine like this one, without asking a network.
fn packages() -> Vec<Value> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(ROOT)
            .output();
        let output = output.expect(program);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {err}");
        String::from_utf8(output.stdout).expect("text")
    };
    let version = said("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = said(
        &cargo,
        &[
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            host.expect("a host"),
        ],
    );
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The licences that deny.toml allows.
fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("deny.toml")).expect("deny.toml");
    let (_, list) = text.split_once("\nallow = [").expect("a list");
    let (list, _) = list.split_once(']').expect("its end");
    let quoted = list.split('"').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied. AND binds stronger than OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((before, rest)) = expression.split_once('(') {
        let (inside, after) = rest.split_once(')').expect("a closing bracket");
        let inside = inside.split(" OR ").find(|it| is_allowed(it, allowed));
        return inside.is_some_and(|one| is_allowed(&format!("{before}{one}{after}"), allowed));
    }
    let mut ways = expression.split(" OR ");
    ways.any(|way| {
        way.split(" AND ")
            .all(|licence| allowed.iter().any(|it| it == licence.trim()))
    })
}

#[test]
fn every_dependency_has_a_licence_and_a_source_that_are_allowed() {
    let allowed = allowed();
    for (expression, expected) in [
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", true),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
    let packages = packages();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_allowed(licence, &allowed), "{name}: {licence}");
        let source = package["source"].as_str().unwrap_or("this repository");
        let known = [
            "this repository",
            "registry+https://github.com/rust-lang/crates.io-index",
        ];
        assert!(known.contains(&source), "{name} comes from {source}");
        let name = name.as_str().expect("a name");
        assert!(!["openssl-sys", "native-tls"].contains(&name), "{name}");
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// Where the program's own code is unsafe; each block says why it holds.
const UNSAFE: [(&str, usize); 6] = [
    ("src/allocator.rs", 1),
    ("src/cli/psql.rs", 1),
    ("src/csv/marks.rs", 1),
    ("src/local_server/account.rs", 3),
    ("src/local_server/child.rs", 1),
    ("src/service/signals.rs", 7),
];

#[test]
fn unsafe_code_is_where_it_has_to_be_and_says_why() {
    let mut files = Vec::new();
    for folder in ["src", "actors/src"] {
        sources(&Path::new(ROOT).join(folder), &mut files);
    }
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let name = file
            .strip_prefix(ROOT)
            .expect("below")
            .display()
            .to_string();
        let text = std::fs::read_to_string(&file).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !line.contains("unsafe {")
                && !line.contains("unsafe fn")
                && !line.contains("unsafe impl")
            {
                continue;
            }
            *found.entry(name.clone()).or_default() += 1;
            let before = &lines[number.saturating_sub(8)..number];
            let says = before.iter().any(|line| line.contains("SAFETY:"));
            assert!(says, "{name}:{}: why is this sound?", number + 1);
        }
    }
    let expected: BTreeMap<String, usize> = UNSAFE
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(found, expected);
}
