//! Walks through every state of a model, in order of distance, and finds the first that is wrong and
//! the first from which no way leads to the end.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A system that takes one step at a time.
pub trait Model {
    type State: Clone + Hash;
    type Step: Copy + Debug;

    fn start(&self) -> Self::State;
    /// What may happen next.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    fn take(&self, state: &mut Self::State, step: Self::Step);
    /// Something that must not happen, and may: no way to the end may depend on it.
    fn is_fault(&self, step: Self::Step) -> bool;
    /// What must never be true.
    fn wrong(&self, state: &Self::State) -> Option<String>;
    fn is_done(&self, state: &Self::State) -> bool;
    /// A step as people read it.
    fn describe(&self, state: &Self::State, step: Self::Step) -> String;
}

/// What the walk has shown.
pub struct Outcome {
    pub states: usize,
    pub steps: usize,
    pub depth: u32,
    pub found: Option<Found>,
}

/// What must not be, and the shortest way there.
pub struct Found {
    pub what: String,
    pub trace: Vec<String>,
}

struct Node<S> {
    /// The node from which it was reached first, and by which step.
    before: Option<(u32, S)>,
    depth: u32,
    done: bool,
}

const STUCK: &str = "stuck: no way leads to the end any more";

/// All states, unless something is found before.
///
/// # Panics
/// Where there are more states than `most`: then nothing is shown, and the model is too large.
pub fn explore<M: Model>(model: &M, most: usize) -> Outcome {
    let start = model.start();
    let mut known: HashMap<u64, u32, BuildHasherDefault<Digest>> = HashMap::default();
    known.insert(digest(&start), 0);
    let mut nodes = vec![Node {
        before: None,
        depth: 0,
        done: model.is_done(&start),
    }];
    let mut ahead = VecDeque::from([(0_u32, start)]);
    // By which nodes each is reached without a fault.
    let mut sources: Vec<Vec<u32>> = vec![Vec::new()];
    let mut steps = 0;
    while let Some((from, state)) = ahead.pop_front() {
        for step in model.steps(&state) {
            steps += 1;
            let mut next = state.clone();
            model.take(&mut next, step);
            let new = nodes.len() as u32;
            let to = *known.entry(digest(&next)).or_insert(new);
            if to == new {
                nodes.push(Node {
                    before: Some((from, step)),
                    depth: nodes[from as usize].depth + 1,
                    done: model.is_done(&next),
                });
                sources.push(Vec::new());
                if let Some(what) = model.wrong(&next) {
                    return outcome(model, &nodes, steps, Some((new, what)));
                }
                assert!(nodes.len() <= most, "more than {most} states");
                ahead.push_back((new, next));
            }
            if !model.is_fault(step) && to != from {
                sources[to as usize].push(from);
            }
        }
    }
    let stuck = first_stuck(&nodes, &sources).map(|node| (node, STUCK.to_owned()));
    outcome(model, &nodes, steps, stuck)
}

fn digest(state: &impl Hash) -> u64 {
    let mut digest = Digest::default();
    state.hash(&mut digest);
    digest.finish()
}

/// Each word is mixed into all 64 bits by what can be undone, so that two states have one digest by
/// chance only. The standard library's hasher takes most of a walk's time where it is not optimized.
#[derive(Default)]
struct Digest(u64);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn first_stuck<S>(nodes: &[Node<S>], sources: &[Vec<u32>]) -> Option<u32> {
    let mut ends: Vec<bool> = nodes.iter().map(|node| node.done).collect();
    let done = (0..nodes.len() as u32).filter(|&node| ends[node as usize]);
    let mut ahead: Vec<u32> = done.collect();
    while let Some(node) = ahead.pop() {
        for &source in &sources[node as usize] {
            if !std::mem::replace(&mut ends[source as usize], true) {
                ahead.push(source);
            }
        }
    }
    let stuck = ends.iter().position(|ends| !ends)?;
    Some(stuck as u32)
}

fn outcome<M: Model>(
    model: &M,
    nodes: &[Node<M::Step>],
    steps: usize,
    found: Option<(u32, String)>,
) -> Outcome {
    let found = found.map(|(node, what)| {
        let mut way = Vec::new();
        let mut at = &nodes[node as usize];
        while let Some((before, step)) = at.before {
            way.push(step);
            at = &nodes[before as usize];
        }
        way.reverse();
        let trace = told(model, &way);
        Found { what, trace }
    });
    Outcome {
        states: nodes.len(),
        steps,
        depth: nodes.last().map_or(0, |node| node.depth),
        found,
    }
}

fn told<M: Model>(model: &M, way: &[M::Step]) -> Vec<String> {
    let mut state = model.start();
    let tell = |&step: &M::Step| {
        let line = model.describe(&state, step);
        model.take(&mut state, step);
        line
    };
    way.iter().map(tell).collect()
}

/// Random walks, for what is too large to be walked through: each goes on until it is done, or for
/// `longest` steps. Returns the steps taken, or what was found.
pub fn wander<M: Model>(model: &M, seed: u64, walks: u32, longest: u32) -> Result<usize, Found> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut taken = 0;
    for _ in 0..walks {
        let mut state = model.start();
        let mut way = Vec::new();
        for _ in 0..longest {
            let steps = model.steps(&state);
            if steps.is_empty() {
                break;
            }
            let step = steps[random.random_range(0..steps.len())];
            model.take(&mut state, step);
            way.push(step);
            taken += 1;
            let done = model.is_done(&state);
            let what = model.wrong(&state);
            if let Some(what) = what {
                let trace = told(model, &way);
                return Err(Found { what, trace });
            }
            if done {
                break;
            }
        }
    }
    Ok(taken)
}
