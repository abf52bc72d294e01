//! Modules: the portable wasm that travels, its description of itself, and its artifacts for each
//! target.

pub(crate) mod artifact;
mod cache;
mod compile;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::OnceCell;
use wasmparser::{ExternalKind, Parser, Payload};
use wxec_build::{AbsentTask, BuiltModule, Features, Origin, PackageSource};
use wxec_protocol::{
    Digest, Target,
    abi::{self, Function},
};

use self::{artifact::Artifact, compile::compile};
use crate::{
    base::{progress, runtime, sync::lock},
    error::ModuleError,
};

/// Size limit for module files. A large guest takes a megabyte, an interpreter 20.
const MAX_WASM_BYTES: u64 = 64 << 20;

/// A portable module. Cheap to clone.
///
/// It is a core module of WebAssembly 2.0 that may import WASI preview 1. Hosts do not run
/// components (WASI 0.2), nor features newer than 2.0: threads, 64-bit memory, exceptions, garbage
/// collection and others.
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
    functions: Vec<Function>,
    exports: Vec<String>,
    plain_exports: Vec<String>,
    imports: Vec<String>,
    is_shipped: bool,
    /// The package it was built from, if that was just now.
    source: Option<PackageSource>,
    crates_compiled: usize,
    artifacts: Mutex<HashMap<Target, Arc<OnceCell<Artifact>>>>,
    /// Number of artifacts that were compiled because no cache had them.
    artifacts_compiled: AtomicUsize,
}

