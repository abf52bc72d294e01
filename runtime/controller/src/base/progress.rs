//! The listener for progress of long work: building modules, the agent, the compiler.

use std::sync::{Arc, PoisonError, RwLock};

use wxec_build::{Progress, StderrProgress};

static LISTENER: RwLock<Option<Arc<dyn Progress + Send + Sync>>> = RwLock::new(None);

/// Reports long work to `listener` from now on, in place of the plain lines on stderr.
pub fn set_progress(listener: impl Progress + Send + Sync + 'static) {
    *LISTENER.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listener));
}

pub(crate) fn current() -> Arc<dyn Progress + Send + Sync> {
    let listener = LISTENER
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    listener.unwrap_or_else(|| Arc::new(StderrProgress))
}
