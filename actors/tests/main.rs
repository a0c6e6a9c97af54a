//! The tree on ports in memory: whatever goes wrong, every row arrives once and in order.
//!
//! Time is the runtime's own and stands still while anything can run, so that backoffs cost nothing
//! and a test that waits in vain fails at once.

mod back_pressure;
mod barrier;
mod budget;
mod children;
mod claimed_twice;
mod control;
mod filtered;
mod found;
mod happy_path;
mod indexes;
mod kernel;
mod lost_answers;
mod measured;
mod orders;
mod outages;
mod quarantine;
mod random_faults;
mod reconfigure;
mod sweeping;
mod whole;
mod writers;
mod zombies;

use std::future::Future;
use std::time::Duration;

use ingestd_actors::port::Event;
use ingestd_actors::testing::{Fault, Hold, Life, Setting, State, Step, TestFile, World};
use tokio::task::LocalSet;

/// Runs a test on a thread of actors whose time runs only while nothing else does.
fn run<T>(test: impl Future<Output = T>) -> T {
    silence_injected_panics();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

fn silence_injected_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            if !text.is_some_and(|text| text.starts_with("injected")) {
                report(panic);
            }
        }));
    });
}

/// Puts files into the inbox, named in their order.
fn put_all(world: &World, files: &[TestFile]) {
    for (index, file) in files.iter().enumerate() {
        world.put(format!("{index:04}.csv"), file.clone());
    }
}

/// A world with three files in its inbox, each of many chunks.
fn stocked(partitions: u16) -> (World, Vec<TestFile>) {
    let world = World::new(partitions);
    let files: Vec<TestFile> = (0..3).map(|file| TestFile::rows(file * 100, 60)).collect();
    put_all(&world, &files);
    (world, files)
}

/// The same, with a life that has read some chunks of the first one.
async fn begun(partitions: u16) -> (World, Vec<TestFile>, Life) {
    let (world, files) = stocked(partitions);
    let life = Life::start(&world, Setting::default());
    world.until_called(Step::SourceNext, 4).await;
    (world, files, life)
}

/// The same, with a life that is set so, and has written three batches; so many more are held.
async fn held(batches: u64, setting: Setting) -> (World, Vec<TestFile>, Life, Hold) {
    let (world, files) = stocked(2);
    let hold = Hold::default();
    world.fail_after(Step::SinkWrite, 3, batches, Fault::Hold(hold.clone()));
    let life = Life::start(&world, setting);
    world.until_called(Step::SinkWrite, 4).await;
    (world, files, life, hold)
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Waits until everything has left the inbox and the tree says that it is idle.
async fn until_idle(world: &World) {
    let told = |state: &State| state.count(|event| matches!(event, Event::Idle));
    let before = told(&world.state());
    world
        .until("idle", |state| state.is_finished() && told(state) > before)
        .await;
}

/// Waits until everything is loaded, and checks that it is there once.
async fn check_all_loaded(world: &World, files: &[TestFile]) {
    until_idle(world).await;
    let state = world.state();
    state.check_loaded(files);
    assert_eq!(state.archived.len(), files.len());
}
