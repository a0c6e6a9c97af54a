//! Admitting candidates: what is known of them, what they hold, what follows, written down at once.
//!
//! A group costs a fixed number of statements, whatever its size; contents are looked at on threads
//! that may block, and only where the metadata don't decide.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use futures_util::try_join;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::model::{Candidate, FileId};
use ingestd_actors::port::{Skipped, Verdict, gone};
use slog::info;
use tokio_postgres::Transaction;

use super::answer::{later, new_verdict, quick_verdict};
use super::claim::Wanted;
use super::comes_again::Return;
use super::error::ledger_error;
use super::evidence::{Look, gather, look_at};
use super::examined::{Examined, committed_at, last_of, wait_for_equals};
use super::headers::{self, NewHeader};
use super::known::Known;
use super::originals::{leave_out_held, lock_in_time, originals_of, still_stand};
use super::others::{Others, Sight, owners};
use super::plans::NewPlan;
use super::register::NewFile;
use super::verdict::{Decision, Quick, by_content, by_metadata};
use super::{Core, Planned};
use crate::fs::{candidate_at, file_error, path_text};
use crate::postgres::Client;

/// The most candidates that are decided about in one transaction.
const GROUP: usize = 512;
/// How often it is decided anew because another instance was faster.
const TRIES: usize = 5;

impl Core {
    pub(super) async fn admit(&self, candidates: Vec<Candidate>) -> Result<Vec<Verdict>> {
        let shared = self.lease.check().await?;
        let mut verdicts = Vec::with_capacity(candidates.len());
        for group in candidates.chunks(GROUP) {
            let decided = self.decide_about(group, shared).await?;
            if self.rules.named {
                self.taken.note(&decided);
            }
            verdicts.extend(decided);
        }
        self.untold.told(&verdicts);
        Ok(verdicts)
    }

    /// Decides about a group: anew where what it is decided by has changed meanwhile.
    async fn decide_about(&self, group: &[Candidate], shared: bool) -> Result<Vec<Verdict>> {
        for tried in 0..TRIES {
            let decided = self.admit_group(group.to_vec(), shared, tried > 0);
            if let Some(decided) = decided.await? {
                return Ok(decided);
            }
        }
        let wait = |it| later(it, "what it is compared with changes again and again");
        Ok(group.iter().map(wait).collect())
    }

