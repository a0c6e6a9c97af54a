//! The protocol without one of its lines: the walk must find what that line is for.

use super::rules::Rule::{self, *};
use super::scene::Scene;
use super::scenes::*;
use crate::model::explore::explore;

/// A line that is taken out, what else is, and where that is found.
struct Mutation {
    off: &'static [Rule],
    scene: fn() -> Scene,
}

const fn alone(off: &'static [Rule; 1], scene: fn() -> Scene) -> Mutation {
    Mutation { off, scene }
}

/// The second line stands behind the first.
const fn beside(off: &'static [Rule; 2], scene: fn() -> Scene) -> Mutation {
    Mutation { off, scene }
}

const MUTATIONS: &[Mutation] = &[
    alone(&[PositionIsFrom], one_file),
    alone(&[EpochIsEpoch], changed),
    beside(&[AllOrNothing, EpochIsEpoch], two_files),
    beside(&[TrimAbove, ClaimRaisesEpoch], two_files),
    beside(&[BelowWritesNothing, LaneRemembers], forgetful),
    alone(&[GoneWritesNothing], one_file),
    alone(&[OneTransaction], one_file),
    alone(&[RejectsOneTransaction], one_file),
    beside(&[UnknownIsRead, CommitComparesSeen], one_file),
    alone(&[FromIsLedger], one_file),
    alone(&[LaneRemembers], forgotten_order),
    alone(&[ClaimRaisesEpoch], changed),
    alone(&[ClaimIsOnDisk], forgotten_files),
    alone(&[LeaseIsHeld], two_holders),
    alone(&[TakeoverTerminates], frozen),
    alone(&[ResumeFromLowest], one_file),
    alone(&[ResumeCountsRejects], one_file),
    alone(&[WatermarkWaits], noted),
    alone(&[NoteComparesSeen], forgetful),
    alone(&[RestartTogether], one_file),
    alone(&[CommitWaits], one_file),
    beside(&[CommitAddsUp, CommitWaits], one_file),
    alone(&[CommitComparesSeen], forgetful),
    alone(&[CommitComparesEpoch], two_processes),
    alone(&[CommitIsOnDisk], forgotten_files),
    alone(&[LeavesAfterCommitted], one_file),
    alone(&[GrowthStays], two_processes),
    alone(&[RowsAreStaged], whole),
    alone(&[MoveIsTheCommit], whole),
    alone(&[StagedAreCounted], emptied),
    beside(&[MovedAddUp, StagedAreCounted], emptied),
    alone(&[StageIsOfTheClaim], whole),
    alone(&[EndDropsStage], whole),
    alone(&[ClearsWhatHasEnded], whole),
    alone(&[EndIsJudged], over_its_share),
    beside(&[ErrorsAreKept, EndIsJudged], over_budget),
    beside(&[GiveUpWaits, KeptAreFenced], over_budget),
    alone(&[GiveUpIsNewest], over_budget),
    alone(&[QuarantineRaisesEpoch], over_budget),
    alone(&[LoadedGoesOn], over_budget),
    alone(&[BeyondIsForgotten], over_budget),
    alone(&[AfreshForgets], nothing_loaded),
    alone(&[AdmissionsAreCounted], one_file),
    alone(&[AdmissionsAreCounted], two_shared),
    alone(&[LivingKeepTheirs], two_shared),
    alone(&[ClaimTakesOwner], taken_for_dead),
];

/// More states than any of it needs.
const MOST: usize = 100_000;

#[test]
fn what_each_line_is_for_is_found_without_it() {
    println!("| without | found | steps |\n|---|---|---|");
    let mut traces = String::new();
    for mutation in MUTATIONS {
        let scene = (mutation.scene)();
        let (line, behind) = (mutation.off[0], mutation.off.get(1));
        if behind.is_some() {
            let alone = explore(&scene.clone().without(&mutation.off[..1]), MOST);
            let found = alone.found.map(|found| found.what);
            assert_eq!(found, None, "{line:?} needs no other line to be found");
        }
        let outcome = explore(&scene.clone().without(mutation.off), MOST);
        let Some(found) = outcome.found else {
            panic!(
                "without {:?} nothing is found in {:?}",
                mutation.off, scene.name
            );
        };
        let behind = behind.map_or_else(String::new, |it| format!("; and \"{}\"", it.says()));
        let (says, place, steps) = (line.says(), line.stands_in(), found.trace.len());
        println!(
            "| \"{says}\" (`{place}`){behind} | {} | {steps} |",
            found.what
        );
        traces += &format!("\n{says}{behind}, in {:?}: {}\n", scene.name, found.what);
        traces.extend(found.trace.iter().map(|step| format!("    {step}\n")));
    }
    println!("{traces}");
}
