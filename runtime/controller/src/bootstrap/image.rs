//! The agent's image for each platform: found or built once, however many hosts want it.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use wxec_build::AgentImage;
use wxec_protocol::Platform;

use crate::{
    error::{Phase, Unreachable, with_sources},
    progress, runtime,
};

type Images = HashMap<Platform, Arc<OnceCell<Arc<AgentImage>>>>;

/// Finding an image means hashing it, which a fleet need not do for each of its hosts.
static IMAGES: LazyLock<Mutex<Images>> = LazyLock::new(Mutex::default);

/// The image of the agent for `platform`.
pub(crate) async fn image(platform: &Platform) -> Result<Arc<AgentImage>, Unreachable> {
    let cell = {
        let mut images = IMAGES.lock().unwrap_or_else(PoisonError::into_inner);
        // Another version of wxec may have tidied the cache meanwhile.
        images.retain(|_, image| image.get().is_none_or(|image| image.path.exists()));
        images.entry(platform.clone()).or_default().clone()
    };
    cell.get_or_try_init(|| find_or_build(platform.clone())).await.cloned()
}

async fn find_or_build(platform: Platform) -> Result<Arc<AgentImage>, Unreachable> {
    let found = runtime::blocking(move || wxec_build::agent(&platform, &*progress::current())).await;
    found.map(Arc::new).map_err(|error| {
        let unreachable = Unreachable::new(Phase::Local, with_sources(&error));
        error.hint().into_iter().fold(unreachable, Unreachable::hint)
    })
}
