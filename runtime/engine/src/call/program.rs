//! Programs: modules that are loaded and linked, and have the exports they must have.

use std::{collections::HashMap, sync::Arc};

use wasmtime::{Engine, ExternType, InstancePre, Linker, Module, ModuleExport, Store, ValType};
use wxec_protocol::{Fault, LogRecord, OutputStream, abi};

use crate::{
    call::fault,
    call::guest::Guest,
    call::output::{Output, Stdio},
    call::run::Request,
    limits::budget::Budget,
    limits::capacity::Capacity,
    wasi::Parts,
};

/// The export that is a program's `main`.
const START: &str = "_start";

/// The import by which every WASI library finds the directories that were opened for it.
const PREOPENS: &str = "fd_prestat_get";

/// The host call about files.
const FILE_CALL: &str = "file_call";

/// An artifact that is loaded and linked: what [`Sandbox::run`](crate::Sandbox::run) runs. Cheap to
/// clone.
#[derive(Clone)]
pub struct Program {
    pub(crate) pre: InstancePre<Guest>,
    exports: Arc<Exports>,
    metered: bool,
}

struct Exports {
    /// By name, without the prefix.
    functions: HashMap<String, ModuleExport>,
    /// Prepares a library's memory, for instance by running constructors.
    initialize: Option<ModuleExport>,
    /// Runs a program, if the module is one.
    start: Result<ModuleExport, Fault>,
    /// True if it imports functions that look up paths.
    uses_files: bool,
    /// True if some of these are host calls.
    uses_file_calls: bool,
}

impl Program {
    /// Links `module`, or names the imports that this agent does not offer.
    pub(crate) fn link(
        module: &Module,
        linker: &Linker<Guest>,
        metered: bool,
    ) -> Result<Self, Fault> {
        let unknown = unknown_imports(module, linker);
        if !unknown.is_empty() {
            let reason = format!(
                "it imports what this agent does not offer: {}",
                unknown.join(", ")
            );
            return Err(Fault::BadModule(crate::limits::text::bounded(reason)));
        }
        let pre = linker
            .instantiate_pre(module)
            .map_err(|error| fault::bad_module(&error))?;
        Ok(Self {
            pre,
            exports: Arc::new(Exports::of(module)?),
            metered,
        })
    }

    /// Returns true if its code counts fuel. Each call gets the fuel of
    /// [`Limits::fuel`](wxec_protocol::Limits::fuel), or unlimited fuel.
    pub fn is_metered(&self) -> bool {
        self.metered
    }

    /// Returns the task of this name.
    pub(crate) fn function(&self, name: &str) -> Result<&ModuleExport, Fault> {
        self.exports
            .functions
            .get(name)
            .ok_or_else(|| Fault::NoSuchFunction {
                function: name.to_owned(),
            })
    }

    /// Returns the export where a program begins.
    pub(crate) fn start(&self) -> Result<&ModuleExport, Fault> {
        self.exports.start.as_ref().map_err(Fault::clone)
    }

    /// Returns true if it can ask for files.
    pub(crate) fn uses_files(&self) -> bool {
        self.exports.uses_files
    }

    /// Returns true if it can ask for files by host calls.
    pub(crate) fn uses_file_calls(&self) -> bool {
        self.exports.uses_file_calls
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    /// Returns the export that must run before any task, if there is one.
    pub(crate) fn initialize(&self) -> Option<&ModuleExport> {
        self.exports.initialize.as_ref()
    }
}

impl Exports {
    fn of(module: &Module) -> Result<Self, Fault> {
        let uses_file_calls = module
            .imports()
            .any(|import| import.module() == abi::IMPORTS && import.name() == FILE_CALL);
        let uses_files =
            uses_file_calls || module.imports().any(|import| import.name() == PREOPENS);
        let start = Err(Fault::NoSuchFunction {
            function: START.to_owned(),
        });
        let mut exports = Self {
            functions: HashMap::new(),
            initialize: None,
            start,
            uses_files,
            uses_file_calls,
        };
        for export in module.exports() {
            let name = export.name();
            let index = || {
                module
                    .get_export_index(name)
                    .expect("the module just named it")
            };
            if let Some(function) = name.strip_prefix(abi::EXPORT_PREFIX) {
                check(name, &export.ty(), "an i32", |results| {
                    matches!(results, [ValType::I32])
                })?;
                exports.functions.insert(function.to_owned(), index());
            } else if name == "_initialize" {
                check(name, &export.ty(), "nothing", <[_]>::is_empty)?;
                exports.initialize = Some(index());
            } else if name == START {
                // A wrong type fails only `start`: tasks can be called.
                exports.start =
                    check(name, &export.ty(), "nothing", <[_]>::is_empty).map(|()| index());
            }
        }
        Ok(exports)
    }
}

/// Checks that an export is a function without parameters that returns what it must.
fn check(
    name: &str,
    ty: &ExternType,
    wanted: &str,
    returns: fn(&[ValType]) -> bool,
) -> Result<(), Fault> {
    match ty.func() {
        Some(ty) if ty.params().len() == 0 && returns(&ty.results().collect::<Vec<_>>()) => Ok(()),
        _ => Err(Fault::BadModule(format!(
            "its export `{name}` is not a function that takes nothing and returns {wanted}"
        ))),
    }
}

fn unknown_imports(module: &Module, linker: &Linker<Guest>) -> Vec<String> {
    // The linker answers only with a store.
    let stdio = Arc::new(Stdio::new(Arc::new(Nowhere), 0));
    let capacity = Capacity::new(0, Budget::default());
    let nobody = Guest::new(
        Request::new("", ""),
        Parts::default(),
        stdio,
        &capacity,
        &Arc::default(),
    );
    let mut store = Store::new(module.engine(), nobody);
    module
        .imports()
        .filter(|import| linker.get_by_import(&mut store, import).is_none())
        .map(|import| format!("{}::{}", import.module(), import.name()))
        .collect()
}

/// The output of a guest that never runs.
struct Nowhere;

impl Output for Nowhere {
    fn write(&self, _: OutputStream, _: &[u8]) {}
    fn log(&self, _: LogRecord<'_>) {}
}