    /// `None` where what they are decided by has changed meanwhile, or is held by somebody; `again`: that
    /// was so before.
    async fn admit_group(
        &self,
        candidates: Vec<Candidate>,
        shared: bool,
        again: bool,
    ) -> Result<Option<Vec<Verdict>>> {
        let candidates = if self.rules.named {
            blocking(move || as_they_are_now(candidates)).await?
        } else {
            candidates
        };
        let mut verdicts: Vec<Option<Verdict>> = vec![None; candidates.len()];
        let mut client = self.database.client().await?;
        // Sent at once, carried out one after the other: nothing that is known of a file is older
        // than the sight of the others.
        let (sight, at_paths) = try_join!(
            self.look_at_others(&client, shared),
            self.find_at_paths(&client, &candidates),
        )?;
        if sight.paused {
            let wait = |it| later(it, "the pipeline is paused");
            return Ok(Some(candidates.iter().map(wait).collect()));
        }

        let mut by_content = Vec::new();
        let mut taken = 0;
        let mut paths: HashSet<PathBuf> = HashSet::new();
        for (index, (candidate, known)) in candidates.into_iter().zip(at_paths).enumerate() {
            if !paths.insert(candidate.path.clone()) {
                verdicts[index] = Some(later(&candidate, "it was named twice"));
                continue;
            }
            if self.rules.named && self.taken.has(&candidate) {
                verdicts[index] = Some(Verdict::Ignore(candidate.path));
                continue;
            }
            let quick = by_metadata(&candidate, &known, self.rules);
            let quick = self.untold.tell(quick, &candidate, &known);
            if let Some(reason) = sight
                .others
                .wait_for(&candidate, &known, &quick, self.rules)
            {
                verdicts[index] = Some(later(&candidate, reason));
                continue;
            }
            match quick {
                Quick::Content
                    if taken > 0 && candidate.size > sight.others.share().saturating_sub(taken) =>
                {
                    verdicts[index] =
                        Some(later(&candidate, "it is for the instance that is free"));
                }
                Quick::Content => {
                    taken += candidate.size;
                    by_content.push((index, candidate, known));
                }
                quick => verdicts[index] = Some(quick_verdict(quick, candidate)),
            }
        }
        if !by_content.is_empty() {
            let mut examined = self
                .examine(&client, by_content, &sight.others, &mut verdicts)
                .await?;
            self.compare(&client, &mut examined).await?;
            // One that is not complete holds up no other.
            wait_for_equals(&mut examined);
            let mut examined = self.plan(examined).await?;
            if again {
                leave_out_held(&client, &mut examined, &mut verdicts).await?;
            }
            let transaction = self.database.begin(&mut client).await?;
            let written = self
                .write_down(&transaction, examined, &sight, !shared, &mut verdicts)
                .await?;
            let Some(again) = written else {
                return Ok(None);
            };
            self.untold.note(&verdicts);
            pass(Step::AdmitCommit).await?;
            transaction
                .commit()
                .await
                .map_err(|error| ledger_error(error, "admitting files"))?;
            pass(Step::AdmitCommitted).await?;
            for (file, path, why) in again {
                info!(self.log, "file comes again"; "file" => file.0, "path" => path_text(&path),
                    "verdict" => why.verdict, "reason" => why.reason);
            }
        }
        verdicts
            .into_iter()
            .map(|verdict| {
                let missing = || Error::new(ErrorKind::Bug, "a candidate was left undecided");
                verdict.ok_or_else(missing)
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Looks at contents and decides.
    async fn examine(
        &self,
        client: &Client,
        candidates: Vec<(usize, Candidate, Vec<Known>)>,
        others: &Others,
        verdicts: &mut [Option<Verdict>],
    ) -> Result<Vec<Examined>> {
        let looked = blocking(move || {
            let look = |(index, candidate, known)| {
                let look = look_at(&candidate);
                (index, candidate, known, look)
            };
            candidates.into_iter().map(look).collect::<Vec<_>>()
        })
        .await?;

        let mut examined = Vec::new();
        let mut printed = Vec::new();
        let mut vanished = Vec::new();
        for (index, candidate, known, look) in looked {
            match look {
                Look::Fingerprint(print) => printed.push((index, candidate, print, known)),
                Look::Vanished if self.rules.named => vanished.push((index, candidate)),
                Look::Vanished => verdicts[index] = Some(later(&candidate, "it vanished")),
                Look::Changing => {
                    verdicts[index] = Some(later(&candidate, "it is being written"));
                }
                Look::Unreadable(reason) => {
                    examined.push(Examined::unreadable(index, candidate, reason));
                }
                Look::Failed(error) => {
                    let doing = format!("reading {}", path_text(&candidate.path));
                    return Err(file_error(error, &doing));
                }
            }
        }
        if !vanished.is_empty() {
            let gone = self.judge_vanished(client, vanished, verdicts).await?;
            examined.extend(gone);
        }
        let known = printed
            .iter_mut()
            .map(|(.., known)| std::mem::take(known))
            .collect();
        let asked: Vec<_> = printed
            .iter()
            .map(|(_, candidate, print, _)| (candidate, print))
            .collect();
        let related = self.find_related(client, &asked, known).await?;
        let (rules, dialect, others) = (self.rules, self.dialect.clone(), others.clone());
        let decided = blocking(move || {
            let mut decided = Vec::new();
            for ((index, candidate, print, _), known) in printed.into_iter().zip(related) {
                let replaces = committed_at(&candidate, &known, rules);
                let owners = owners(&known);
                let last = last_of(&candidate, &known);
                let decided_on = match gather(&candidate, &print, known, &dialect) {
                    Ok(facts) => by_content(&candidate, &facts, last.as_ref(), rules),
                    Err(error) => {
                        let reason = format!("it changed while it was looked at: {error}");
                        (Decision::Later(reason), None)
                    }
                };
                let (decision, again) = match decided_on {
                    (Decision::Load { gives_up, .. }, again) => {
                        (Decision::Load { gives_up, replaces }, again)
                    }
                    other => other,
                };
                decided.push(Examined {
                    index,
                    candidate,
                    fingerprint: Some(print),
                    decision: others.defer(decision, &owners),
                    again,
                    plan: None,
                    header: None,
                    expected: None,
                });
            }
            decided
        })
        .await?;
        examined.extend(decided);
        examined.sort_by_key(|one| one.index);
        Ok(examined)
    }

    /// Whoever named a file has to hear that it is gone, and where to if another instance has loaded it
    /// and moved it meanwhile. (A scan just doesn't find it again.)
    async fn judge_vanished(
        &self,
        client: &Client,
        vanished: Vec<(usize, Candidate)>,
        verdicts: &mut [Option<Verdict>],
    ) -> Result<Vec<Examined>> {
        let candidates: Vec<Candidate> = vanished.iter().map(|(_, it)| it.clone()).collect();
        let departed = self.find_departed(client, &candidates).await?;
        let mut gone = Vec::new();
        for ((index, candidate), departed) in vanished.into_iter().zip(departed) {
            match departed {
                Some((file, went)) => {
                    let reason = format!("it was loaded as file {} and moved to {went}", file.0);
                    verdicts[index] = Some(Verdict::Skip(Skipped {
                        file,
                        candidate,
                        reason,
                    }));
                }
                None => gone.push(Examined::unreadable(index, candidate, "it vanished".into())),
            }
        }
        Ok(gone)
    }

    /// Makes the plans of those that are to be loaded; a file without one is quarantined.
    async fn plan(&self, mut examined: Vec<Examined>) -> Result<Vec<Examined>> {
        for one in &mut examined {
            if !matches!(one.decision, Decision::Load { .. } | Decision::LoadTail(_)) {
                continue;
            }
            match self.planner.plan_for(&one.candidate).await {
                Ok(Planned { plan, header }) => {
                    one.plan = Some(NewPlan::new(&plan)?);
                    one.header = NewHeader::new(header);
                }
                Err(error) if error.kind() == ErrorKind::File => {
                    one.decision = Decision::Quarantine(None, error.to_string());
                    one.again = None;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(examined)
    }

    /// Writes all of it down; those that come again and are loaded, `None` where files were admitted
    /// meanwhile, or somebody has taken back or forgotten what some are compared with.
    async fn write_down(
        &self,
        transaction: &Transaction<'_>,
        examined: Vec<Examined>,
        sight: &Sight,
        alone: bool,
        verdicts: &mut [Option<Verdict>],
    ) -> Result<Option<Vec<(FileId, PathBuf, Return)>>> {
        let mut plans = HashMap::new();
        let mut digests = HashMap::new();
        let mut headers = HashMap::new();
        let mut wanted = Vec::new();
        let mut claimed = HashMap::new();
        let mut given_up = Vec::new();
        let mut replaced = Vec::new();
        let mut new = Vec::new();
        let mut refreshed = Vec::new();
        let originals = originals_of(&examined);
        for mut one in examined {
            if let Some(plan) = one.plan.take() {
                digests.insert(one.index, plan.digest.clone());
                plans.entry(plan.digest.clone()).or_insert(plan);
            }
            if let Some(header) = &mut one.header {
                let names = std::mem::take(&mut header.names);
                headers.entry(header.digest.clone()).or_insert(names);
            }
            match &one.decision {
                Decision::Later(reason) => {
                    verdicts[one.index] = Some(later(&one.candidate, reason));
                }
                Decision::Continue(file) if claimed.contains_key(file) => {
                    let reason = "an equal file goes on with the same loading";
                    verdicts[one.index] = Some(later(&one.candidate, reason));
                }
                Decision::Continue(file) => {
                    claimed.insert(*file, (one.index, one.candidate.clone()));
                    wanted.push(Wanted {
                        file: *file,
                        candidate: one.candidate,
                        fingerprint: one.fingerprint,
                    });
                }
                Decision::Refresh(known) => {
                    let again = one.again.take();
                    verdicts[one.index] =
                        Some(self.refreshed(known, &one.candidate, again.as_ref()));
                    refreshed.push((known.file, one.candidate, again));
                }
                Decision::Load { gives_up, replaces } => {
                    given_up.extend(gives_up.iter().copied());
                    replaced.extend(replaces.iter().copied());
                    new.push(one);
                }
                _ => new.push(one),
            }
        }
        // Sent at once, carried out one after the other.
        let (admitted, plans, headers) = try_join!(
            self.hold_admission(transaction, sight),
            self.plans.store(transaction, &self.pipeline, &plans),
            headers::store(transaction, &headers),
        )?;
        if !admitted {
            return Ok(None);
        }
        // Whatever is done to them, files are locked in one order.
        let touched: Vec<i64> = given_up
            .iter()
            .chain(&replaced)
            .chain(refreshed.iter().map(|(file, ..)| file))
            .chain(claimed.keys())
            .chain(originals.iter().map(|(file, _)| file))
            .map(|file| file.0)
            .collect();
        if !touched.is_empty() && !lock_in_time(transaction, &touched, &originals).await? {
            return Ok(None);
        }
        if !still_stand(transaction, &originals).await? {
            return Ok(None);
        }
        self.give_up(transaction, &given_up, alone).await?;
        self.note_replaced(transaction, &replaced, alone).await?;
        self.refresh(transaction, &refreshed).await?;
        let mut claims = self.claim(transaction, &wanted, alone).await?;
        for (file, (index, candidate)) in claimed {
            verdicts[index] = Some(match claims.remove(&file) {
                Some(claim) => Verdict::Load(claim),
                None => later(&candidate, "its state has just changed"),
            });
        }
        let files: Vec<NewFile> = new
            .iter()
            .map(|one| {
                let plan = digests.get(&one.index).and_then(|digest| plans.get(digest));
                let header = one.header.as_ref();
                let header = header.and_then(|header| headers.get(&header.digest));
                one.new_file(plan.cloned(), header.copied())
            })
            .collect();
        let ids = self.register(transaction, &files).await?;
        let mut loaded_again = Vec::new();
        for ((one, file), id) in new.iter().zip(files).zip(ids) {
            if let Some(why) = one.again.clone().filter(|_| file.plan.is_some()) {
                loaded_again.push((id, file.candidate.path.clone(), why));
            }
            verdicts[one.index] = Some(new_verdict(file, id));
        }
        Ok(Some(loaded_again))
    }

    /// What to do with a finished file that only looks different.
    fn refreshed(&self, known: &Known, candidate: &Candidate, again: Option<&Return>) -> Verdict {
        if let Some(why) = again {
            return Verdict::Skip(Skipped {
                file: known.file,
                candidate: candidate.clone(),
                reason: why.reason.clone(),
            });
        }
        // As it will be in the ledger, its metadata are those of the candidate.
        let mut known = known.clone();
        known.candidate = candidate.clone();
        let quick = by_metadata(candidate, std::slice::from_ref(&known), self.rules);
        quick_verdict(quick, candidate.clone())
    }
}

/// Files that were named may have changed since: nobody scans for them again.
fn as_they_are_now(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    for candidate in &mut candidates {
        if let Ok(Some(now)) = candidate_at(&candidate.path) {
            *candidate = now;
        }
    }
    candidates
}

/// Runs what blocks on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| gone("looking at files").with_source(error))
}
