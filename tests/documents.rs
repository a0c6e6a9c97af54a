//! What the documents say of the project's own files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The names of all tests, from the sources of the program, the tree and the tests.
fn all_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "actors/src", "actors/tests", "tests"] {
        collect(&root().join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            names.extend(tests_of(&text));
        }
    }
}

/// The function behind each attribute that ends in `test]`, and those of a `proptest!` too.
fn tests_of(text: &str) -> impl Iterator<Item = String> {
    let attributes = text.split("#[").skip(1);
    let functions = attributes.filter(|rest| {
        let attribute = rest.split(']').next().unwrap_or_default();
        attribute == "test" || attribute.contains("::test")
    });
    functions.filter_map(|rest| {
        let (_, name) = rest.split_once("fn ")?;
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        Some(name[..end].to_owned())
    })
}

#[test]
fn every_test_that_the_page_of_test_cases_names_is_there() {
    let page = std::fs::read_to_string(root().join("docs/test-cases.md")).expect("the page");
    let tests = all_tests();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let mut named = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let last = cells.last().expect("a row has cells");
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            assert!(tests.contains(name), "there is no test {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 100, "only {named} tests are named");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "fuzz", "benches"] {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
        let entries = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "md")));
    }
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().expect("a folder").join(file),
            };
            assert!(path.exists(), "{}: {target}", page.display());
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&path).expect("a page");
                let found = there
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{}: no heading for {target}", page.display());
            }
        }
    }
}

/// The name of a heading in a link, as GitHub makes it.
fn anchor(line: &str) -> String {
    let words = line.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}
