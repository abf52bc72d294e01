//! Values of Python and of the host. Classes are converted in Python, by the library of scripts.

use num_traits::ToPrimitive;
use rustpython_vm::{
    AsObject, PyObjectRef, PyResult, VirtualMachine,
    builtins::{PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyStr, PyTuple},
};
use wxec_script::Value;

/// Nesting of a value, so that one that contains itself is an error.
const MAX_DEPTH: usize = 100;

pub(crate) fn to_python(vm: &VirtualMachine, value: Value) -> PyResult {
    let ctx = &vm.ctx;
    Ok(match value {
        Value::Null => ctx.none(),
        Value::Bool(flag) => ctx.new_bool(flag).into(),
        Value::Int(number) => ctx.new_int(number).into(),
        Value::Float(number) => ctx.new_float(number).into(),
        Value::Text(text) => ctx.new_str(text).into(),
        Value::Bytes(bytes) => ctx.new_bytes(bytes).into(),
        Value::List(items) => {
            let items = items.into_iter().map(|item| to_python(vm, item));
            ctx.new_list(items.collect::<PyResult<_>>()?).into()
        }
        Value::Map(entries) => {
            let dict = ctx.new_dict();
            for (key, value) in entries {
                let key = match key {
                    // A list is no key in Python, a tuple is.
                    Value::List(items) => {
                        let items = items.into_iter().map(|item| to_python(vm, item));
                        ctx.new_tuple(items.collect::<PyResult<_>>()?).into()
                    }
                    key => to_python(vm, key)?,
                };
                dict.set_item(&*key, to_python(vm, value)?, vm)?;
            }
            dict.into()
        }
    })
}

pub(crate) fn from_python(vm: &VirtualMachine, object: &PyObjectRef) -> PyResult<Value> {
    convert(vm, object, 0)
}

fn convert(vm: &VirtualMachine, object: &PyObjectRef, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        let message = "a value nests too deeply, or contains itself";
        return Err(vm.new_value_error(message));
    }
    let list = |items: &[PyObjectRef]| {
        let items = items.iter().map(|item| convert(vm, item, depth + 1));
        items.collect::<PyResult<_>>().map(Value::List)
    };
    if vm.is_none(object) {
        return Ok(Value::Null);
    }
    for flag in [true, false] {
        if object.is(&vm.ctx.new_bool(flag)) {
            return Ok(Value::Bool(flag));
        }
    }
    if let Some(number) = object.downcast_ref::<PyInt>() {
        let number = number.as_bigint().to_i128();
        return number
            .map(Value::Int)
            .ok_or_else(|| vm.new_overflow_error("an integer has more than 64 bits"));
    }
    if let Some(number) = object.downcast_ref::<PyFloat>() {
        return Ok(Value::Float(number.to_f64()));
    }
    if let Some(text) = object.downcast_ref::<PyStr>() {
        let text = text
            .to_str()
            .ok_or_else(|| vm.new_value_error("a text has lone surrogates"));
        return Ok(text?.into());
    }
    if let Some(bytes) = object.downcast_ref::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_owned()));
    }
    if let Some(bytes) = object.downcast_ref::<PyByteArray>() {
        return Ok(Value::Bytes(bytes.borrow_buf().to_owned()));
    }
    if let Some(items) = object.downcast_ref::<PyList>() {
        // A copy, so that the list may change meanwhile.
        let items = items.borrow_vec().to_vec();
        return list(&items);
    }
    if let Some(items) = object.downcast_ref::<PyTuple>() {
        return list(items.as_slice());
    }
    if let Some(dict) = object.downcast_ref::<PyDict>() {
        let entries = dict.into_iter().map(|(key, value)| {
            Ok((
                convert(vm, &key, depth + 1)?,
                convert(vm, &value, depth + 1)?,
            ))
        });
        return entries.collect::<PyResult<_>>().map(Value::Map);
    }
    let class = object.class().name().to_string();
    Err(vm.new_type_error(format!("a value of class `{class}` cannot leave the task")))
}
