//! The processes that load a pipeline, in words.

use std::collections::BTreeMap;

use crate::view::instances::Instance;

/// For people: the processes, those of one host together.
pub fn in_words(instances: &[Instance]) -> String {
    let mut hosts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for instance in instances {
        let processes = hosts.entry(&instance.host).or_default();
        processes.push(instance.process.to_string());
    }
    let hosts = hosts
        .iter()
        .map(|(host, processes)| format!("{} on {host}", processes.join(", ")));
    hosts.collect::<Vec<_>>().join("; ")
}
