//! The compiler, built from wxec's own source once per machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wxec_protocol::Platform;

use crate::{
    BuildError, Progress, Work,
    base::variables::given,
    cache::{directory::cache_directory, shelf::Shelf},
    tools::{shelves::Shelves, source::Source},
};

const COMPILER: &str = "wxec-compiler";

/// Returns the compiler for this machine. Builds it if there is none of this build. `WXEC_COMPILER`
/// names a ready-made one.
pub fn compiler(progress: &dyn Progress) -> Result<PathBuf, BuildError> {
    if let Some(path) = given("WXEC_COMPILER").map(PathBuf::from) {
        return fs::canonicalize(&path).map_err(BuildError::io("find the compiler", path));
    }
    let cache = cache_directory()?;
    let work = Work::Compiler;
    let shelf = compiler_shelf(&cache);
    let shelves = Shelves::of_this_build(&cache);
    let take = || shelf.take([COMPILER]);
    let [compiler] = shelves.once(work, progress, take, || {
        let source = Source::of(work)?;
        let (program, _) =
            source.build(source.compiler(COMPILER, &cache), COMPILER, work, progress)?;
        shelf.put([(COMPILER, &program)])
    })?;
    Ok(compiler.path)
}

/// Returns the compiler, if it is built.
pub(crate) fn built_compiler(cache: &Path) -> Option<PathBuf> {
    compiler_shelf(cache)
        .take([COMPILER])
        .map(|[compiler]| compiler.path)
}

fn compiler_shelf(cache: &Path) -> Shelf {
    // One cache may serve machines of several kinds over a network.
    Shelves::of_this_build(cache).shelf(&Platform::here().to_string())
}
