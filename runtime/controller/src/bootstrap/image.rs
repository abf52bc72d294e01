//! The agent's image and its starter for each platform: found or built once, however many hosts want
//! them.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tokio::{io::AsyncWriteExt, sync::OnceCell};
use wxec_build::{AgentImage, BuildError, Progress, Starter};
use wxec_protocol::{CHUNK_BYTES, Platform, Splice};

use super::Programs;
use crate::{
    base::{progress, runtime, sync::lock, text::with_sources},
    error::{Phase, Unreachable},
    session::{Session, transport::Writer},
};

/// Programs found so far. Finding one means hashing it, which a fleet need not do for each of its
/// hosts.
type Found<T> = LazyLock<Mutex<HashMap<Platform, Arc<OnceCell<Arc<T>>>>>>;

static IMAGES: Found<AgentImage> = LazyLock::new(Mutex::default);
static STARTERS: Found<Starter> = LazyLock::new(Mutex::default);

/// Returns the image of the agent for `platform`.
pub(crate) async fn image(platform: &Platform) -> Result<Arc<AgentImage>, Unreachable> {
    find(
        &IMAGES,
        platform,
        |image| image.path.exists(),
        wxec_build::agent,
    )
    .await
}

/// Returns what is sent to hosts of `platform`.
pub(crate) async fn programs(platform: &Platform) -> Result<Programs, Unreachable> {
    let exists = |starter: &Starter| starter.path.exists();
    Ok(Programs {
        starter: find(&STARTERS, platform, exists, wxec_build::starter).await?,
        image: image(platform).await?,
        beginning: Vec::new(),
    })
}

/// Finds the programs for hosts like this machine, as most are, while the way in to one is taken.
/// Does not build them: the host may be out of reach, or another kind of machine.
pub(crate) async fn look_ahead() {
    let here = Platform::here();
    let image = cell(&IMAGES, &here, |image| image.path.exists());
    let starter = cell(&STARTERS, &here, |starter| starter.path.exists());
    tokio::join!(
        look(&image, &here, wxec_build::agent_if_built),
        look(&starter, &here, wxec_build::starter_if_built),
    );
}

/// Puts the program for `platform` into its place, if it is built.
async fn look<T: Send + 'static>(
    place: &OnceCell<Arc<T>>,
    platform: &Platform,
    if_built: fn(&Platform) -> Option<T>,
) {
    let finding = place.get_or_try_init(async || {
        let platform = platform.clone();
        let built = runtime::blocking(move || if_built(&platform)).await;
        built.map(Arc::new).ok_or(())
    });
    let _ = finding.await;
}

/// Returns the program for `platform` that was `found`, else what `build` finds or builds.
async fn find<T: Send + Sync + 'static>(
    found: &Found<T>,
    platform: &Platform,
    exists: impl Fn(&T) -> bool,
    build: fn(&Platform, &dyn Progress) -> Result<T, BuildError>,
) -> Result<Arc<T>, Unreachable> {
    cell(found, platform, exists)
        .get_or_try_init(async || {
            let platform = platform.clone();
            let built = runtime::blocking(move || build(&platform, &*progress::current())).await;
            built.map(Arc::new).map_err(|error| not_built(&error))
        })
        .await
        .cloned()
}

/// Returns the place of the program for `platform` among those `found`.
fn cell<T>(
    found: &Found<T>,
    platform: &Platform,
    exists: impl Fn(&T) -> bool,
) -> Arc<OnceCell<Arc<T>>> {
    let mut found = lock(found);
    // Another version of wxec may have removed files from the cache meanwhile.
    found.retain(|_, program| program.get().is_none_or(|program| exists(program)));
    found.entry(platform.clone()).or_default().clone()
}

fn not_built(error: &BuildError) -> Unreachable {
    let unreachable = Unreachable::new(Phase::Local, with_sources(error));
    error
        .hint()
        .into_iter()
        .fold(unreachable, Unreachable::hint)
}

/// Lists the starters and images this machine has, in the form in which the script is told which of
/// them it may keep.
pub(crate) async fn known_images() -> Result<String, Unreachable> {
    // The host's platform is not known yet; most hosts are like this machine.
    let here = Platform::here();
    let Programs { starter, image, .. } = programs(&here).await?;
    let mut known = vec![known_as(&here, &starter, &image)];
    for arch in Platform::AGENT_ARCHITECTURES
        .into_iter()
        .filter(|arch| *arch != here.arch)
    {
        let platform = Platform::new(arch, "linux");
        known.extend(
            runtime::blocking(move || {
                let starter = wxec_build::starter_if_built(&platform)?;
                let image = wxec_build::agent_if_built(&platform)?;
                Some(known_as(&platform, &starter, &image))
            })
            .await,
        );
    }
    Ok(known.join(","))
}

fn known_as(platform: &Platform, starter: &Starter, image: &AgentImage) -> String {
    format!("{}={}.{}", platform.arch, starter.digest, image.digest)
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
