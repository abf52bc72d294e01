//! Counts what is in a module before the compiler sees it. The compiler's work is not proportional
//! to a module's size: 35 KB of nested loops keep it busy for two minutes. Counts that no honest
//! module reaches are refused here, at once and by name.
//!
//! Modules that pass can still be too much work, for instance with many locals in many loops; the
//! limits of the compiling process stop those. Items that cost the compiler little (names,
//! memories, tables, and their sizes) are left to WebAssembly's own limits and to the host that
//! runs the module.

use std::fmt;

use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::{CompileError, load::config::FEATURES};

/// A kind of item that a module can have too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Countable {
    /// Types of functions.
    Types,
    /// Imports of any kind.
    Imports,
    /// Functions that are not imported.
    Functions,
    /// Globals that are not imported.
    Globals,
    /// Exports of any kind.
    Exports,
    /// Segments of elements for tables.
    ElementSegments,
    /// Segments of data for memory.
    DataSegments,
    /// Bytes of one function.
    Bytes,
    /// Locals of one function, beside its parameters.
    Locals,
    /// Targets of all `br_table` of one function.
    BranchTargets,
    /// Blocks, loops and ifs around one instruction.
    Nesting,
}

impl Countable {
    /// Returns the allowed number. The figures below are of an optimised compiler on one processor.
    pub const fn allowed(self) -> u64 {
        match self {
            // CPython has some hundreds. Each type is two trampolines: 10,000 with 20 parameters
            // each take 2 s.
            Self::Types => 10_000,
            // Hosts offer some dozens.
            Self::Imports => 10_000,
            // Some 20,000 in CPython. This many empty ones take 11 s and half a GiB; a million take
            // more than 4 GiB.
            Self::Functions => 100_000,
            // Position-independent code has one for each symbol. A million take half a second.
            Self::Globals => 100_000,
            // Some thousands in a CPython that loads extensions. Each exported function is a
            // trampoline; 100,000 take 8 s.
            Self::Exports => 50_000,
            // One for each table is usual.
            Self::ElementSegments => 10_000,
            // Go's linker leaves out zeros, and so makes thousands.
            Self::DataSegments => 100_000,
            // The loop of an interpreter takes 100 to 500 KB. Calls alone, the worst, take 1.2 KB
            // of memory for a byte.
            Self::Bytes => 1 << 20,
            // Some hundreds after an optimiser, ten thousand and more in the largest functions
            // without one.
            Self::Locals => 20_000,
            // An interpreter's loop has some hundreds; a loop that branches anew after each of its
            // 256 operations has 65,536.
            Self::BranchTargets => 100_000,
            // A `switch` nests a block for each case, and blocks are cheap. Loops are not: 1,000
            // take 2 s, 3,000 take 39 s.
            Self::Nesting => 5_000,
        }
    }
}

impl fmt::Display for Countable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Types => "types",
            Self::Imports => "imports",
            Self::Functions => "functions",
            Self::Globals => "globals",
            Self::Exports => "exports",
            Self::ElementSegments => "element segments",
            Self::DataSegments => "data segments",
            Self::Bytes => "bytes",
            Self::Locals => "locals",
            Self::BranchTargets => "targets of br_table",
            Self::Nesting => "blocks within each other",
        })
    }
}

/// Place in a module with too much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the module as a whole.
    Module,
    /// In the function with this index. Imported functions come first.
    Function(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module => f.write_str("the module"),
            Self::Function(index) => write!(f, "function {index}"),
        }
    }
}

/// Refuses a module with more of anything than is [allowed](Countable::allowed). Does not validate
/// it otherwise.
pub(crate) fn precheck(wasm: &[u8]) -> Result<(), CompileError> {
    // Parses with the compiler's features: if the two parsers differed, the compiler might find a
    // bomb that was not counted here.
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);

    let whole = |which, count: u32| Place::Module.limit(which, count.into());
    let mut index = 0;
    for payload in parser.parse_all(wasm) {
        match payload.map_err(invalid)? {
            Payload::TypeSection(types) => whole(Countable::Types, types.count())?,
            Payload::ImportSection(imports) => {
                whole(Countable::Imports, imports.count())?;
                for import in imports.into_imports() {
                    index += u64::from(matches!(import.map_err(invalid)?.ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(functions) => whole(Countable::Functions, functions.count())?,
            Payload::GlobalSection(globals) => whole(Countable::Globals, globals.count())?,
            Payload::ExportSection(exports) => whole(Countable::Exports, exports.count())?,
            Payload::ElementSection(segments) => {
                whole(Countable::ElementSegments, segments.count())?
            }
            Payload::DataSection(segments) => whole(Countable::DataSegments, segments.count())?,
            Payload::CodeSectionEntry(body) => {
                check_body(Place::Function(index), &body)?;
                index += 1;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_body(function: Place, body: &FunctionBody<'_>) -> Result<(), CompileError> {
    function.limit(Countable::Bytes, body.as_bytes().len() as u64)?;

    let mut locals = 0;
    for group in body.get_locals_reader().map_err(invalid)? {
        locals += u64::from(group.map_err(invalid)?.0);
    }
    function.limit(Countable::Locals, locals)?;

    let (mut branch_targets, mut depth) = (0, 0_u64);
    let mut operators = body.get_operators_reader().map_err(invalid)?;
    while !operators.eof() {
        match operators.read().map_err(invalid)? {
            Operator::BrTable { targets } => {
                branch_targets += u64::from(targets.len());
                function.limit(Countable::BranchTargets, branch_targets)?;
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                depth += 1;
                function.limit(Countable::Nesting, depth)?;
            }
            // The last `end` closes the function itself.
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

impl Place {
    fn limit(self, which: Countable, found: u64) -> Result<(), CompileError> {
        if found > which.allowed() {
            return Err(CompileError::TooMuch {
                place: self,
                which,
                found,
            });
        }
        Ok(())
    }
}

fn invalid(error: BinaryReaderError) -> CompileError {
    CompileError::Invalid(format!("failed to parse WebAssembly module: {error}"))
}
