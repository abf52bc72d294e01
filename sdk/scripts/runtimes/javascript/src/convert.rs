//! Values of JavaScript and of the host.

use rquickjs::{
    Array, ArrayBuffer, BigInt, Coerced, Ctx, Exception, Function, IntoJs, Object, Result,
    TypedArray, Value as Js, function::This,
};
use wxec_script::{MAX_SAFE, Type, Value};

/// Nesting of a value, so that one that contains itself is an error.
const MAX_DEPTH: usize = 100;

/// Makes a value of JavaScript. Integers that a number may not hold are `bigint`, by their type.
pub(crate) fn to_js<'js>(ctx: &Ctx<'js>, value: Value, one: &Type) -> Result<Js<'js>> {
    let any = &Type::Any;
    Ok(match (one, value) {
        (Type::Option(inner), value) if value != Value::Null => to_js(ctx, value, inner)?,
        (_, Value::Null) => Js::new_null(ctx.clone()),
        (_, Value::Bool(flag)) => Js::new_bool(ctx.clone(), flag),
        (Type::Int(_, _, greatest), Value::Int(number)) if *greatest > MAX_SAFE as i128 => {
            big(ctx, number)?
        }
        (_, Value::Int(number)) if number.unsigned_abs() > MAX_SAFE as u128 => big(ctx, number)?,
        (_, Value::Int(number)) => Js::new_number(ctx.clone(), number as f64),
        (_, Value::Float(number)) => Js::new_float(ctx.clone(), number),
        (_, Value::Text(text)) => text.into_js(ctx)?,
        (_, Value::Bytes(bytes)) => TypedArray::new_copy(ctx.clone(), bytes)?.into_value(),
        (one, Value::List(items)) => {
            let list = Array::new(ctx.clone())?;
            for (at, item) in items.into_iter().enumerate() {
                let one = match one {
                    Type::List(inner) => inner,
                    Type::Tuple(types) => types.get(at).unwrap_or(any),
                    _ => any,
                };
                list.set(at, to_js(ctx, item, one)?)?;
            }
            list.into_value()
        }
        (Type::Map(types), Value::Map(entries)) if types.0 != Type::Text => {
            let map: Function<'_> = ctx.eval("(entries) => new Map(entries)")?;
            let pairs = Array::new(ctx.clone())?;
            for (at, (key, value)) in entries.into_iter().enumerate() {
                let pair = Array::new(ctx.clone())?;
                pair.set(0, to_js(ctx, key, &types.0)?)?;
                pair.set(1, to_js(ctx, value, &types.1)?)?;
                pairs.set(at, pair)?;
            }
            map.call((pairs,))?
        }
        (one, Value::Map(entries)) => {
            // Without a prototype, no key has a meaning of its own.
            let object = Object::new_proto(ctx.clone(), None)?;
            for (key, value) in entries {
                let key = match key {
                    Value::Text(key) => key,
                    Value::Int(number) => number.to_string(),
                    other => return Err(Exception::throw_type(ctx, &format!("a key is {other}"))),
                };
                let one = match one {
                    Type::Map(types) => &types.1,
                    Type::Record(_, fields) => fields
                        .iter()
                        .find(|(name, _)| *name == key)
                        .map_or(any, |(_, one)| one),
                    _ => any,
                };
                object.set(key, to_js(ctx, value, one)?)?;
            }
            object.into_value()
        }
    })
}

fn big<'js>(ctx: &Ctx<'js>, number: i128) -> Result<Js<'js>> {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => BigInt::from_i64(ctx.clone(), number)?.into_js(ctx),
        (_, Ok(number)) => BigInt::from_u64(ctx.clone(), number)?.into_js(ctx),
        _ => ctx
            .globals()
            .get::<_, Function<'_>>("BigInt")?
            .call((number.to_string(),)),
    }
}

/// Makes a value of the host.
pub(crate) fn from_js<'js>(ctx: &Ctx<'js>, value: Js<'js>) -> Result<Value> {
    convert(ctx, value, 0)
}

fn convert<'js>(ctx: &Ctx<'js>, value: Js<'js>, depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(Exception::throw_type(
            ctx,
            "a value nests too deeply, or contains itself",
        ));
    }
    if value.is_null() || value.is_undefined() {
        return Ok(Value::Null);
    }
    if let Some(flag) = value.as_bool() {
        return Ok(Value::Bool(flag));
    }
    if let Some(number) = value.as_number() {
        let is_whole = number.trunc() == number && number.abs() <= MAX_SAFE;
        return Ok(
            match is_whole && !(number == 0.0 && number.is_sign_negative()) {
                true => Value::Int(number as i128),
                false => Value::Float(number),
            },
        );
    }
    if let Some(text) = value.as_string() {
        let text = text.to_string();
        return text.map(Value::Text);
    }
    if value.is_big_int() {
        let text = value.get::<Coerced<String>>()?.0;
        let number = text
            .parse()
            .map_err(|_| Exception::throw_range(ctx, "a bigint is too large"))?;
        return Ok(Value::Int(number));
    }
    if let Some(list) = value.as_array() {
        let items = list
            .iter::<Js<'_>>()
            .map(|item| convert(ctx, item?, depth + 1));
        return Ok(Value::List(items.collect::<Result<_>>()?));
    }
    if value.is_function() || value.is_symbol() {
        return Err(Exception::throw_type(
            ctx,
            "a function or a symbol cannot leave the task",
        ));
    }
    let Some(object) = value.as_object() else {
        return Err(Exception::throw_type(
            ctx,
            "a value of this kind cannot leave the task",
        ));
    };
    if let Some(bytes) = object.as_typed_array::<u8>() {
        // SAFETY: the bytes are copied at once, and no JavaScript runs meanwhile.
        let bytes = unsafe { bytes.as_bytes() };
        return Ok(Value::Bytes(bytes.unwrap_or_default().to_owned()));
    }
    if let Some(buffer) = ArrayBuffer::from_object(object.clone()) {
        // SAFETY: as above.
        let bytes = unsafe { buffer.as_bytes() };
        return Ok(Value::Bytes(bytes.unwrap_or_default().to_owned()));
    }
    if object.is_promise() {
        return Err(Exception::throw_type(
            ctx,
            "a promise cannot leave the task: await it",
        ));
    }
    let globals = ctx.globals();
    let is = |name: &str| {
        let class = globals.get::<_, Js<'_>>(name);
        class.is_ok_and(|class| object.is_instance_of(class))
    };
    if is("Map") || is("Set") {
        let list: Array<'_> = ctx
            .eval::<Function<'_>, _>("(items) => [...items]")?
            .call((object.clone(),))?;
        let list = convert(ctx, list.into_value(), depth + 1)?;
        if is("Set") {
            return Ok(list);
        }
        let Value::List(pairs) = list else {
            unreachable!("an array becomes a list");
        };
        let entries = pairs.into_iter().filter_map(|pair| match pair {
            Value::List(pair) => <[Value; 2]>::try_from(pair)
                .ok()
                .map(|[key, value]| (key, value)),
            _ => None,
        });
        return Ok(Value::Map(entries.collect()));
    }
    // Dates and other classes say themselves how they are written, as for JSON.
    if let Ok(to_json) = object.get::<_, Function<'_>>("toJSON") {
        return convert(ctx, to_json.call((This(object.clone()),))?, depth + 1);
    }
    let mut entries = Vec::new();
    for property in object.props::<String, Js<'_>>() {
        let (key, value) = property?;
        if !value.is_undefined() && !value.is_function() {
            entries.push((Value::Text(key), convert(ctx, value, depth + 1)?));
        }
    }
    Ok(Value::Map(entries))
}
