//! Previews that were printed as JSON and kept in a file.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;
use wxec_plan::{Foreseen, Report};

use crate::output::command_error::CommandError;

/// A preview as it is printed: of one host, or of several by their names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Saved {
    One(Report),
    Several(HashMap<String, Report>),
}

/// Reads what a preview in a file foresees of each of these hosts, and fails if it does not have one
/// of them.
pub(crate) fn read(file: &Path, hosts: &[&str]) -> Result<HashMap<String, Foreseen>, CommandError> {
    let wrong = |why: String| {
        let message = format!("cannot apply the preview in {}: {why}", file.display());
        CommandError::usage(message)
            .hint("`wxec apply TARGET PLAN --dry-run --format json` prints one")
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let saved = serde_json::from_str(&text).map_err(|_| wrong("it is no preview".into()))?;
    let reports = match (saved, hosts) {
        (Saved::One(report), [host]) => HashMap::from([((*host).to_owned(), report)]),
        (Saved::One(_), _) => return Err(wrong("it is of one host, and these are several".into())),
        (Saved::Several(reports), _) => reports,
    };
    if let Some(missing) = hosts.iter().find(|host| !reports.contains_key(**host)) {
        return Err(wrong(format!("it does not have {missing}")));
    }
    if reports.values().any(|report| !report.preview) {
        return Err(wrong("it is the report of a run, not of a preview".into()));
    }
    let foreseen = reports.into_iter();
    Ok(foreseen
        .map(|(host, report)| (host, report.foreseen()))
        .collect())
}
