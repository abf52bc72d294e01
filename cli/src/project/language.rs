//! Languages that `wxec new` starts projects in, besides Rust. Each has a folder of templates.

/// A language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Language {
    /// Name of the option's value.
    pub(crate) option: &'static str,
    /// Name of its folder with templates.
    pub(crate) templates: &'static str,
    /// The SDK whose sources become a part of the project, in its folder `wxec`.
    pub(crate) sdk: Option<&'static str>,
    /// A command to run in the project before the first build.
    pub(crate) first: Option<&'static str>,
}

/// All languages but Rust.
pub(crate) const LANGUAGES: &[Language] = &[
    Language::new("c", "c", Some("c")),
    Language::new("cpp", "c++", Some("c")),
    Language::new("zig", "zig", Some("zig")),
    Language::new("go", "go", Some("go")),
    Language {
        first: Some("npm install"),
        ..Language::new("as", "assemblyscript", Some("assemblyscript"))
    },
    Language::new("python", "python", None),
    Language::new("js", "javascript", Some("javascript")),
];

/// The value that stands for Rust.
pub(crate) const RUST: &str = "rust";

impl Language {
    const fn new(option: &'static str, templates: &'static str, sdk: Option<&'static str>) -> Self {
        Self {
            option,
            templates,
            sdk,
            first: None,
        }
    }

    /// Returns the language of this name; Rust is none of them.
    pub(crate) fn named(option: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| language.option == option)
    }
}

/// Returns all values of the option.
pub(crate) fn options() -> impl Iterator<Item = &'static str> {
    [RUST]
        .into_iter()
        .chain(LANGUAGES.iter().map(|language| language.option))
}
