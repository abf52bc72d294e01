//! The agent's image for each platform: found or built once, however many hosts want it.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tokio::{io::AsyncWriteExt, sync::OnceCell};
use wxec_build::AgentImage;
use wxec_protocol::{CHUNK_BYTES, Platform, Splice};

use crate::{
    base::{progress, runtime, sync::lock, text::with_sources},
    error::{Phase, Unreachable},
    session::{Session, transport::Writer},
};

type Images = HashMap<Platform, Arc<OnceCell<Arc<AgentImage>>>>;

/// Images found so far. Finding one means hashing it, which a fleet need not do for each of its
/// hosts.
static IMAGES: LazyLock<Mutex<Images>> = LazyLock::new(Mutex::default);

/// Returns the image of the agent for `platform`.
pub(crate) async fn image(platform: &Platform) -> Result<Arc<AgentImage>, Unreachable> {
    let cell = {
        let mut images = lock(&IMAGES);
        // Another version of wxec may have removed files from the cache meanwhile.
        images.retain(|_, image| image.get().is_none_or(|image| image.path.exists()));
        images.entry(platform.clone()).or_default().clone()
    };
    cell.get_or_try_init(|| find_or_build(platform.clone()))
        .await
        .cloned()
}

async fn find_or_build(platform: Platform) -> Result<Arc<AgentImage>, Unreachable> {
    let found =
        runtime::blocking(move || wxec_build::agent(&platform, &*progress::current())).await;
    found.map(Arc::new).map_err(|error| {
        let unreachable = Unreachable::new(Phase::Local, with_sources(&error));
        error
            .hint()
            .into_iter()
            .fold(unreachable, Unreachable::hint)
    })
}

/// Lists the images this machine has, in the form in which the script is told which of them it may
/// keep.
pub(crate) async fn known_images() -> Result<String, Unreachable> {
    // The host's platform is not known yet; most hosts are like this machine.
    let here = Platform::here();
    let mut known = vec![format!("{}={}", here.arch, image(&here).await?.digest)];
    for arch in Platform::AGENT_ARCHITECTURES
        .into_iter()
        .filter(|arch| *arch != here.arch)
    {
        let platform = Platform::new(arch, "linux");
        let built = runtime::blocking(move || wxec_build::agent_if_built(&platform)).await;
        known.extend(built.map(|image| format!("{arch}={}", image.digest)));
    }
    Ok(known.join(","))
}

/// Sends an image uncompressed; or, if `hop` holds it, has that agent insert it. Returns the number
/// of bytes sent from here.
pub(crate) async fn send_image(
    writer: &mut Writer,
    image: &AgentImage,
    hop: Option<&Session>,
) -> io::Result<u64> {
    match hop {
        Some(hop) if hop.holds(image.digest).await => splice_image(writer, image).await.map(|()| 0),
        _ => {
            writer
                .write_all(&tokio::fs::read(&image.path).await?)
                .await?;
            Ok(image.bytes)
        }
    }
}

/// Has the agent at the start of the pipe, which holds the image, insert it.
pub(crate) async fn splice_image(writer: &mut Writer, image: &AgentImage) -> io::Result<()> {
    for offset in (0..image.bytes).step_by(CHUNK_BYTES) {
        let length = (image.bytes - offset).min(CHUNK_BYTES as u64);
        writer
            .splice(Splice {
                blob: image.digest,
                offset,
                length,
            })
            .await?;
    }
    Ok(())
}
