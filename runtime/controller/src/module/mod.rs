//! Modules: the portable wasm that travels, its description of itself, and its artifacts for each
//! target.

pub(crate) mod artifact;
mod cache;
pub(crate) mod compile;
mod contents;
mod packing;
mod tasks_file;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::OnceCell;
use wxec_build::{AbsentTask, BuiltModule, Features, Origin, PackageSource};
use wxec_protocol::{
    Digest, Target,
    abi::{self, Function},
};

use self::{
    artifact::Artifact,
    compile::compile,
    contents::{Contents, MAX_WASM_BYTES, too_large},
    tasks_file::ProgramTask,
};
use crate::{
    base::{progress, runtime, sync::lock},
    error::ModuleError,
};

/// A portable module. Cheap to clone.
///
/// It is a core module of WebAssembly 2.0 that may import WASI preview 1, and may have tail calls and
/// extended constant expressions. Hosts do not run components (WASI 0.2), nor other features newer
/// than 2.0: threads, 64-bit memory, exceptions, garbage collection and others.
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::Module;
///
/// let module = Module::from_file("words.wasm")?;
/// for function in module.functions() {
///     println!("{function}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    name: String,
    path: Option<PathBuf>,
    bytes: Bytes,
    digest: Digest,
    contents: Contents,
    /// What it said when it was asked for its functions.
    described: OnceLock<Vec<Function>>,
    /// The arguments for each of its tasks, if it is a program whose tasks are stated beside it.
    program_tasks: HashMap<String, Vec<String>>,
    is_shipped: bool,
    /// The package it was built from, if it was.
    source: Option<PackageSource>,
    crates_compiled: usize,
    artifacts: Mutex<HashMap<Target, Arc<OnceCell<Artifact>>>>,
    /// Number of artifacts that were compiled because no cache had them.
    artifacts_compiled: AtomicUsize,
}

impl Inner {
    /// Parses a module, whose digest may be known.
    fn parse(name: String, bytes: Bytes, digest: Option<Digest>) -> Result<Self, ModuleError> {
        Ok(Self {
            contents: Contents::parse(&name, &bytes)?,
            digest: digest.unwrap_or_else(|| Digest::of(&bytes)),
            name,
            path: None,
            bytes,
            described: OnceLock::new(),
            program_tasks: HashMap::new(),
            is_shipped: false,
            source: None,
            crates_compiled: 0,
            artifacts: Mutex::default(),
            artifacts_compiled: AtomicUsize::new(0),
        })
    }

    /// Adds the tasks of a program, as a text states them. `place` is for messages.
    fn add_tasks(&mut self, text: &str, place: &str) -> Result<(), ModuleError> {
        let wrong = |reason: String| ModuleError::Tasks {
            place: place.into(),
            reason,
        };
        let tasks = tasks_file::parse(text).map_err(wrong)?;
        if !self.contents.is_program() {
            return Err(wrong(format!(
                "{} is no program: it exports no `_start`",
                self.name
            )));
        }
        for ProgramTask { function, argv } in tasks {
            self.program_tasks.insert(function.path.clone(), argv);
            self.contents.functions.push(function);
        }
        self.contents.functions.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }
}

/// The function that describes the others, without the prefix of exports.
pub(crate) const DESCRIBE: &str = abi::DESCRIBE.split_at(abi::EXPORT_PREFIX.len()).1;

