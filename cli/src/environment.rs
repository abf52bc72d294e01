//! Variables as `--env` takes them.

/// Reads `NAME=VALUE`, or `NAME` for what it is here.
pub(crate) fn variable(text: &str) -> Result<String, String> {
    match text.split('=').next() {
        Some("") | None => Err("a variable has a name: write NAME=VALUE, or NAME for its value here".into()),
        Some(_) => Ok(text.to_owned()),
    }
}

/// The variables to set. One that is taken from here and does not exist is left out.
pub(crate) fn variables(texts: &[String]) -> Vec<(String, String)> {
    let variable = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    };
    texts.iter().filter_map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name() {
        for text in ["", "=", "=x", "==x"] {
            assert!(variable(text).unwrap_err().starts_with("a variable has a name"), "{text}");
        }
        for text in ["NAME", "NAME=", "NAME=a=b"] {
            assert_eq!(variable(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_value_is_given_or_that_of_here() {
        let texts = ["A=b=c", "B=", "PATH", "WXEC_NO_SUCH_VARIABLE"].map(String::from);
        let path = std::env::var("PATH").expect("tests have a PATH");
        let variables = variables(&texts);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(variables, [("A", "b=c"), ("B", ""), ("PATH", &path)]);
    }
}
