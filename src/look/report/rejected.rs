//! The inputs that could not become rows, by reason.

use std::collections::BTreeMap;

use serde::Serialize;

use super::classes::MOST_OF_PATH;
use super::numbers::{cut, grouped, visible};
use crate::dataset::reject::Reject;

/// Names that are shown of each reason.
const SHOWN: usize = 20;

/// The rejected inputs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rejected {
    total: String,
    reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Serialize)]
struct Reason {
    reason: String,
    stage: String,
    rows: String,
    paths: Vec<String>,
    more: Option<String>,
}

impl Rejected {
    /// The rejected inputs, the most frequent reason first; none of none. `are_listed` in the
    /// dataset, too, all of them.
    pub(super) fn of(rejects: &[Reject], are_listed: bool) -> Option<Rejected> {
        let mut by_reason: BTreeMap<(&str, &str), Vec<&Reject>> = BTreeMap::new();
        for reject in rejects {
            by_reason.entry((&reject.reason, reject.stage.as_str())).or_default().push(reject);
        }
        let mut reasons: Vec<_> = by_reason.into_iter().collect();
        reasons.sort_by_key(|(_, rejects)| std::cmp::Reverse(rejects.len()));
        let reasons = reasons.into_iter().map(|((reason, stage), rejects)| Reason {
            // Often the same words for all of them.
            reason: match rejects.iter().all(|reject| reject.detail == rejects[0].detail) {
                true => cut(&visible(&rejects[0].detail), MOST_OF_PATH),
                false => reason.replace('_', " "),
            },
            stage: stage.to_owned(),
            rows: grouped(rejects.len()),
            paths: rejects.iter().take(SHOWN).map(|reject| cut(&visible(&reject.path), MOST_OF_PATH)).collect(),
            more: rejects.len().checked_sub(SHOWN).filter(|more| *more > 0).map(|more| {
                format!("and {} more{}", grouped(more), if are_listed { ", in rejects.jsonl" } else { "" })
            }),
        });
        (!rejects.is_empty()).then(|| Rejected { total: grouped(rejects.len()), reasons: reasons.collect() })
    }
}
