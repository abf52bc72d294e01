//! Modules beside the test vectors of the guest ABI.

use serde_json::{Value as Json, json};
use wxec::{Host, Module};
use wxec_conformance::{Run, RunError, Tested, Vectors, Verdict};

use crate::{
    base::{exit_code, verbosity::Verbosity},
    output::command_error::CommandError,
    terminal::{
        interrupt::{self, Interrupted},
        stdout::print_line,
    },
};

/// Calls the functions of `module` here, and prints how each vector went.
pub(crate) fn run(
    module: &Module,
    as_json: bool,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let host = Host::new("local:")?;
    let failed = |error: RunError| match error {
        RunError::Host(error) => CommandError::of_call(&error, verbosity).about(&host),
        error => CommandError::usage(error.to_string()),
    };
    let mut all = Vec::new();
    for tested in Run::new(&host, module, Vectors::bundled()).map_err(failed)? {
        if interrupt::happened() {
            return Err(Interrupted.into());
        }
        let tested = tested.map_err(failed)?;
        if !as_json {
            print_line(&text(all.last(), &tested));
        }
        all.push(tested);
    }
    if as_json {
        print_line(&report(module, &all).to_string());
    } else {
        print_line(&summary(&all));
    }
    Ok(if count(&all, is_difference) == 0 {
        exit_code::OK
    } else {
        exit_code::TASK_FAILED
    })
}

/// Width of the names of vectors: nearly all of them fit.
const NAME_WIDTH: usize = 56;

/// Returns the lines of a vector, behind those of the vector `before`.
fn text(before: Option<&Tested>, tested: &Tested) -> String {
    let Tested {
        group,
        name,
        verdict,
        ..
    } = tested;
    let mut lines = Vec::new();
    if before.is_none_or(|before| before.group != *group) {
        lines.extend(before.map(|_| String::new()));
        lines.push(group.clone());
    }
    lines.push(format!("  {name:NAME_WIDTH$}  {}", word(verdict)));
    if let Verdict::Differs(differences) = verdict {
        for difference in differences {
            lines.push(format!(
                "      {} expected  {}",
                difference.what, difference.expected
            ));
            lines.push(format!(
                "      {} found     {}",
                difference.what, difference.found
            ));
        }
    }
    lines.join("\n")
}

fn summary(all: &[Tested]) -> String {
    let [same, differ, absent] = [
        |verdict: &Verdict| *verdict == Verdict::Ok,
        is_difference,
        |verdict: &Verdict| *verdict == Verdict::NotOffered,
    ]
    .map(|is: fn(&Verdict) -> bool| count(all, is));
    format!("\n{same} ok, {differ} differ, {absent} not offered")
}

fn count(all: &[Tested], is: impl Fn(&Verdict) -> bool) -> usize {
    all.iter().filter(|tested| is(&tested.verdict)).count()
}

fn is_difference(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Differs(_))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::NotOffered => "not offered",
        _ => "differs",
    }
}

fn report(module: &Module, all: &[Tested]) -> Json {
    let vectors = all.iter().map(|tested| {
        let mut vector = json!({
            "group": tested.group,
            "name": tested.name,
            "result": word(&tested.verdict),
        });
        if let Verdict::Differs(differences) = &tested.verdict {
            let differences = differences.iter().map(|difference| {
                json!({
                    "what": difference.what,
                    "expected": difference.expected,
                    "found": difference.found,
                })
            });
            vector["differences"] = differences.collect();
        }
        vector
    });
    json!({
        "module": module.name(),
        "digest": module.digest().to_string(),
        "conforms": count(all, is_difference) == 0,
        "vectors": vectors.collect::<Vec<_>>(),
    })
}
