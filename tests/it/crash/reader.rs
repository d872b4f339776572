//! What the library reads in the middle of a commit that replaces files: a complete snapshot, or nothing.

use inlaid::{Dataset, FormatError};

use super::scenario::Scenario;

/// Each takes two seconds if it can't be read.
const LOOKS: usize = 4;

fn fingerprints(dataset: Dataset) -> Vec<u64> {
    dataset.into_splits().values().map(inlaid::Table::fingerprint).collect()
}

#[test]
fn dataset_that_is_half_replaced_is_not_read() {
    for scenario in [Scenario::overwrite(), Scenario::compact()] {
        let open = || Dataset::open(scenario.out()).map(fingerprints);
        let mut steps = Vec::new();
        for step in 1.. {
            scenario.restore();
            if !scenario.run(&format!("kill:{step}")).killed {
                break;
            }
            if scenario.look().in_commit {
                steps.push(step);
            }
        }
        let after = open().unwrap();
        scenario.restore();
        let before = open().unwrap();
        let mut refused = 0;
        for step in steps.iter().step_by(steps.len().div_ceil(LOOKS)) {
            scenario.restore();
            assert!(scenario.run(&format!("kill:{step}")).killed);
            match open() {
                Ok(read) => assert!(read == before || read == after, "step {step}: a mixture"),
                Err(FormatError::Committing(_)) => refused += 1,
                Err(error) => panic!("step {step}: {error}"),
            }
        }
        assert!(refused > 0, "nothing was half replaced");
    }
}