type TaskKey = (&'static str, &'static str, Option<&'static str>);

static TASK_MODULES: LazyLock<Mutex<HashMap<TaskKey, Arc<OnceCell<Module>>>>> =
    LazyLock::new(Mutex::default);

fn task_key(origin: &Origin) -> TaskKey {
    (origin.manifest_dir, origin.crate_name, origin.binary)
}

impl Module {
    /// Reads a `.wasm` file.
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
        Self::parse(name, Some(path.into()), bytes.into(), 0)
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
        Self::parse(name.into(), None, bytes.into(), 0)
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
        let mut module = Self::parse(name, built.path, built.bytes.into(), built.compiled)?;
        Arc::get_mut(&mut module.0)
            .expect("nobody else has it yet")
            .source = built.source;
        Ok(module)
    }

    fn parse(
        name: String,
        path: Option<PathBuf>,
        bytes: Bytes,
        crates_compiled: usize,
    ) -> Result<Self, ModuleError> {
        if bytes.len() as u64 > MAX_WASM_BYTES {
            return Err(too_large(name, bytes.len() as u64));
        }
        if let Some(what) = other_program(&bytes) {
            return Err(ModuleError::OtherProgram { name, what });
        }
        if is_wasm_text(&bytes) {
            return Err(ModuleError::Text { name });
        }
        if bytes.is_empty() {
            return Err(ModuleError::Malformed {
                name,
                reason: "it is empty".into(),
            });
        }
        // The parser's own message for this has a dozen lines.
        if !bytes.starts_with(b"\0asm") {
            return Err(ModuleError::Malformed {
                name,
                reason: r"it does not begin with `\0asm`".into(),
            });
        }
        // Bytes 4 and 5 are the version, 6 and 7 the layer.
        if bytes.get(6..8) == Some(&[1, 0]) {
            return Err(ModuleError::Component { name });
        }
        let malformed = |error: wasmparser::BinaryReaderError| ModuleError::Malformed {
            name: name.clone(),
            reason: error.message().to_owned(),
        };
        let mut records = Vec::new();
        let (mut imports, mut exports, mut plain_exports) = (Vec::new(), Vec::new(), Vec::new());
        // A module may import the same thing many times.
        let mut known_imports = HashSet::new();
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.map_err(malformed)? {
                Payload::CustomSection(section) if section.name() == abi::SECTION => {
                    records.extend_from_slice(section.data())
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(malformed)?;
                        if known_imports.insert((import.module, import.name)) {
                            imports.push(format!("{}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(malformed)?;
                        exports.push(export.name.to_owned());
                        if export.kind == ExternalKind::Func && is_plain(export.name) {
                            plain_exports.push(export.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        let mut functions = abi::functions(&records).map_err(|source| ModuleError::Records {
            name: name.clone(),
            source,
        })?;
        let names: HashSet<_> = exports
            .iter()
            .filter_map(|export| export.strip_prefix(abi::EXPORT_PREFIX))
            .collect();
        functions.retain(|function| names.contains(&*function.path));
        functions.sort_by(|a, b| a.path.cmp(&b.path));
        let digest = Digest::of(&bytes);
        let artifacts = Mutex::default();
        let artifacts_compiled = AtomicUsize::new(0);
        Ok(Self(Arc::new(Inner {
            name,
            path,
            bytes,
            digest,
            functions,
            exports,
            plain_exports,
            imports,
            is_shipped: false,
            source: None,
            crates_compiled,
            artifacts,
            artifacts_compiled,
        })))
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

    /// Returns the functions it describes, in alphabetical order.
    pub fn functions(&self) -> &[Function] {
        &self.0.functions
    }

    /// Finds a described function by its whole path or by its path inside the crate, with or
    /// without the `r#` of Rust modules that are named like keywords.
    pub fn function(&self, name: &str) -> Option<&Function> {
        let functions = &self.0.functions;
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

    /// Returns the reason why it has no function `name`, if it was built from its package just now
    /// and the sources tell: a task may be a part of another target, or be compiled for tests or
    /// with a feature only. Reads the package's sources.
    pub fn why_absent(&self, name: &str) -> Option<AbsentTask> {
        self.0.source.as_ref()?.why_absent(name)
    }

    /// Returns the names of all functions that can be called, described or not.
    pub fn exports(&self) -> impl Iterator<Item = &str> {
        self.0
            .exports
            .iter()
            .filter_map(|export| export.strip_prefix(abi::EXPORT_PREFIX))
            .filter(|name| *name != "_describe")
    }

    /// Returns the names of functions that it exports for other hosts than wxec, which cannot call
    /// them.
    pub fn plain_exports(&self) -> impl Iterator<Item = &str> {
        self.0.plain_exports.iter().map(String::as_str)
    }

    /// Returns true if wxec ships it.
    pub fn is_shipped(&self) -> bool {
        self.0.is_shipped
    }

    /// Returns true if it has a `main`, so that it can be [run](crate::Host::program).
    pub fn is_program(&self) -> bool {
        self.0.exports.iter().any(|export| export == "_start")
    }

    /// Returns its imports from the host, as `module.name`.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// Returns the number of crates that cargo compiled for it just now: 0 if nothing changed since
    /// an earlier build.
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

    /// Returns its artifact for `target` from memory or from disk, or compiles it now; once, even
    /// for many concurrent callers.
    pub(crate) async fn artifact(&self, target: &Target) -> Result<Artifact, ModuleError> {
        let cell = lock(&self.0.artifacts)
            .entry(target.clone())
            .or_default()
            .clone();
        let artifact = cell.get_or_try_init(|| self.load_or_compile(target));
        artifact.await.cloned()
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

/// Recognises other programs than modules by their first bytes.
fn other_program(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], _); 5] = [
        (b"\x7fELF", "a native program or library (ELF)"),
        (b"\xcf\xfa\xed\xfe", "a native program or library (Mach-O)"),
        (
            b"\xca\xfe\xba\xbe",
            "a native program (Mach-O) or a class of Java",
        ),
        (b"MZ", "a native program or library (PE)"),
        (b"#!", "a script"),
    ];
    kinds
        .iter()
        .find(|(head, _)| bytes.starts_with(head))
        .map(|(_, kind)| *kind)
}

/// Returns true if the first line that is not a comment opens a module or a component.
fn is_wasm_text(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines
        .find(|line| !line.is_empty() && !line.starts_with(b";;"))
        .unwrap_or_default();
    [&b"(module"[..], b"(component"]
        .iter()
        .any(|head| first.starts_with(head))
}

/// Returns true if an export's name comes from a library, not from wxec, WASI or a toolchain.
fn is_plain(export: &str) -> bool {
    !export.starts_with(abi::EXPORT_PREFIX) && !export.starts_with('_') && export != "cabi_realloc"
}

fn too_large(name: String, size: u64) -> ModuleError {
    ModuleError::TooLarge {
        name,
        size,
        limit: MAX_WASM_BYTES,
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({} {})", self.0.name, self.0.digest.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_named_for_what_it_is() {
        let said = |bytes: &[u8]| {
            Module::from_bytes("it", bytes.to_vec())
                .unwrap_err()
                .to_string()
        };
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            said(&this),
            "it is no wasm module but a native program or library (ELF)"
        );
        assert_eq!(
            said(b"#!/bin/sh\necho hi\n"),
            "it is no wasm module but a script"
        );
        assert_eq!(
            said(b"\n;; A comment.\n  (module)"),
            "it is the text of a wasm module, not the module"
        );
        assert_eq!(said(b""), "it is no wasm module: it is empty");
        assert_eq!(
            said(b"[package]"),
            r"it is no wasm module: it does not begin with `\0asm`"
        );
        for component in [
            wat::parse_str("(component)").unwrap(),
            b"\0asm\x0e\0\x01\0and more".to_vec(),
        ] {
            assert_eq!(
                said(&component),
                "it is a component (WASI 0.2), and wxec runs core modules of WASI preview 1"
            );
        }
    }

    #[test]
    fn what_is_imported_twice_is_wanted_once() {
        let wasm = wat::parse_str(
            r#"(module
            (import "a" "b" (func)) (import "a" "c" (func)) (import "a" "b" (func)) (import "a" "b" (func (param i32)))
            (memory (export "memory") 1)
            (func (export "add")) (func (export "_start")) (func (export "wx1_task")))"#,
        );
        let module = Module::from_bytes("it", wasm.unwrap()).unwrap();
        assert_eq!(module.imports(), ["a.b", "a.c"]);
        assert_eq!(module.plain_exports().collect::<Vec<_>>(), ["add"]);
        assert_eq!(module.exports().collect::<Vec<_>>(), ["task"]);
        assert!(module.is_program());
    }

    #[test]
    fn a_function_in_a_module_named_like_a_keyword_is_found_by_both_names() {
        let described = Function {
            path: String::new(),
            name: "f".into(),
            doc: String::new(),
            parameters: Vec::new(),
            returns: "()".into(),
            error: None,
            wants: abi::Wants::default(),
            readable: false,
        };
        let record: String = abi::record("words::r#type", &described)
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let section = abi::SECTION;
        let text = format!(
            r#"(module (func (export "wx1_words::r#type::f")) (@custom "{section}" "{record}"))"#
        );
        let module = Module::from_bytes("words", wat::parse_str(text).unwrap()).unwrap();
        for name in ["words::r#type::f", "r#type::f", "words::type::f", "type::f"] {
            assert_eq!(
                module.function(name).unwrap().path,
                "words::r#type::f",
                "{name}"
            );
        }
        assert_eq!(module.function("f"), None);
    }

    #[test]
    fn a_module_that_is_too_large_is_not_looked_into() {
        let size = MAX_WASM_BYTES + 1;
        let bytes = vec![0; usize::try_from(size).unwrap()];
        let error = Module::from_bytes("large", bytes).unwrap_err();
        assert!(
            matches!(error, ModuleError::TooLarge { size: found, limit: MAX_WASM_BYTES, .. } if found == size)
        );

        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let error = Module::from_file(file.path()).unwrap_err();
        assert!(
            matches!(error, ModuleError::TooLarge { size, .. } if size == 1 << 40),
            "{error}"
        );
    }
}
