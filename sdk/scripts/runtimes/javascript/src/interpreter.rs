//! The interpreter: reads the files of a script as modules, and calls their functions.

use std::{collections::BTreeMap, mem};

use rquickjs::{
    Array, CatchResultExt, CaughtError, Context, Ctx, Error, Exception, Function, Module, Object,
    Persistent, Promise, Result, Runtime, Value as Js,
    loader::{ImportAttributes, Loader, Resolver},
    module::{Declarations, Declared, Exports, ModuleDef},
};
use wxec_script::{
    Description, Panic, TaskFailure, Type, Value, cbor,
    entry::{Interpreter, SourceFile, Stop},
    host, item_type,
};

use crate::{
    convert::{from_js, to_js},
    jsdoc,
};

/// The library of scripts, and the module below it.
const LIBRARY: (&str, &str) = ("wxec", include_str!("../../../../javascript/wxec.js"));
const HOST: &str = "#host";

/// QuickJS with a script.
pub(crate) struct JavaScript {
    context: Context,
    tasks: Vec<(Persistent<Function<'static>>, String, bool)>,
    invoke: Persistent<Function<'static>>,
    describe: Persistent<Function<'static>>,
}

impl Interpreter for JavaScript {
    fn load(files: Vec<SourceFile>) -> std::result::Result<(Self, Vec<Description>), Stop> {
        let failed = |error: Error| Stop::Internal(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        // The runtime lives as long as the module, and QuickJS asserts that no value outlives it.
        mem::forget(runtime.clone());
        let context = Context::full(&runtime).map_err(failed)?;
        let files: BTreeMap<_, _> = files.into_iter().collect();
        let mut described = Vec::new();
        for (path, source) in &files {
            let tasks = jsdoc::tasks(&module_path(path), source);
            let tasks = tasks.map_err(|why| Stop::BadArguments(format!("{path}: {why}")))?;
            described.push((path.clone(), tasks));
        }
        runtime.set_loader(Files(files.clone()), Files(files));
        let (tasks, invoke, describe) = context.with(|ctx| {
            let library = import(&ctx, LIBRARY.0).map_err(|error| panicked(caught(&ctx, error)))?;
            let internal = |name: &str| {
                let function: Result<Function<'_>> = library.get(name);
                function
                    .map(|function| Persistent::save(&ctx, function))
                    .map_err(failed)
            };
            let mut tasks = Vec::new();
            for (path, described) in &described {
                let module = import(&ctx, path).map_err(|error| panicked(caught(&ctx, error)))?;
                for one in described {
                    let function: Function<'_> = module.get(&one.name).map_err(|_| {
                        Stop::BadArguments(format!("{path}: `{}` is no function", one.name))
                    })?;
                    let returns_items = one.returns.starts_with("Receiver<");
                    let function = Persistent::save(&ctx, function);
                    tasks.push((function, one.module.clone(), returns_items));
                }
            }
            Ok((tasks, internal("__invoke")?, internal("__describe")?))
        })?;
        runtime.run_gc();
        let described = described.into_iter().flat_map(|(_, tasks)| tasks).collect();
        let script = Self {
            context,
            tasks,
            invoke,
            describe,
        };
        Ok((script, described))
    }

    fn call(
        &self,
        task: usize,
        arguments: Vec<(&Type, Value)>,
    ) -> std::result::Result<Value, Stop> {
        let (function, module, returns_items) = &self.tasks[task];
        self.context.with(|ctx| {
            self.invoke(&ctx, function, arguments, *returns_items)
                .map_err(|error| self.stop(&ctx, error, module))
        })
    }
}

impl JavaScript {
    fn invoke<'js>(
        &self,
        ctx: &Ctx<'js>,
        function: &Persistent<Function<'static>>,
        arguments: Vec<(&Type, Value)>,
        returns_items: bool,
    ) -> Result<Value> {
        let function = function.clone().restore(ctx)?;
        let invoke = self.invoke.clone().restore(ctx)?;
        let values = Array::new(ctx.clone())?;
        let kinds = Array::new(ctx.clone())?;
        for (at, (one, value)) in arguments.into_iter().enumerate() {
            let kind = match one {
                Type::Sender(_) => Some("sender"),
                Type::Receiver(_) => Some("receiver"),
                _ => None,
            };
            values.set(at, to_js(ctx, value, one)?)?;
            kinds.set(at, kind)?;
        }
        let value: Js<'_> = invoke.call((function, values, kinds, returns_items))?;
        let value = match value.as_promise() {
            Some(promise) => settled(ctx, promise)?,
            None => value,
        };
        from_js(ctx, value)
    }

    /// Describes what a task threw.
    fn stop<'js>(&self, ctx: &Ctx<'js>, error: Error, module: &str) -> Stop {
        let thrown = caught(ctx, error);
        let described = self.describe.clone().restore(ctx).and_then(|describe| {
            let described: Object<'_> = describe.call((thrown.clone(),))?;
            let message: String = described.get("msg")?;
            if !described.get::<_, bool>("typed")? {
                // Traps without a report, so that the host names the limit on memory.
                if message == "out of memory" {
                    core::arch::wasm32::unreachable();
                }
                let (file, line, column) = place(&described.get::<_, String>("stack")?);
                return Ok(Stop::Panicked(Panic {
                    message,
                    file,
                    line,
                    column,
                }));
            }
            let data: Js<'_> = described.get("data")?;
            let data = match data.is_undefined() {
                true => None,
                false => cbor::encode(&from_js(ctx, data)?).ok(),
            };
            let name: String = described.get("type")?;
            let module = if described.get("builtin")? {
                "wxec"
            } else {
                module
            };
            Ok(Stop::Failed(TaskFailure {
                type_name: format!("{module}::{name}"),
                message,
                chain: described.get("chain")?,
                data,
            }))
        });
        described.unwrap_or_else(|_| panicked(thrown))
    }
}

