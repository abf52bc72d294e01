//! The interpreter: loads the files of a script by an importer of its own, and calls their functions.

use std::{cell::RefCell, collections::BTreeMap};

use rustpython_vm::{
    AsObject, Interpreter as RustPython, PyObjectRef, PyResult, Settings, VirtualMachine,
    builtins::{PyBaseExceptionRef, PyList, PyStrRef},
};
use wxec_script::{
    Description, Field, Panic, TaskFailure, Type, Value, Wants, cbor,
    entry::{Interpreter, SourceFile, Stop},
    host,
};

use crate::{
    convert::{from_python, to_python},
    library,
};

/// The importer, which also finds and calls tasks.
const RUNTIME: &str = include_str!("../../../../python/runtime.py");

/// The library of scripts.
const LIBRARY: (&str, &str) = (
    "wxec/__init__.py",
    include_str!("../../../../python/wxec/__init__.py"),
);

thread_local! {
    /// The files that can be imported, while a script is loaded.
    static FILES: RefCell<BTreeMap<String, String>> = RefCell::default();
    static STANDARD: RefCell<BTreeMap<&'static str, &'static str>> = RefCell::default();
}

/// RustPython with a script.
pub(crate) struct Python {
    interpreter: RustPython,
    invoke: PyObjectRef,
    describe: PyObjectRef,
}

impl Interpreter for Python {
    fn load(files: Vec<SourceFile>) -> Result<(Self, Vec<Description>), Stop> {
        let mut settings = Settings::default();
        settings.install_signal_handlers = false;
        settings.import_site = false;
        settings.ignore_environment = true;
        settings.write_bytecode = false;
        settings.user_site_directory = false;
        settings.allow_external_library = false;
        settings.stdio_encoding = Some("utf-8".into());
        let builder = RustPython::builder(settings);
        let modules = rustpython_stdlib::stdlib_module_defs(&builder.ctx);
        let interpreter = builder.add_native_modules(&modules).build();

        let paths: Vec<_> = files.iter().map(|(path, _)| Value::from(&**path)).collect();
        let library = (LIBRARY.0.to_owned(), LIBRARY.1.to_owned());
        FILES.set(files.into_iter().chain([library]).collect());
        STANDARD.set(library::files());
        let loaded = interpreter.enter(|vm| start(vm, paths));
        FILES.take();
        STANDARD.take();
        // SAFETY: nothing else holds what `files` returned: Python has copies.
        unsafe { library::erase() }

        let (invoke, describe, tasks) = loaded?;
        let described = tasks.as_list().iter().map(description).collect();
        let script = Self {
            interpreter,
            invoke,
            describe,
        };
        Ok((script, described))
    }

    fn call(&self, task: usize, arguments: Vec<(&Type, Value)>) -> Result<Value, Stop> {
        self.interpreter.enter(|vm| {
            let arguments = arguments.into_iter().map(|(_, value)| to_python(vm, value));
            let called = arguments
                .collect::<PyResult<Vec<_>>>()
                .and_then(|arguments| {
                    let task = vm.ctx.new_int(task);
                    let value = self.invoke.call((task, vm.ctx.new_list(arguments)), vm)?;
                    from_python(vm, &value)
                });
            called.map_err(|error| stop(vm, &self.describe, error))
        })
    }
}

/// Starts the importer, and loads the files. Returns the functions that call a task and that describe
/// an exception, and the tasks.
fn start(
    vm: &VirtualMachine,
    paths: Vec<Value>,
) -> Result<(PyObjectRef, PyObjectRef, Value), Stop> {
    let internal = |error: PyBaseExceptionRef| {
        let mut text = String::new();
        let _ = vm.write_exception(&mut text, &error);
        Stop::Internal(text)
    };
    let module = vm.new_module("_wxec", vm.ctx.new_dict(), None);
    let bind = || {
        module.set_attr("host", vm.new_function("host", ask), vm)?;
        module.set_attr("source", vm.new_function("source", source), vm)?;
        let modules = vm.sys_module.get_attr("modules", vm)?;
        modules.set_item("_wxec", module.clone().into(), vm)?;
        let scope = vm.new_scope_with_builtins();
        vm.run_string(scope.clone(), RUNTIME, "<wxec>")?;
        let function = |name: &str| scope.globals.get_item(name, vm);
        Ok((
            function("load")?,
            function("invoke")?,
            function("describe")?,
        ))
    };
    let (load, invoke, describe) = bind().map_err(internal)?;
    let tasks = to_python(vm, Value::List(paths)).and_then(|paths| {
        let tasks = load.call((paths,), vm)?;
        from_python(vm, &tasks)
    });
    let tasks = tasks.map_err(|error| stop(vm, &describe, error))?;
    Ok((invoke, describe, tasks))
}

