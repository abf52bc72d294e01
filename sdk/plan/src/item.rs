//! Parts of a host that are no files: packages, units, accounts.

use std::collections::{BTreeMap, BTreeSet};

use crate::difference::{Attribute, Difference, Side};

/// The attributes of an item, by their names: `version` of a package, `active` of a unit.
///
/// An *item* is a part of a host that is no file. It has a name, such as `package nginx`, and either
/// attributes or, where it is absent, none.
pub type Attributes = BTreeMap<String, String>;

/// What a command is to change: an item, with its attributes before and after it. By it, a preview
/// knows what later steps will see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The item, such as `package nginx`.
    pub item: String,
    /// Its attributes before; `None` if it was absent.
    pub before: Option<Attributes>,
    /// Its attributes after; `None` if it will be absent.
    pub after: Option<Attributes>,
}

impl Effect {
    /// Returns the attributes that differ.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let present = |attributes: &Option<Attributes>| match attributes {
            Some(_) => Side::Text("present".into()),
            None => Side::Absent,
        };
        let mut differences =
            vec![self.differs(Attribute::Kind, present(&self.before), present(&self.after))];
        let value = |attributes: &Option<Attributes>, name: &String| match attributes
            .as_ref()
            .and_then(|attributes| attributes.get(name))
        {
            None => Side::Absent,
            Some(value) if name == SECRET_ATTRIBUTE && !value.is_empty() => Side::Hidden,
            Some(value) => Side::Text(value.clone()),
        };
        let names = [&self.before, &self.after].into_iter().flatten();
        let names: BTreeSet<_> = names.flat_map(Attributes::keys).collect();
        let of = |attributes: &Option<Attributes>, name: &String| {
            attributes.as_ref().and_then(|it| it.get(name)).cloned()
        };
        for name in names {
            if of(&self.before, name) == of(&self.after, name) {
                continue;
            }
            let attribute = Attribute::Named(name.clone());
            let (before, after) = (value(&self.before, name), value(&self.after, name));
            differences.push(self.differs(attribute, before, after));
        }
        differences.retain(|difference| {
            difference.before != difference.after || difference.before == Side::Hidden
        });
        differences
    }

    fn differs(&self, attribute: Attribute, before: Side, after: Side) -> Difference {
        Difference::of_item(&self.item, attribute, before, after)
    }
}

/// The attribute that no report shows.
pub(crate) const SECRET_ATTRIBUTE: &str = "password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_a_password_is_hidden() {
        let attributes = |pairs: &[(&str, &str)]| -> Option<Attributes> {
            let pairs = pairs.iter();
            Some(pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect())
        };
        let shown = |item: &str, before, after| -> Vec<String> {
            let item = item.to_owned();
            let effect = Effect {
                item,
                before,
                after,
            };
            effect
                .differences()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let before = attributes(&[("shell", "/bin/sh"), ("home", "/srv")]);
        let after = attributes(&[("shell", "/bin/bash"), ("home", "/srv"), ("password", "x")]);
        assert_eq!(
            shown("user app", before, after),
            [
                "user app: password: absent -> (hidden)",
                "user app: shell: \"/bin/sh\" -> \"/bin/bash\"",
            ]
        );
        assert_eq!(
            shown("package nginx", attributes(&[]), None),
            ["package nginx: kind: \"present\" -> absent"]
        );
        assert!(shown("package nginx", None, None).is_empty());
    }
}
