//! Tasks of a script: their descriptions, and the arguments of their calls.

use wxec_protocol::{
    abi::{self, Function, Parameter, Wants},
    cbor::{self, Items},
};

use crate::{
    Type, Value,
    types::{Direction, Records},
};

/// Description of a task, as an interpreter finds it in a script.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Path of its module, such as `words::stats`.
    pub module: String,
    /// Name of the function.
    pub name: String,
    /// Its documentation.
    pub doc: String,
    /// Names and types of its parameters, in the notation.
    pub parameters: Vec<(String, String)>,
    /// Type of its value.
    pub returns: String,
    /// Name of its error, if it is said to fail.
    pub error: Option<String>,
    /// Its declared needs.
    pub wants: Wants,
    /// The records that its types name.
    pub records: Records,
}

/// A task with checked types.
#[derive(Debug)]
pub struct Task {
    parameters: Vec<(String, Type)>,
    returns: Type,
    record: Vec<u8>,
}

impl Task {
    /// Checks a description.
    pub fn new(described: Description) -> Result<Self, String> {
        let path = format!("{}::{}", described.module, described.name);
        let read = |what: &str, text: &str| {
            let read = Type::parse(text, &described.records);
            read.map_err(|why| format!("{what} of the task `{path}`: {why}"))
        };
        let parameters = described.parameters.iter().map(|(name, text)| {
            let read = read(&format!("parameter `{name}`"), text)?;
            Ok((name.clone(), read))
        });
        let parameters = parameters.collect::<Result<Vec<_>, String>>()?;
        let returns = read("the value", &described.returns)?;
        if matches!(returns, Type::Sender(_)) {
            return Err(format!("the value of the task `{path}` cannot be a Sender"));
        }
        let function = Function {
            path: String::new(),
            name: described.name,
            doc: described.doc,
            parameters: parameters
                .iter()
                .map(|(name, one)| Parameter {
                    name: name.clone(),
                    type_name: one.to_string(),
                })
                .collect(),
            returns: returns.to_string(),
            error: described.error,
            wants: described.wants,
            readable: false,
            plan: None,
        };
        Ok(Self {
            record: abi::record(&described.module, &function),
            parameters,
            returns,
        })
    }

    /// Returns its record for the module's section.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// Returns the type of its value.
    pub fn returns(&self) -> &Type {
        &self.returns
    }

    /// Decodes the arguments of a call: one for each parameter.
    pub fn arguments(&self, input: &[u8]) -> Result<Vec<(&Type, Value)>, String> {
        let items = cbor::items(input).map_err(|error| format!("the arguments: {error}"))?;
        let expected = self.parameters.len();
        let mut given: Vec<Option<&[u8]>> = vec![None; expected];
        match items {
            Items::Positional(items) => {
                if items.len() > expected {
                    let given = items.len();
                    return Err(format!("{given} arguments for {expected} parameters"));
                }
                for (place, item) in given.iter_mut().zip(items) {
                    *place = Some(&input[item]);
                }
            }
            Items::Named(entries) => {
                for (name, item) in entries {
                    let at = self.parameters.iter().position(|(known, _)| *known == name);
                    match at.map(|at| &mut given[at]) {
                        Some(place @ None) => *place = Some(&input[item]),
                        Some(_) => {
                            return Err(format!("argument `{name}` is given twice"));
                        }
                        None => {
                            let name = name.escape_debug();
                            return Err(format!("there is no parameter `{name}`"));
                        }
                    }
                }
            }
        }
        let places = self.parameters.iter().zip(given);
        let values = places.map(|((name, one), given)| {
            let wrong = |why| format!("argument `{name}`: {why}");
            let value = match given {
                Some(bytes) => cbor::decode(bytes)
                    .map_err(|error| wrong(format!("expected {one}, {error}")))?,
                None if one.is_optional() => Value::Null,
                None => return Err(format!("argument `{name}` is missing: expected {one}")),
            };
            let value = match one {
                // The argument is the index of a stream.
                Type::Sender(_) | Type::Receiver(_) => value,
                one => one.check(value, Direction::In).map_err(wrong)?,
            };
            Ok((one, value))
        });
        values.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task::new(Description {
            module: "m".into(),
            name: "f".into(),
            parameters: [("a", "i64"), ("b", "Option<String>")]
                .map(|(name, text)| (name.into(), text.into()))
                .into(),
            returns: "()".into(),
            ..Description::default()
        })
        .unwrap()
    }

    fn arguments(input: &[u8]) -> Result<Vec<Value>, String> {
        let task = task();
        let values = task.arguments(input)?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn arguments_come_by_position_or_by_name() {
        let expected = Ok(vec![Value::Int(1), Value::Null]);
        assert_eq!(arguments(b"\x81\x01"), expected);
        assert_eq!(arguments(b"\x82\x01\xf6"), expected);
        assert_eq!(arguments(b"\xa1\x61a\x01"), expected);
        assert_eq!(
            arguments(b"\xa2\x61b\x61x\x61a\x01"),
            Ok(vec![Value::Int(1), "x".into()])
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        let wrong = |input: &[u8]| arguments(input).unwrap_err();
        assert_eq!(wrong(b"\x80"), "argument `a` is missing: expected i64");
        assert_eq!(wrong(b"\x83\x01\x61x\x01"), "3 arguments for 2 parameters");
        assert_eq!(
            wrong(b"\x81\x61x"),
            "argument `a`: expected i64, found a text"
        );
        assert_eq!(
            wrong(b"\x82\x01\x02"),
            "argument `b`: expected String, found the integer 2"
        );
        assert_eq!(wrong(b"\xa1\x61c\x01"), "there is no parameter `c`");
        assert_eq!(
            wrong(b"\xa2\x61a\x01\x61a\x01"),
            "argument `a` is given twice"
        );
        assert!(wrong(b"\x01").starts_with("the arguments: "));
        assert!(wrong(b"\x81\x1b\xff\xff\xff\xff\xff\xff\xff\xff").contains("found the integer"));
        assert!(wrong(&[&[0x81; 1000][..], &[1]].concat()).starts_with("the arguments: "));
    }

    #[test]
    fn the_record_describes_the_task() {
        let functions = abi::functions(task().record()).unwrap();
        assert_eq!(functions[0].to_string(), "m::f(a: i64, b: Option<String>)");
    }

    #[test]
    fn an_unknown_type_is_an_error_with_its_place() {
        let wrong = Task::new(Description {
            module: "m".into(),
            name: "f".into(),
            returns: "Pint".into(),
            ..Description::default()
        });
        assert_eq!(
            wrong.unwrap_err(),
            "the value of the task `m::f`: the type `Pint` is not known"
        );
    }
}
