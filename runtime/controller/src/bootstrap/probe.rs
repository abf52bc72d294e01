//! The script's description of the host it runs on.

use wxec_protocol::Platform;

use crate::{
    base::text::printable,
    error::{Phase, Unreachable},
};

/// The place that the script finds on most hosts.
const USUAL_PLACE: &str = "/dev/shm";

/// The number of places the script knows.
const MAX_PLACES: usize = 8;

/// A host as the script found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) platform: Platform,
    /// The host has kept the starter, which looks for the image.
    pub(super) has_starter: bool,
    /// The directory the starter goes to, or `memory`. Empty until the script has found it, and names
    /// it if it is not the usual one.
    pub(crate) directory: String,
    /// Directories that would not do, with the reasons.
    pub(crate) tried: Vec<String>,
}

/// Reads the script's description of its host; `None` if it makes no sense.
pub(super) fn parse_probe(answer: &str) -> Option<Result<Probe, Unreachable>> {
    let mut fields = answer.strip_prefix("host|")?.splitn(4, '|');
    let mut next = || fields.next();
    let (system, starter, directory, tried) = (next()?, next()?, next()?, next()?);
    let (os, machine) = system.split_once(' ')?;
    let has_starter = match starter {
        "kept" => true,
        "new" => false,
        _ => return None,
    };
    let platform = match architecture(os, machine) {
        Ok(platform) => platform,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(Probe {
        platform,
        has_starter,
        directory: printable(directory),
        tried: parse_tried(tried),
    }))
}

/// Reads the places that would not do.
fn parse_tried(tried: &str) -> Vec<String> {
    let tried = tried.split(';').map(|tried| printable(tried.trim()));
    tried.filter(|tried| !tried.is_empty()).collect()
}

impl Probe {
    /// Returns true if the starter and the image are sent without being asked for.
    pub(crate) fn lacks_starter(&self) -> bool {
        !self.has_starter
    }

    /// Fills in the place that the script did not name.
    pub(super) fn settle_place(&mut self) {
        if self.directory.is_empty() {
            self.directory = USUAL_PLACE.into();
        }
    }

    /// Reads the script's next words about places: a `place` it has found before anything arrived, or
    /// the `next` after one that proved too small. Returns true if everything has to be sent once
    /// more; `None` if that makes no sense.
    pub(super) fn learn_place(&mut self, answer: &str) -> Option<bool> {
        let (word, places) = answer.split_once('|')?;
        let (directory, tried) = places.split_once('|')?;
        let tried = parse_tried(tried);
        let is_next = match word {
            "place" if self.directory.is_empty() => false,
            "next" if tried.len() > self.tried.len() => true,
            _ => return None,
        };
        // A place without a name would be found again and again.
        if tried.len() > MAX_PLACES || directory.is_empty() {
            return None;
        }
        self.directory = printable(directory);
        self.tried = tried;
        Some(is_next)
    }
}

/// Converts the name that `uname` or a container engine gives a machine to a platform.
pub(crate) fn architecture(os: &str, machine: &str) -> Result<Platform, Unreachable> {
    let arch = match machine.trim() {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        other => other,
    };
    let platform = Platform::new(arch, os.to_ascii_lowercase());
    if platform.has_agent() {
        return Ok(platform);
    }
    let reason = format!(
        "there is no agent for {} {}",
        printable(os),
        printable(machine)
    );
    Err(Unreachable::new(Phase::Architecture, reason)
        .hint("agents exist for Linux on x86_64 and aarch64"))
}
