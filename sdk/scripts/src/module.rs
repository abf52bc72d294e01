//! Puts an image into a runtime module.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ExportKind,
    ExportSection, Function, FunctionSection, MemorySection, MemoryType, Module, RawSection,
};
use wasmparser::{
    BinaryReaderError, DataKind, ExternalKind, FunctionBody, Parser, Payload, TypeRef,
};
use wxec_protocol::abi::{self, RecordError};

/// Export of a runtime module that makes an image. Its type is that of a task.
const IMAGE_EXPORT: &str = "wx1__image";
/// Export of a runtime module that calls a task by its place in the image's records.
const DISPATCH_EXPORT: &str = "wxec_dispatch";
/// Export that initialises a module. An image was initialised before it was made.
const INITIALIZE_EXPORT: &str = "_initialize";

/// Bytes of a page of memory.
const PAGE_BYTES: usize = 64 << 10;

/// Zeroes that end a segment of data. Each segment takes a dozen bytes, and runtimes allow 100,000 of
/// them.
const GAP_BYTES: usize = 256;

/// Reason why a runtime module and an image do not make a module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The runtime module cannot be read.
    #[error("the runtime module cannot be read: {0}")]
    Malformed(#[from] BinaryReaderError),
    /// The runtime module is not made as one has to be.
    #[error("this is no runtime module: {0}")]
    NoRuntime(&'static str),
    /// The image is not one of a runtime module.
    #[error("this is no image: {0}")]
    NoImage(&'static str),
    /// The records in the image cannot be read.
    #[error("the tasks of the image cannot be read: {0}")]
    Records(#[from] RecordError),
    /// The script has no tasks.
    #[error("the script has no tasks")]
    NoTasks,
}

/// Makes the module of a script: the runtime module, with the memory of `image` and an export for each
/// task. `image` is the content of the byte string that the runtime module's function
/// [`IMAGE`](crate::IMAGE) returned.
pub fn module(runtime: &[u8], image: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let image = Image::read(image)?;
    let parts = Parts::read(runtime)?;
    let tasks = u32::try_from(image.tasks.len()).expect("the records' length is bounded");
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(runtime) {
        let payload = payload?;
        match &payload {
            Payload::FunctionSection(reader) => {
                let mut functions = FunctionSection::new();
                for index in reader.clone() {
                    functions.function(index?);
                }
                for _ in 0..tasks {
                    functions.function(parts.task_type);
                }
                module.section(&functions);
            }
            Payload::MemorySection(_) => {
                let mut memories = MemorySection::new();
                memories.memory(MemoryType {
                    minimum: image.memory.len().div_ceil(PAGE_BYTES) as u64,
                    maximum: parts.maximum_pages,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                module.section(&memories);
            }
            Payload::ExportSection(reader) => {
                let mut exports = ExportSection::new();
                for export in reader.clone() {
                    let export = export?;
                    if ![IMAGE_EXPORT, DISPATCH_EXPORT, INITIALIZE_EXPORT].contains(&export.name)
                        && let Some(kind) = exported(export.kind)
                    {
                        exports.export(export.name, kind, export.index);
                    }
                }
                for (index, task) in (parts.functions..).zip(&image.tasks) {
                    let name = format!("{}{task}", abi::EXPORT_PREFIX);
                    exports.export(&name, ExportKind::Func, index);
                }
                module.section(&exports);
            }
            Payload::DataCountSection { .. } => {
                let count = u32::try_from(image.segments().count()).expect("memory has 4 GiB");
                module.section(&DataCountSection { count });
            }
            Payload::CodeSectionStart { .. } => {
                let mut code = CodeSection::new();
                for body in &parts.bodies {
                    code.raw(&runtime[body.range()]);
                }
                for task in 0..tasks {
                    let mut body = Function::new([]);
                    let task = i32::try_from(task).expect("the records' length is bounded");
                    body.instructions()
                        .i32_const(task)
                        .call(parts.dispatch)
                        .end();
                    code.function(&body);
                }
                module.section(&code);
            }
            Payload::DataSection(_) => {
                let mut data = DataSection::new();
                for (offset, bytes) in image.segments() {
                    let offset = u32::try_from(offset).expect("memory has 4 GiB");
                    let place = ConstExpr::i32_const(offset.cast_signed());
                    data.active(0, &place, bytes.iter().copied());
                }
                module.section(&data);
            }
            Payload::CustomSection(section) if section.name() == abi::SECTION => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    let data = &runtime[range];
                    module.section(&RawSection { id, data });
                }
            }
        }
    }
    module.section(&CustomSection {
        name: abi::SECTION.into(),
        data: image.records.into(),
    });
    Ok(module.finish())
}

/// The image of a script.
struct Image<'a> {
    records: &'a [u8],
    /// The tasks' paths, in the order of their places.
    tasks: Vec<String>,
    memory: &'a [u8],
}

impl<'a> Image<'a> {
    fn read(image: &'a [u8]) -> Result<Self, ModuleError> {
        let (length, rest) = image
            .split_first_chunk()
            .ok_or(ModuleError::NoImage("it has no length"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (records, memory) = rest
            .split_at_checked(length)
            .ok_or(ModuleError::NoImage("it is cut short"))?;
        if memory.is_empty() || memory.len() % PAGE_BYTES != 0 {
            return Err(ModuleError::NoImage("its memory has no whole pages"));
        }
        let tasks: Vec<_> = abi::functions(records)?
            .into_iter()
            .map(|function| function.path)
            .collect();
        if tasks.is_empty() {
            return Err(ModuleError::NoTasks);
        }
        Ok(Self {
            records,
            tasks,
            memory,
        })
    }

    /// Returns the parts of the memory between longer runs of zeroes, with their places.
    fn segments(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        let memory = self.memory;
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at + memory[at..].iter().position(|byte| *byte != 0)?;
            let mut end = start + 1;
            loop {
                let rest = &memory[end..];
                match rest.iter().position(|byte| *byte != 0) {
                    Some(zeroes) if zeroes < GAP_BYTES => end += zeroes + 1,
                    _ => break,
                }
            }
            at = end;
            Some((start, &memory[start..end]))
        })
    }
}

/// The parts of a runtime module that a script's module has in another form.
struct Parts<'a> {
    /// Number of functions, imported ones included.
    functions: u32,
    /// Index of the type of a task.
    task_type: u32,
    /// Index of the function that calls a task.
    dispatch: u32,
    maximum_pages: Option<u64>,
    bodies: Vec<FunctionBody<'a>>,
}

impl<'a> Parts<'a> {
    fn read(runtime: &'a [u8]) -> Result<Self, ModuleError> {
        // Types of functions, imported ones first.
        let mut types = Vec::new();
        let mut exports = Vec::new();
        let mut bodies = Vec::new();
        let mut memories = Vec::new();
        let mut mutable_globals = 0;
        for payload in Parser::new(0).parse_all(runtime) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        match import?.ty {
                            TypeRef::Func(index) | TypeRef::FuncExact(index) => types.push(index),
                            _ => {
                                return Err(ModuleError::NoRuntime(
                                    "it imports no functions alone",
                                ));
                            }
                        }
                    }
                }
                Payload::FunctionSection(reader) => {
                    for index in reader {
                        types.push(index?);
                    }
                }
                Payload::MemorySection(reader) => {
                    for memory in reader {
                        memories.push(memory?);
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader {
                        mutable_globals += usize::from(global?.ty.mutable);
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        exports.push(export?);
                    }
                }
                Payload::DataSection(reader) => {
                    for segment in reader {
                        // The image has the content of active segments. One that is passive would be
                        // needed later, at its index.
                        if !matches!(segment?.kind, DataKind::Active { .. }) {
                            return Err(ModuleError::NoRuntime("it has passive data"));
                        }
                    }
                }
                Payload::StartSection { .. } => {
                    return Err(ModuleError::NoRuntime("it has a start function"));
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                _ => {}
            }
        }
        // The stack's pointer has its first value again in each instance; an image has no other globals.
        if mutable_globals > 1 {
            return Err(ModuleError::NoRuntime("it has mutable globals"));
        }
        let [memory] = memories[..] else {
            return Err(ModuleError::NoRuntime("it has no memory, or several"));
        };
        let function = |name: &str| {
            let found = exports
                .iter()
                .find(|export| export.name == name && export.kind == ExternalKind::Func);
            found
                .map(|export| export.index)
                .ok_or(ModuleError::NoRuntime("it lacks an export"))
        };
        let image = function(IMAGE_EXPORT)?;
        let task_type = types.get(image as usize).copied();
        Ok(Self {
            functions: u32::try_from(types.len()).expect("indices have 32 bits"),
            task_type: task_type.ok_or(ModuleError::NoRuntime("an export is no function"))?,
            dispatch: function(DISPATCH_EXPORT)?,
            maximum_pages: memory.maximum,
            bodies,
        })
    }
}

