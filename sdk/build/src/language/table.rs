//! All languages.

use crate::language::{assemblyscript, c, go, interpreted, recipe::Language, zig};

/// The languages, in the order in which they are looked for: a project of one may have files of
/// those behind it.
pub(crate) const LANGUAGES: &[&Language] = &[
    &zig::ZIG,
    &go::GO,
    &assemblyscript::ASSEMBLYSCRIPT,
    &interpreted::JAVASCRIPT,
    &interpreted::PYTHON,
    &c::CPP,
    &c::C,
];

/// Returns the language of this name.
pub(crate) fn named(name: &str) -> Option<&'static Language> {
    let is = |language: &&&Language| language.name == name || language.aliases.contains(&name);
    LANGUAGES.iter().find(is).copied()
}

/// Lists the names of all languages.
pub(crate) fn names() -> String {
    let mut names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
    names.sort_unstable();
    names.join(", ")
}
