//! What only a test build has, no other build has.

use std::path::Path;
use std::process::Command;

use crate::support::Scratch;

/// The words that stand in a program with failpoints.
const WORDS: [&str; 3] = ["FAILPOINTS", "batch.commit", "archive.taken"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn no_release_depends_on_failpoints() {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".to_owned());
    let tree = |features: &[&str]| {
        let output = Command::new(&cargo)
            .args(["tree", "--locked", "--offline", "--package", "ingestd"])
            .args(["--edges", "normal,build", "--prefix", "none"])
            .args(features)
            .current_dir(root())
            .output()
            .expect("cargo");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("text")
    };
    let has_failpoints = |tree: &str| {
        let mut lines = tree.lines();
        lines.any(|line| line.starts_with("fail v"))
    };
    assert!(!has_failpoints(&tree(&[])));
    assert!(has_failpoints(&tree(&["--features", "failpoints"])));
}

/// A program of the very sources that all steps are made of, built without the feature: the whole of it
/// takes minutes.
#[test]
fn without_them_the_variable_means_nothing_and_no_step_has_a_name() {
    let scratch = Scratch::new();
    let actors = root().join("actors/src");
    let steps = std::fs::read_to_string(actors.join("failpoint/steps.rs")).expect("the steps");
    let (_, steps) = steps.split_once("pub enum Step {").expect("the steps");
    let (steps, _) = steps.split_once("\n}").expect("their end");
    let steps = steps
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|step| !step.contains('('));
    let steps: Vec<String> = steps.map(|step| format!("Step::{step}")).collect();
    assert!(steps.len() > 50, "{steps:?}");
    let program = format!(
        "#![allow(dead_code, unexpected_cfgs)]
         #[path = \"{actors}\"] mod actors {{ pub mod error; pub mod failpoint; }}
         use actors::error;
         use actors::failpoint::{{ReplayStep, Step, pass, pass_at_once, pass_io, set_up}};
         use std::task::{{Context, Poll, Waker}};
         fn main() {{
             set_up();
             let mut context = Context::from_waker(Waker::noop());
             for step in [Step::Replay(ReplayStep::Commit), {steps}] {{
                 assert!(pass_at_once(step).is_ok() && pass_io(step).is_ok());
                 let passed = std::pin::pin!(pass(step)).poll(&mut context);
                 assert!(matches!(passed, Poll::Ready(Ok(()))));
             }}
             println!(\"passed\");
         }}",
        actors = actors.display(),
        steps = steps.join(", "),
    );
    let source = scratch.write("program.rs", program);
    let built = scratch.path().join("program");
    let output = Command::new(std::env::var("RUSTC").unwrap_or("rustc".to_owned()))
        .args(["--edition", "2024", "-o"])
        .arg(&built)
        .arg(&source)
        .current_dir(root())
        .output()
        .expect("rustc");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let everywhere = "batch.commit=return(kill);archive.taken=return(panic)";
    let output = Command::new(&built).env("FAILPOINTS", everywhere).output();
    assert_eq!(output.expect("it runs").stdout, b"passed\n");
    let bytes = std::fs::read(&built).expect("the program");
    for word in WORDS {
        let mut places = bytes.windows(word.len());
        assert!(!places.any(|place| place == word.as_bytes()), "{word}");
    }
}
