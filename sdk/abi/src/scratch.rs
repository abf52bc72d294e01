//! A directory on the host for the files of vectors, which write `$DIR` where its path belongs.

use serde_json::Value as Json;
use wxec::{Host, command::CommandOutput};

/// The word that stands for the directory.
const PLACEHOLDER: &str = "$DIR";

/// An empty directory on a host. It goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    host: Host,
    path: String,
}

impl Scratch {
    /// Makes a directory. Returns a text with the reason if the host cannot.
    pub(crate) fn new(host: &Host) -> Result<Self, String> {
        let make = host.shell(r#"mktemp -d "${TMPDIR:-/tmp}/wxec-conformance.XXXXXX""#);
        let output = make.output("").wait().map_err(|error| error.to_string())?;
        let CommandOutput { stdout, .. } = output.checked().map_err(|error| error.to_string())?;
        let path = String::from_utf8(stdout).map_err(|error| error.to_string())?;
        Ok(Self {
            host: host.clone(),
            path: path.trim_end_matches('\n').to_owned(),
        })
    }

    /// Returns `text` with the path in place of the placeholder.
    pub(crate) fn place(&self, text: &str) -> String {
        text.replace(PLACEHOLDER, &self.path)
    }

    /// Returns `json` with the path in all of its texts.
    pub(crate) fn place_in(&self, json: &Json) -> Json {
        match json {
            Json::String(text) => self.place(text).into(),
            Json::Array(items) => items.iter().map(|item| self.place_in(item)).collect(),
            Json::Object(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), self.place_in(value)))
                .collect(),
            other => other.clone(),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let remove = self.host.command("rm").args(["-rf", "--", &self.path]);
        // A directory that stays is in the way of no one.
        let _ = remove.output("").wait();
    }
}