fn exported(kind: ExternalKind) -> Option<ExportKind> {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => Some(ExportKind::Func),
        ExternalKind::Table => Some(ExportKind::Table),
        ExternalKind::Memory => Some(ExportKind::Memory),
        ExternalKind::Global => Some(ExportKind::Global),
        ExternalKind::Tag => None,
    }
}

#[cfg(test)]
mod tests {
    use wxec_protocol::abi::Function;

    use super::*;

    const RUNTIME: &str = r#"(module
        (import "wxec_v1" "input_len" (func (result i32)))
        (memory (export "memory") 1)
        (global $sp (mut i32) (i32.const 1024))
        (data (i32.const 8) "own")
        (func (export "_initialize"))
        (func (export "wx1__image") (result i32) i32.const 0)
        (func $dispatch (export "wxec_dispatch") (param i32) (result i32) local.get 0))"#;

    fn image(tasks: &[&str], memory: &[u8]) -> Vec<u8> {
        let records: Vec<u8> = tasks
            .iter()
            .flat_map(|name| {
                let function = Function {
                    path: String::new(),
                    name: (*name).into(),
                    doc: String::new(),
                    parameters: Vec::new(),
                    returns: "()".into(),
                    error: None,
                    wants: abi::Wants::default(),
                    readable: false,
                    plan: None,
                };
                abi::record("m::sub", &function)
            })
            .collect();
        let length = u32::try_from(records.len()).unwrap().to_le_bytes();
        [&length, &*records, memory].concat()
    }

    fn memory() -> Vec<u8> {
        let mut memory = vec![0; 2 * PAGE_BYTES];
        memory[10..13].copy_from_slice(b"abc");
        memory[20] = 1;
        *memory.last_mut().unwrap() = 9;
        memory
    }

    #[test]
    fn a_module_has_the_memory_and_the_tasks_of_the_image() {
        let runtime = wat::parse_str(RUNTIME).unwrap();
        let made = module(&runtime, &image(&["a", "b"], &memory())).unwrap();
        let (mut names, mut data, mut pages) = (Vec::new(), Vec::new(), 0);
        for payload in Parser::new(0).parse_all(&made) {
            match payload.unwrap() {
                Payload::ExportSection(reader) => {
                    names.extend(reader.into_iter().map(|export| export.unwrap().name));
                }
                Payload::MemorySection(reader) => {
                    pages = reader.into_iter().next().unwrap().unwrap().initial;
                }
                Payload::DataSection(reader) => {
                    data.extend(reader.into_iter().map(|segment| segment.unwrap().data));
                }
                _ => {}
            }
        }
        assert_eq!(names, ["memory", "wx1_m::sub::a", "wx1_m::sub::b"]);
        assert_eq!(data, [&b"abc\0\0\0\0\0\0\0\x01"[..], b"\x09"]);
        assert_eq!(pages, 2);
    }

    #[test]
    fn what_is_no_runtime_or_no_image_is_refused() {
        let runtime = wat::parse_str(RUNTIME).unwrap();
        let wrong = |runtime: &str, image: &[u8]| {
            let runtime = wat::parse_str(runtime).unwrap();
            module(&runtime, image).unwrap_err().to_string()
        };
        let good = image(&["a"], &memory());
        assert!(module(&runtime, &good).is_ok());
        assert_eq!(
            wrong(RUNTIME, b"\xff\xff\xff\xff"),
            "this is no image: it is cut short"
        );
        assert_eq!(
            wrong(RUNTIME, &good[..good.len() - 1]),
            "this is no image: its memory has no whole pages"
        );
        assert_eq!(
            wrong(RUNTIME, &image(&[], &memory())),
            "the script has no tasks"
        );
        assert_eq!(
            wrong("(module (memory 1))", &good),
            "this is no runtime module: it lacks an export"
        );
        let passive = RUNTIME.replace("(data (i32.const 8)", "(data");
        assert_eq!(
            wrong(&passive, &good),
            "this is no runtime module: it has passive data"
        );
        assert!(module(b"\0asm", &good).is_err());
    }
}
