//! Mistakes in the settings of many hosts, each told once.

use std::collections::BTreeMap;

use wxec::fleet::fold_names;
use wxec_plan::config::Mistake;

use crate::{base::exit_code, output::command_error::CommandError};

/// Most mistakes that are shown: as many as a person mends at once.
const MAX_SHOWN: usize = 20;

/// Mistakes, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    /// Each mistake in words, with the hosts that have it.
    found: Vec<(String, Vec<String>)>,
    by_text: BTreeMap<String, usize>,
}

impl Mistakes {
    /// Adds the mistakes in the settings of a host.
    pub(crate) fn add(&mut self, host: &str, mistakes: impl IntoIterator<Item = Mistake>) {
        for mistake in mistakes {
            let text = mistake.to_string();
            let index = *self.by_text.entry(text.clone()).or_insert_with(|| {
                self.found.push((text, Vec::new()));
                self.found.len() - 1
            });
            let hosts = &mut self.found[index].1;
            if hosts.last().is_none_or(|last| last != host) {
                hosts.push(host.to_owned());
            }
        }
    }

    /// Adds mistakes that are those of no host.
    pub(crate) fn add_texts(&mut self, texts: impl IntoIterator<Item = impl ToString>) {
        let texts = texts.into_iter().map(|text| (text.to_string(), Vec::new()));
        self.found.extend(texts);
    }

    /// Fails if there are any.
    pub(crate) fn into_result(self) -> Result<(), CommandError> {
        let line = |(text, hosts): &(String, Vec<String>)| match &**hosts {
            [] => text.clone(),
            hosts => format!("{text} [{}]", fold_names(hosts.iter().map(String::as_str))),
        };
        let lines: Vec<_> = self.found.iter().take(MAX_SHOWN).map(line).collect();
        let text = match (&*lines, self.found.len()) {
            ([], _) => return Ok(()),
            ([line], _) => line.clone(),
            (lines, all) => {
                let more = all - lines.len();
                let more = (more > 0).then(|| format!("\nand {more} more"));
                let (lines, more) = (lines.join("\n"), more.unwrap_or_default());
                format!("the settings have {all} mistakes\n{lines}{more}")
            }
        };
        Err(CommandError::from_text(exit_code::USAGE, &text))
    }
}
