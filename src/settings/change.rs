//! What differs between two configurations of one service.

use super::{Pipeline, Service, Settings};

/// What a reload has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Pipelines that are new.
    pub added: Vec<String>,
    /// Pipelines that are not configured any more.
    pub removed: Vec<String>,
    /// Pipelines that are configured otherwise.
    pub changed: Vec<String>,
    /// Pipelines that are configured as they were.
    pub unchanged: Vec<String>,
    /// Keys without which the rest can't be taken on: what they name can't be changed in a service
    /// that runs.
    pub impossible: Vec<&'static str>,
    /// Keys that count from the next start on.
    pub later: Vec<&'static str>,
}

impl Change {
    /// What leads from the one to the other.
    pub fn between(old: &Settings, new: &Settings) -> Change {
        let mut change = Change::default();
        for pipeline in &new.pipelines {
            let name = pipeline.name.clone();
            match find(old, &name) {
                None => change.added.push(name),
                Some(before) if before == pipeline => change.unchanged.push(name),
                Some(_) => change.changed.push(name),
            }
        }
        let gone = old.pipelines.iter().map(|pipeline| &pipeline.name);
        let gone = gone.filter(|&name| find(new, name).is_none());
        change.removed = gone.cloned().collect();
        change.compare_services(old, new);
        change
    }

    fn compare_services(&mut self, old: &Settings, new: &Settings) {
        let (old, new) = (&old.service, &new.service);
        if old.data_dir != new.data_dir {
            self.impossible.push("service.data_dir");
        }
        // Where it is said does not matter.
        let connection =
            |service: &Service| service.database.as_ref().map(|it| it.connection.clone());
        if connection(old) != connection(new) {
            self.impossible.push("[database]");
        }
        if old.shutdown_timeout != new.shutdown_timeout {
            self.later.push("service.shutdown_timeout");
        }
        if old.stuck_after != new.stuck_after {
            self.later.push("service.stuck_after");
        }
        if old.lease != new.lease {
            self.later.push("service.lease");
        }
        if old.log != new.log {
            self.later.push("[log]");
        }
        if old.http != new.http {
            self.later.push("[http]");
        }
        // Whatever else there is of the service, no pipeline's reload takes it on.
        let mut rest = new.clone();
        rest.data_dir.clone_from(&old.data_dir);
        rest.database.clone_from(&old.database);
        rest.shutdown_timeout = old.shutdown_timeout;
        rest.stuck_after = old.stuck_after;
        rest.lease = old.lease;
        rest.log.clone_from(&old.log);
        rest.http.clone_from(&old.http);
        if &rest != old {
            self.later.push("other keys of the service");
        }
    }
}

fn find<'a>(settings: &'a Settings, name: &str) -> Option<&'a Pipeline> {
    settings.pipelines.iter().find(|it| it.name == name)
}
