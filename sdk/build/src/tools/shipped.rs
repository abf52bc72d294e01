//! wxec's own modules, built from wxec's own source once per machine like its programs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wxec_protocol::Digest;

use crate::{
    BuildError, BuiltModule, Progress, Work,
    base::{error::SHIPPED, variables::given},
    cache::directory::cache_directory,
    tools::{shelves::Shelves, source::Source},
};

/// Returns true if wxec ships a module of this name.
pub fn is_shipped(name: &str) -> bool {
    SHIPPED.contains(&name)
}

/// Returns wxec's own module `name`. Builds it if this machine has none of this build.
/// `WXEC_MODULES` names a directory with ready-made modules: `facts.wasm`.
pub fn shipped_module(name: &str, progress: &dyn Progress) -> Result<BuiltModule, BuildError> {
    if !is_shipped(name) {
        return Err(BuildError::NotShipped { name: name.into() });
    }
    let file = format!("{name}.wasm");
    if let Some(directory) = given("WXEC_MODULES").map(PathBuf::from) {
        return read(&directory.join(file), 0);
    }
    let cache = cache_directory()?;
    let (shelves, work) = (Shelves::of_this_build(&cache), Work::Module(name));
    let shelf = shelves.shelf(&format!("modules/{name}"));
    let mut compiled = 0;
    let [module] = shelves.once(
        work,
        progress,
        || shelf.take([&*file]),
        || {
            let source = Source::of(work)?;
            let (bytes, crates) =
                source.build(source.module(name, &cache)?, name, work, progress)?;
            compiled = crates;
            shelf.put([(&*file, &*bytes)])
        },
    )?;
    read(&module.path, compiled)
}

fn read(path: &Path, compiled: usize) -> Result<BuiltModule, BuildError> {
    let bytes = fs::read(path).map_err(BuildError::io("read", path))?;
    Ok(BuiltModule {
        digest: Digest::of(&bytes),
        path: Some(path.into()),
        bytes,
        compiled,
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    #[test]
    fn what_is_shipped_is_in_wxecs_source() {
        let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests");
        for name in SHIPPED {
            assert!(guests.join(name).join("src/lib.rs").is_file(), "{name}");
        }
    }

    #[test]
    fn others_are_not() {
        let error = shipped_module("words", &Quiet).expect_err("it is an example");
        assert_eq!(error.to_string(), "no module `words` is shipped with wxec");
        assert_eq!(error.hint().as_deref(), Some("there is `facts`"));
    }
}
