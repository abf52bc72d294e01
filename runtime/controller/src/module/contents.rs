//! The contents of a module's bytes, and the files that are taken for modules by mistake.

use std::collections::HashSet;

use wasmparser::{BinaryReaderError, Export, ExternalKind, Parser, Payload};
use wxec_protocol::abi::{self, Function};

use crate::error::ModuleError;

/// Size limit for module files. A large guest takes a megabyte, an interpreter 20.
pub(super) const MAX_WASM_BYTES: u64 = 64 << 20;

/// The parts of a module that calls are checked against.
#[derive(Default)]
pub(super) struct Contents {
    /// In alphabetical order.
    pub(super) functions: Vec<Function>,
    pub(super) exports: Vec<String>,
    /// Functions for other hosts than wxec.
    pub(super) plain_exports: Vec<String>,
    /// As `module.name`, each once.
    pub(super) imports: Vec<String>,
}

impl Contents {
    /// Parses a module; `name` is for messages.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self, ModuleError> {
        check_kind(name, bytes)?;
        let mut contents = Self::default();
        let records = contents
            .read(bytes)
            .map_err(|error| ModuleError::Malformed {
                name: name.into(),
                reason: error.message().to_owned(),
            })?;
        contents.functions = contents.exported(&records, name)?;
        Ok(contents)
    }

    /// Returns true if it has a `main`.
    pub(super) fn is_program(&self) -> bool {
        self.exports.iter().any(|export| export == "_start")
    }

    /// Reads all sections. Returns the records that describe functions.
    fn read(&mut self, bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
        let mut records = Vec::new();
        // A module may import the same thing many times.
        let mut known_imports = HashSet::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CustomSection(section) if section.name() == abi::SECTION => {
                    records.extend_from_slice(section.data())
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if known_imports.insert((import.module, import.name)) {
                            self.imports
                                .push(format!("{}.{}", import.module, import.name));
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        self.add_export(&export?);
                    }
                }
                _ => {}
            }
        }
        Ok(records)
    }

    fn add_export(&mut self, export: &Export<'_>) {
        self.exports.push(export.name.to_owned());
        if export.kind == ExternalKind::Func && is_plain(export.name) {
            self.plain_exports.push(export.name.to_owned());
        }
    }

    /// Reads records. Returns the functions that they describe, those that are exported.
    pub(super) fn exported(
        &self,
        records: &[u8],
        name: &str,
    ) -> Result<Vec<Function>, ModuleError> {
        let mut functions = abi::functions(records).map_err(|source| ModuleError::Records {
            name: name.into(),
            source,
        })?;
        let names: HashSet<_> = self
            .exports
            .iter()
            .filter_map(|export| export.strip_prefix(abi::EXPORT_PREFIX))
            .collect();
        functions.retain(|function| names.contains(&*function.path));
        functions.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(functions)
    }
}

/// Refuses bytes that are no module of a kind that hosts run.
fn check_kind(name: &str, bytes: &[u8]) -> Result<(), ModuleError> {
    let name = || name.to_owned();
    let malformed = |reason: &str| ModuleError::Malformed {
        name: name(),
        reason: reason.into(),
    };
    if bytes.len() as u64 > MAX_WASM_BYTES {
        return Err(too_large(name(), bytes.len() as u64));
    }
    if let Some(what) = other_program(bytes) {
        return Err(ModuleError::OtherProgram { name: name(), what });
    }
    if is_wasm_text(bytes) {
        return Err(ModuleError::Text { name: name() });
    }
    if bytes.is_empty() {
        return Err(malformed("it is empty"));
    }
    // The parser's own message for this has a dozen lines.
    if !bytes.starts_with(b"\0asm") {
        return Err(malformed(r"it does not begin with `\0asm`"));
    }
    // Bytes 4 and 5 are the version, 6 and 7 the layer.
    if bytes.get(6..8) == Some(&[1, 0]) {
        return Err(ModuleError::Component { name: name() });
    }
    Ok(())
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

/// Makes the error about a file beyond the limit.
pub(super) fn too_large(name: String, size: u64) -> ModuleError {
    ModuleError::TooLarge {
        name,
        size,
        limit: MAX_WASM_BYTES,
    }
}
