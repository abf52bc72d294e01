//! Cargo features of a package to build: options shared by all commands that build packages.

use wxec::module::Features;

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Building")]
pub(crate) struct FeatureArgs {
    /// Enable these features of the package as well, as in cargo; may be repeated
    #[arg(long, value_name = "NAME,…", display_order = 70)]
    features: Vec<String>,
    /// Enable all features of the package
    #[arg(long, display_order = 71)]
    all_features: bool,
    /// Disable the package's default features
    #[arg(long, display_order = 72)]
    no_default_features: bool,
}

impl FeatureArgs {
    pub(crate) fn features(&self) -> Features {
        let mut features = self
            .features
            .iter()
            .fold(Features::default(), |features, names| features.with(names));
        if self.all_features {
            features = features.with_all();
        }
        if self.no_default_features {
            features = features.without_default();
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        features: FeatureArgs,
    }

    #[test]
    fn features_are_typed_as_for_cargo() {
        let typed = |words: &str| {
            Typed::parse_from(format!("wxec {words}").split_whitespace())
                .features
                .features()
        };
        let default = Features::default;
        assert_eq!(typed(""), default());
        assert_eq!(
            typed("--features a,b --features c"),
            default().with("a b c")
        );
        assert_eq!(typed("--all-features"), default().with_all());
        assert_eq!(
            typed("--features=a --no-default-features"),
            default().with("a").without_default()
        );
    }
}
