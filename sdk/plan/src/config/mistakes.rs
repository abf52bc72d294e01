//! Mistakes in the settings of many hosts, each told once.

use std::{collections::BTreeMap, fmt};

use wxec::fleet::fold_names;

/// Most mistakes that are shown: as many as a person mends at once.
const MAX_SHOWN: usize = 20;

/// Mistakes in the settings of many hosts, in the order in which they were found. Equal ones of
/// several hosts are one.
///
/// ```
/// use wxec_plan::config::{Layers, Mistakes, Schema};
///
/// let schema = Schema::of::<std::collections::BTreeMap<String, u16>>();
/// let mut layers = Layers::new();
/// layers.set(&["port"], "high".into(), "--set");
/// let mut mistakes = Mistakes::default();
/// for host in ["web1", "web2"] {
///     mistakes.add(host, schema.check(&layers));
/// }
/// assert_eq!(
///     mistakes.into_result().unwrap_err().to_string(),
///     "--set: port: is a text, and has to be a number from 0 to 65535 [web[1-2]]"
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Mistakes {
    /// Each mistake in words, with the hosts that have it.
    found: Vec<(String, Vec<String>)>,
    by_text: BTreeMap<String, usize>,
}

impl Mistakes {
    /// Adds mistakes in what one host is to get.
    pub fn add(&mut self, host: &str, mistakes: impl IntoIterator<Item = impl ToString>) {
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
    pub fn add_general(&mut self, mistakes: impl IntoIterator<Item = impl ToString>) {
        let texts = mistakes
            .into_iter()
            .map(|mistake| (mistake.to_string(), Vec::new()));
        self.found.extend(texts);
    }

    /// Fails if there are any.
    pub fn into_result(self) -> Result<(), Self> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(self)
        }
    }
}

/// One line for each, below their number if there are several.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.found.len();
        if all > 1 {
            write!(f, "the settings have {all} mistakes")?;
        }
        for (text, hosts) in self.found.iter().take(MAX_SHOWN) {
            if all > 1 {
                f.write_str("\n")?;
            }
            f.write_str(text)?;
            if !hosts.is_empty() {
                write!(f, " [{}]", fold_names(hosts.iter().map(String::as_str)))?;
            }
        }
        if all > MAX_SHOWN {
            write!(f, "\nand {} more", all - MAX_SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