/// Returns the text of a file that can be imported.
fn source(path: PyStrRef, vm: &VirtualMachine) -> PyObjectRef {
    let path = path.to_string_lossy();
    let own = FILES.with_borrow(|files| files.get(&*path).cloned());
    let found =
        own.or_else(|| STANDARD.with_borrow(|files| files.get(&*path).map(|text| (*text).into())));
    found.map_or(vm.ctx.none(), |text: String| vm.ctx.new_str(text).into())
}

/// Calls the host: returns a value and `None`, or `None` and an error.
fn ask(name: PyStrRef, arguments: PyObjectRef, vm: &VirtualMachine) -> PyResult {
    let arguments = match arguments.downcast_ref::<PyList>() {
        Some(arguments) => arguments.borrow_vec().to_vec(),
        None => return Err(vm.new_type_error("the arguments are no list")),
    };
    let arguments = arguments.iter().map(|argument| from_python(vm, argument));
    let arguments = arguments.collect::<PyResult<Vec<_>>>()?;
    let (value, error) = match host(&name.to_string_lossy(), &arguments) {
        Ok(value) => (to_python(vm, value)?, vm.ctx.none()),
        Err(error) => (vm.ctx.none(), to_python(vm, error)?),
    };
    Ok(vm.ctx.new_tuple(vec![value, error]).into())
}

/// Describes an exception.
fn stop(vm: &VirtualMachine, describe: &PyObjectRef, error: PyBaseExceptionRef) -> Stop {
    let described = describe
        .call((error.as_object().to_owned(),), vm)
        .and_then(|described| from_python(vm, &described));
    let described = match described {
        Ok(described) => described,
        Err(second) => {
            let mut text = String::new();
            for error in [&error, &second] {
                let _ = vm.write_exception(&mut text, error);
            }
            return Stop::Internal(text);
        }
    };
    let text = |key| {
        described
            .get(key)
            .and_then(Value::as_text)
            .map(str::to_owned)
    };
    let number = |key| match described.get(key) {
        Some(Value::Int(number)) => u32::try_from(*number).unwrap_or(0),
        _ => 0,
    };
    let message = text("msg").unwrap_or_default();
    match text("type") {
        Some(type_name) => Stop::Failed(TaskFailure {
            type_name,
            message,
            chain: texts(described.get("chain")),
            data: described
                .get("data")
                .filter(|data| **data != Value::Null)
                .and_then(|data| cbor::encode(data).ok()),
        }),
        None => Stop::Panicked(Panic {
            message,
            file: text("file"),
            line: number("line"),
            column: number("column"),
        }),
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.map_or(&[][..], Value::as_list).iter();
    items
        .filter_map(|item| item.as_text().map(str::to_owned))
        .collect()
}

/// Reads the description that Python made of a task.
fn description(task: &Value) -> Description {
    let text = |key| {
        task.get(key)
            .and_then(Value::as_text)
            .unwrap_or_default()
            .to_owned()
    };
    let pairs = |value: Option<&Value>| -> Vec<(String, String)> {
        let items = value.map_or(&[][..], Value::as_list).iter();
        let pairs = items.filter_map(|pair| match pair.as_list() {
            [Value::Text(name), Value::Text(one)] => Some((name.clone(), one.clone())),
            _ => None,
        });
        pairs.collect()
    };
    let records = match task.get("records") {
        Some(Value::Map(records)) => records.as_slice(),
        _ => &[],
    };
    let records = records.iter().map(|(name, fields)| {
        let fields = pairs(Some(fields)).into_iter();
        let fields = fields.map(|(name, type_name)| Field { name, type_name });
        (
            name.as_text().unwrap_or_default().to_owned(),
            fields.collect(),
        )
    });
    let wants = |key| texts(task.get("wants").and_then(|wants| wants.get(key)));
    let flag = |key| task.get("wants").and_then(|wants| wants.get(key)) == Some(&Value::Bool(true));
    Description {
        module: text("module"),
        name: text("name"),
        doc: text("doc"),
        parameters: pairs(task.get("parameters")),
        returns: text("returns"),
        error: Some(text("error")).filter(|error| !error.is_empty()),
        wants: Wants {
            read: wants("read"),
            write: wants("write"),
            run: wants("run"),
            env: wants("env"),
            net: wants("net"),
            host: wants("host"),
            ask: wants("ask"),
            facts: flag("facts"),
            attributes: flag("attributes"),
        },
        records: records.collect(),
    }
}
