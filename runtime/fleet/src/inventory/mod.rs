//! Inventories: hosts with names, groups, roles, variables and options, in a `wxec.toml` or printed
//! by a program; and targets, the expressions that select some of them.

mod brackets;
mod error;
mod node;
mod options;
mod pattern;
mod quantity;
mod similar;
mod source;

mod declarations;
mod layers;
mod membership;
mod resolve;

mod expression;
mod select;
mod selection;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

pub use brackets::{outside_brackets, split_outside_brackets};
pub use error::{InventoryError, Problem, TargetError};
pub use expression::needs_inventory;
pub use layers::{Layer, Setting};
pub use quantity::{parse_duration, parse_size};
pub use resolve::InventoryHost;
pub use selection::{Connecting, Selection};
pub use source::distrusted;
use wxec_controller::Operation;

use self::{node::Node, source::Source};
/// Hosts by their names, with all that is known of them.
///
/// ```no_run
/// # use wxec_fleet::__docs as wxec;
/// use wxec::inventory::Inventory;
///
/// let inventory = Inventory::find().wait()?;
/// let fleet = inventory.select("@web & !web3")?;
/// # Ok::<(), wxec::Error>(())
/// ```
///
/// An inventory without hosts is an inventory as well: names then mean hosts of ssh's configuration.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    file: Option<PathBuf>,
    require_target: bool,
    hosts: Vec<InventoryHost>,
    /// Names of groups and the positions of their hosts, in the order of the file.
    groups: Vec<(String, BTreeSet<usize>)>,
    by_name: HashMap<String, usize>,
}

impl Inventory {
    /// Finds the `wxec.toml` in the working directory or the next one above it, up to the home
    /// directory. Returns an empty inventory if there is none.
    ///
    /// A file that was found is refused if it belongs to another account than this one and root, or
    /// if every account can write it; and it is never run.
    pub fn find() -> Operation<Result<Self, InventoryError>> {
        Operation::new(async {
            let found = std::env::current_dir().ok();
            let home = std::env::home_dir();
            match found.and_then(|directory| source::find(&directory, home.as_deref())) {
                Some(file) => Self::of(&file, source::read_found(&file)?),
                None => Ok(Self::default()),
            }
        })
    }

    /// Reads the inventory in a file. A file that is a program is run, and prints the inventory as
    /// JSON within 30 s.
    pub fn from_file(file: impl Into<PathBuf>) -> Operation<Result<Self, InventoryError>> {
        let file = file.into();
        Operation::new(async move { Self::of(&file, source::read_named(&file).await?) })
    }

    fn of(file: &Path, source: Source) -> Result<Self, InventoryError> {
        let error = |problems| InventoryError {
            file: file.into(),
            problems,
        };
        let root = match source {
            Source::Toml(text) => Node::of_toml(&text),
            Source::Json(text) => Node::of_json(&text),
        };
        let (declared, mut problems) = declarations::read(&root.map_err(error)?);
        let (hosts, members) = resolve::resolve(&declared, &mut problems);
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            problems.dedup();
            return Err(error(problems));
        }
        let names = declared.groups.into_iter().map(|group| group.name);
        Ok(Self {
            file: Some(file.into()),
            require_target: declared.require_target,
            groups: names.zip(members).collect(),
            by_name: hosts
                .iter()
                .map(|host| host.name().to_owned())
                .zip(0..)
                .collect(),
            hosts,
        })
    }

    /// Returns its file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns its hosts, in the order of the file.
    pub fn hosts(&self) -> &[InventoryHost] {
        &self.hosts
    }

    /// Returns the host that is called `name`.
    pub fn host(&self, name: &str) -> Option<&InventoryHost> {
        self.by_name.get(name).map(|host| &self.hosts[*host])
    }

    /// Returns the names of its groups, in the order of the file.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| &**name)
    }

    /// Returns the hosts that `target` selects, before it is decided how to connect to them.
    pub fn resolve(&self, target: &str) -> Result<Selection, TargetError> {
        select::select(self, target)
    }
}