/// Waits for a promise. A script has one thread and nothing that could wake it, so a promise that is
/// not settled when all jobs are done never is.
fn settled<'js>(ctx: &Ctx<'js>, promise: &Promise<'js>) -> Result<Js<'js>> {
    match promise.finish() {
        Err(Error::WouldBlock) => Err(Exception::throw_internal(
            ctx,
            "the task waits for a promise that is never settled",
        )),
        settled => settled,
    }
}

fn import<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Object<'js>> {
    let promise = Module::import(ctx, name)?;
    settled(ctx, &promise)?.get()
}

/// Returns the value that was thrown.
fn caught<'js>(ctx: &Ctx<'js>, error: Error) -> Js<'js> {
    match Err::<(), _>(error).catch(ctx) {
        Err(CaughtError::Exception(exception)) => exception.into_object().into_value(),
        Err(CaughtError::Value(value)) => value,
        Err(CaughtError::Error(error)) => {
            let exception = Exception::from_message(ctx.clone(), &error.to_string());
            exception.map_or_else(
                |_| Js::new_null(ctx.clone()),
                |e| e.into_object().into_value(),
            )
        }
        Ok(()) => Js::new_null(ctx.clone()),
    }
}

/// Makes a panic of what was thrown, by rules that need nothing of the script's library.
fn panicked(thrown: Js<'_>) -> Stop {
    let exception = thrown.into_object().and_then(Exception::from_object);
    let (message, stack) = match exception {
        Some(exception) => (exception.message(), exception.stack()),
        None => (None, None),
    };
    let (file, line, column) = place(&stack.unwrap_or_default());
    Stop::Panicked(Panic {
        message: message.unwrap_or_else(|| "a value that is no error was thrown".into()),
        file,
        line,
        column,
    })
}

/// Returns the first place in the script's own files that a stack names, as in
/// `at crash (src/words.js:45:11)`.
fn place(stack: &str) -> (Option<String>, u32, u32) {
    let places = stack.lines().filter_map(|line| {
        let line = line.trim().trim_end_matches(')');
        let place = line.rsplit([' ', '(']).next()?;
        let mut parts = place.rsplitn(3, ':');
        let (column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
        let is_library = file == LIBRARY.0 || file == HOST;
        (!is_library).then_some((
            Some(file.to_owned()),
            line.parse().ok()?,
            column.parse().ok()?,
        ))
    });
    places.into_iter().next().unwrap_or_default()
}

/// Returns the path of the tasks in a file: `words/stats.js` has those of `words::stats`.
fn module_path(file: &str) -> String {
    let path = file.rsplit_once('.').map_or(file, |(path, _)| path);
    let path = path.strip_suffix("/index").unwrap_or(path);
    path.replace('/', "::")
}

/// The files of a script.
struct Files(BTreeMap<String, String>);

impl Resolver for Files {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        if name == LIBRARY.0 || (name == HOST && base == LIBRARY.0) || self.0.contains_key(name) {
            return Ok(name.to_owned());
        }
        let not_found = || Error::new_resolving(base, name);
        if !name.starts_with('.') {
            return Err(not_found());
        }
        let mut path: Vec<_> = base.split('/').collect();
        path.pop();
        for part in name.split('/') {
            match part {
                "." => {}
                ".." => drop(path.pop().ok_or_else(not_found)?),
                part => path.push(part),
            }
        }
        let path = path.join("/");
        let candidates = [
            path.clone(),
            format!("{path}.js"),
            format!("{path}/index.js"),
        ];
        let mut found = candidates
            .into_iter()
            .filter(|path| self.0.contains_key(path));
        found.next().ok_or_else(not_found)
    }
}

impl Loader for Files {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        match name {
            HOST => Module::declare_def::<Host, _>(ctx.clone(), name),
            name if name == LIBRARY.0 => Module::declare(ctx.clone(), name, LIBRARY.1),
            name => {
                let source = self.0.get(name).ok_or_else(|| Error::new_loading(name))?;
                Module::declare(ctx.clone(), name, source.as_str())
            }
        }
    }
}

/// The module of the host's calls.
struct Host;

impl ModuleDef for Host {
    fn declare<'js>(declarations: &Declarations<'js>) -> Result<()> {
        declarations.declare("host")?;
        Ok(())
    }

    fn evaluate<'js>(ctx: &Ctx<'js>, exports: &Exports<'js>) -> Result<()> {
        exports.export("host", Function::new(ctx.clone(), ask)?)?;
        Ok(())
    }
}

/// Calls the host: returns `{ value }`, or `{ error }`.
fn ask<'js>(ctx: Ctx<'js>, name: String, arguments: Array<'js>) -> Result<Object<'js>> {
    let arguments = arguments
        .iter::<Js<'_>>()
        .map(|argument| from_js(&ctx, argument?));
    let arguments = arguments.collect::<Result<Vec<_>>>()?;
    let item = match &*name {
        "receive" => arguments.first().and_then(item_type),
        _ => None,
    };
    let one = item.map_or(Type::Any, |item| Type::List(Box::new(item)));
    let answer = Object::new(ctx.clone())?;
    match host(&name, &arguments) {
        Ok(value) => answer.set("value", to_js(&ctx, value, &one)?)?,
        Err(error) => answer.set("error", to_js(&ctx, error, &Type::Any)?)?,
    }
    Ok(answer)
}
