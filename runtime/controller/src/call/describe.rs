//! Asks modules for their functions: those of languages that cannot write sections describe them by
//! an export. It is called in a sandbox of this machine, without grants, once for each module.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use wxec_protocol::{Digest, Limits, abi};

use crate::{
    base::{operation::Operation, runtime},
    call::{TaskCall, make::run},
    error::ModuleError,
    host::Host,
    module::Module,
};

/// Name of the function, without the prefix of exports.
const FUNCTION: &str = "_describe";

/// Time limit for an answer: most of it is for compiling a module that is new here.
const ANSWERED_WITHIN: Duration = Duration::from_secs(180);

/// CBOR of no arguments: an empty array.
const NO_ARGUMENTS: &[u8] = &[0x80];

impl Module {
    /// Asks the module for its functions, if it describes them only by an export, as those of some
    /// languages do. It is called on this machine, in the sandbox and without grants; the answer is
    /// kept in the cache, by the module's digest. Other modules answer at once.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::Module;
    ///
    /// let module = Module::from_file("words.wasm")?;
    /// module.describe().wait()?;
    /// for function in module.functions() {
    ///     println!("{function}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn describe(&self) -> Operation<Result<(), ModuleError>> {
        let module = self.clone();
        Operation::new(async move {
            if !module.is_to_be_asked() {
                return Ok(());
            }
            let digest = module.digest();
            if let Some(kept) = runtime::blocking(move || load(digest)).await
                && module.set_described(&kept).is_ok()
            {
                return Ok(());
            }
            let records = ask(&module).await?;
            module.set_described(&records)?;
            // Ignore errors: a full disk costs the next run some time, but does not fail this one.
            let _ = runtime::blocking(move || store(digest, &records)).await;
            Ok(())
        })
    }
}

/// Calls the export.
async fn ask(module: &Module) -> Result<Bytes, ModuleError> {
    let failed = |reason: String| ModuleError::Describe {
        name: module.name().into(),
        reason,
    };
    let host = Host::new("local:").map_err(|error| failed(error.to_string()))?;
    let host = host.with_output(Arc::new(|_, _| {}));
    let limits = Limits {
        output_bytes: abi::MAX_SECTION_BYTES as u64,
        ..Limits::default()
    };
    let input = Bytes::from_static(NO_ARGUMENTS);
    let call = TaskCall::undecoded(module.clone(), FUNCTION.into(), input, limits)
        .with_options(|options| options.timeout(ANSWERED_WITHIN));
    let answer = run(host.clone(), call).await;
    host.close().await;
    answer.map_err(|error| failed(error.kind.to_string()))
}

/// Returns the file with a module's records.
fn path(module: Digest) -> Option<PathBuf> {
    let cache = wxec_build::cache_directory().ok()?;
    Some(cache.join("descriptions").join(module.to_string()))
}

fn load(module: Digest) -> Option<Vec<u8>> {
    fs::read(path(module)?).ok()
}

/// Stores records for the next run. A reader sees all of them or nothing.
fn store(module: Digest, records: &[u8]) -> io::Result<()> {
    let path = path(module).ok_or_else(|| io::Error::other("there is no cache directory"))?;
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("an entry has a directory"))?;
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut file, records)?;
    file.persist(path)?;
    Ok(())
}