type TaskKey = (&'static str, &'static str, Option<&'static str>);

static TASK_MODULES: LazyLock<Mutex<HashMap<TaskKey, Arc<OnceCell<Module>>>>> =
    LazyLock::new(Mutex::default);

fn task_key(origin: &Origin) -> TaskKey {
    (origin.manifest_dir, origin.crate_name, origin.binary)
}

impl Module {
    /// Reads a `.wasm` file. A file `NAME.tasks.toml` beside `NAME.wasm` states the tasks of a
    /// program that knows nothing of wxec; a call of one runs the program, with the arguments as JSON
    /// on its stdin and the value as JSON on its stdout.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ModuleError> {
        let path = path.as_ref();
        let failed = |reason: String| ModuleError::Read {
            path: path.into(),
            reason,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| failed(error.to_string()))?
            .len();
        if length > MAX_WASM_BYTES {
            return Err(too_large(path.display().to_string(), length));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let name = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let mut inner = Inner::parse(name, bytes.into(), None)?;
        inner.path = Some(path.into());
        let tasks = path.with_extension(tasks_file::END);
        if let Ok(metadata) = std::fs::metadata(&tasks) {
            let place = tasks.display().to_string();
            if metadata.len() > tasks_file::MAX_BYTES {
                return Err(too_large(place, metadata.len()));
            }
            let text = std::fs::read_to_string(&tasks).map_err(|error| ModuleError::Read {
                path: tasks,
                reason: error.to_string(),
            })?;
            inner.add_tasks(&text, &place)?;
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Builds the package whose folder is `directory` or one above it.
    pub fn from_folder(directory: impl AsRef<Path>) -> Result<Self, ModuleError> {
        Self::from_folder_with(directory, &Features::default())
    }

    /// Builds the package whose folder is `directory` or one above it, with `features`.
    pub fn from_folder_with(
        directory: impl AsRef<Path>,
        features: &Features,
    ) -> Result<Self, ModuleError> {
        let (package, built) =
            wxec_build::module_of_folder(directory.as_ref(), features, &*progress::current())?;
        Self::built(package, built)
    }

    /// Creates a module from its bytes; `name` is for messages.
    pub fn from_bytes(
        name: impl Into<String>,
        bytes: impl Into<Bytes>,
    ) -> Result<Self, ModuleError> {
        let inner = Inner::parse(name.into(), bytes.into(), None)?;
        Ok(Self(Arc::new(inner)))
    }

    /// Creates a module from the bytes of a program that knows nothing of wxec, and its tasks as the
    /// file `NAME.tasks.toml` beside it would state them; `name` is for messages.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::{Host, Module};
    ///
    /// let tasks = r#"
    ///     [[task]]
    ///     signature = "count(text: String) -> u64"
    ///     argv = ["--count"]
    /// "#;
    /// let words = Module::from_program("words", std::fs::read("words.wasm")?, tasks)?;
    /// let n: u64 = Host::new("web1")?.bind(&words).call("count", &("to be",)).wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_program(
        name: impl Into<String>,
        bytes: impl Into<Bytes>,
        tasks: &str,
    ) -> Result<Self, ModuleError> {
        let mut inner = Inner::parse(name.into(), bytes.into(), None)?;
        let place = format!("the tasks of {}", inner.name);
        inner.add_tasks(tasks, &place)?;
        Ok(Self(Arc::new(inner)))
    }

    /// Builds a package of the cargo workspace around `directory`, or reuses an earlier build if
    /// nothing changed.
    pub fn from_package(directory: impl AsRef<Path>, package: &str) -> Result<Self, ModuleError> {
        Self::from_package_with(directory, package, &Features::default())
    }

    /// Builds a package of the cargo workspace around `directory` with `features`.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::{Module, module::Features};
    ///
    /// let module = Module::from_package_with(".", "words", &Features::default().with("extra"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_package_with(
        directory: impl AsRef<Path>,
        package: &str,
        features: &Features,
    ) -> Result<Self, ModuleError> {
        let built = wxec_build::module_of_package(
            directory.as_ref(),
            package,
            features,
            &*progress::current(),
        )?;
        Self::built(package.into(), built)
    }

    /// Returns a module that wxec ships, such as `facts`. It is built if this machine has none of
    /// this build. Calls of its functions are granted the needs that the functions declare.
    pub fn shipped(name: &str) -> Result<Self, ModuleError> {
        let built = wxec_build::shipped_module(name, &*progress::current())?;
        let mut module = Self::built(name.into(), built)?;
        Arc::get_mut(&mut module.0)
            .expect("nobody else has it yet")
            .is_shipped = true;
        Ok(module)
    }

    /// Returns the module that holds the task compiled at `origin`, built once for this program.
    pub(crate) async fn of_task(origin: &Origin) -> Result<Self, ModuleError> {
        let cell = lock(&TASK_MODULES)
            .entry(task_key(origin))
            .or_default()
            .clone();
        let origin = *origin;
        let module = cell.get_or_try_init(|| {
            runtime::blocking(move || {
                let built = wxec_build::module(&origin, &*progress::current())?;
                Self::built(origin.crate_name.into(), built)
            })
        });
        module.await.cloned()
    }

    /// Returns the module that holds the task compiled at `origin`, if this program has used it
    /// before.
    pub(crate) fn known_task(origin: &Origin) -> Option<Self> {
        lock(&TASK_MODULES).get(&task_key(origin))?.get().cloned()
    }

    fn built(name: String, built: BuiltModule) -> Result<Self, ModuleError> {
        let mut inner = Inner::parse(name, built.bytes.into(), Some(built.digest))?;
        inner.path = built.path;
        inner.source = built.source;
        inner.crates_compiled = built.compiled;
        Ok(Self(Arc::new(inner)))
    }

    /// Returns its name, for messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns its file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns the SHA-256 of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> usize {
        self.0.bytes.len()
    }

    /// Returns the module itself, as it stands in a file.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Returns the functions it describes, in alphabetical order. A module that describes them only
    /// by an export has none before it was [asked](Self::describe).
    pub fn functions(&self) -> &[Function] {
        let stated = &self.0.contents.functions;
        self.0
            .described
            .get()
            .filter(|_| stated.is_empty())
            .unwrap_or(stated)
    }

    /// Returns true if it describes its functions by an export that was not called yet.
    pub(crate) fn is_to_be_asked(&self) -> bool {
        let has_export = || {
            self.0
                .contents
                .exports
                .iter()
                .any(|export| export == abi::DESCRIBE)
        };
        self.functions().is_empty() && self.0.described.get().is_none() && has_export()
    }

    /// Takes note of what it says of its functions.
    pub(crate) fn set_described(&self, records: &[u8]) -> Result<(), ModuleError> {
        let functions = self.0.contents.exported(records, &self.0.name)?;
        let _ = self.0.described.set(functions);
        Ok(())
    }

    /// Returns the program's arguments for a task that is stated beside it.
    pub(crate) fn argv(&self, function: &str) -> Option<&[String]> {
        self.0.program_tasks.get(function).map(Vec::as_slice)
    }

    /// Finds a described function by its whole path or by its path inside the crate, with or
    /// without the `r#` of Rust modules that are named like keywords.
    pub fn function(&self, name: &str) -> Option<&Function> {
        let functions = self.functions();
        let inside = |path: &str| {
            path.split_once("::")
                .is_some_and(|(_, inside)| inside == name)
        };
        functions
            .iter()
            .find(|function| function.path == name)
            .or_else(|| functions.iter().find(|function| inside(&function.path)))
            .or_else(|| {
                let plain = |function: &&Function| function.path.replace("r#", "");
                functions
                    .iter()
                    .find(|function| plain(function) == name || inside(&plain(function)))
            })
    }

    /// Returns the reason why it has no function `name`, if it was built from its package and the
    /// sources tell: a task may be a part of another target, or be compiled for tests or with a
    /// feature only. Asks cargo, and reads the sources.
    pub fn why_absent(&self, name: &str) -> Option<AbsentTask> {
        self.0.source.as_ref()?.why_absent(name)
    }

    /// Returns the names of all functions that can be called, described or not.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        self.0
            .contents
            .exports
            .iter()
            .filter_map(|export| export.strip_prefix(abi::EXPORT_PREFIX))
            .filter(|name| *name != DESCRIBE && !name.starts_with(abi::CONFIG_PREFIX))
            .chain(self.0.program_tasks.keys().map(String::as_str))
    }

    /// Returns the name of the function that settles the config of the plan at `path`, if the plan's
    /// language has one: it takes a config, and its value is that config with what it has by default.
    /// It takes none as well, and its value is then what a config has to be like.
    pub fn config_function(&self, path: &str) -> Option<&str> {
        let exports = self.0.contents.exports.iter();
        let mut names = exports.filter_map(|export| export.strip_prefix(abi::EXPORT_PREFIX));
        names.find(|name| name.strip_prefix(abi::CONFIG_PREFIX) == Some(path))
    }

    /// Returns the names of functions that it exports for other hosts than wxec, which cannot call
    /// them.
    pub fn plain_exports(&self) -> impl Iterator<Item = &str> {
        self.0.contents.plain_exports.iter().map(String::as_str)
    }

    /// Returns true if wxec ships it.
    pub fn is_shipped(&self) -> bool {
        self.0.is_shipped
    }

    /// Returns true if it has a `main`, so that it can be [run](crate::Host::program).
    pub fn is_program(&self) -> bool {
        self.0.contents.is_program()
    }

    /// Returns its imports from the host, as `module.name`.
    pub fn imports(&self) -> &[String] {
        &self.0.contents.imports
    }

    /// Returns the number of crates that cargo compiled for it just now: 0 if nothing changed since
    /// an earlier build, when cargo may not even run.
    pub fn crates_compiled(&self) -> usize {
        self.0.crates_compiled
    }

    /// Returns the number of artifacts that this program compiled from it: 0 if the cache had them
    /// all.
    pub fn artifacts_compiled(&self) -> usize {
        self.0.artifacts_compiled.load(Ordering::Relaxed)
    }

    /// Returns its artifact for `target`, if this program has used it before.
    pub(crate) fn ready_artifact(&self, target: &Target) -> Option<Artifact> {
        lock(&self.0.artifacts).get(target)?.get().cloned()
    }

    /// Returns its artifact for `target` from memory or from disk.
    pub(crate) async fn kept_artifact(&self, target: &Target) -> Option<Artifact> {
        let cell = self.cell(target);
        let (digest, wanted) = (self.0.digest, target.clone());
        let load = async || {
            let kept = runtime::blocking(move || cache::load(digest, &wanted)).await;
            kept.ok_or(())
        };
        cell.get_or_try_init(load).await.ok().cloned()
    }

    /// Returns its artifact for `target` from memory or from disk, or compiles it now; once, even
    /// for many concurrent callers.
    pub(crate) async fn artifact(&self, target: &Target) -> Result<Artifact, ModuleError> {
        let cell = self.cell(target);
        let artifact = cell.get_or_try_init(|| self.load_or_compile(target));
        artifact.await.cloned()
    }

    /// Returns the place of its artifact for `target`.
    fn cell(&self, target: &Target) -> Arc<OnceCell<Artifact>> {
        let mut artifacts = lock(&self.0.artifacts);
        artifacts.entry(target.clone()).or_default().clone()
    }

    async fn load_or_compile(&self, target: &Target) -> Result<Artifact, ModuleError> {
        let (digest, wanted) = (self.0.digest, target.clone());
        if let Some(artifact) = runtime::blocking(move || cache::load(digest, &wanted)).await {
            return Ok(artifact);
        }
        let artifact = compile(self.0.bytes.clone(), target).await?;
        self.0.artifacts_compiled.fetch_add(1, Ordering::Relaxed);
        let (kept, target) = (artifact.clone(), target.clone());
        // Ignore errors: a full disk costs the next run some time, but does not fail this one.
        let _ = runtime::blocking(move || cache::store(digest, &target, &kept)).await;
        Ok(artifact)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({} {})", self.0.name, self.0.digest.short())
    }
}

#[cfg(test)]
mod tests;
