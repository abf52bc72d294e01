//! The work of the starter, in modules from the bottom up.

mod execute;
mod file;
mod input;
mod receive;
mod words;

use core::{
    convert::Infallible,
    ffi::{CStr, c_int},
};

use rustix::fd::OwnedFd;

pub(crate) use self::execute::Environment;
use self::{
    execute::{can_execute, execute},
    file::{ImageFile, Places},
    input::Header,
    receive::{digest_of, receive},
    words::{Text, say},
};

/// The starter's arguments, in their order.
pub(crate) struct Arguments<'a> {
    token: &'a CStr,
    title: &'a CStr,
    /// Directory for images that are kept; empty if none are.
    kept_directory: &'a CStr,
    /// The digest of an image that may be kept there; empty if the image comes anyway.
    kept_digest: &'a CStr,
    /// The starter's file, if it still has a name.
    own_file: &'a CStr,
    /// A name for a file, by which the next bootstrap recognises what is left of this one.
    file_name: &'a CStr,
    places: &'a [&'a CStr],
}

impl<'a> Arguments<'a> {
    /// The program's name, those before the places, and no more places than the script knows.
    pub(crate) const MAX: usize = 1 + 6 + 9;

    pub(crate) fn new(words: &'a [&'a CStr]) -> Self {
        let word = |index: usize| words.get(index).copied().unwrap_or(c"");
        Self {
            token: word(1),
            title: word(2),
            kept_directory: word(3),
            kept_digest: word(4),
            own_file: word(5),
            file_name: word(6),
            places: words.get(7..).unwrap_or_default(),
        }
    }
}

/// The reason why no agent was started.
enum Failure {
    /// The controller is gone, or does not speak as it should.
    Controller,
    /// The image is damaged.
    Damaged,
    /// There is no place for the image.
    NoPlace,
    /// A write failed.
    NoRoom,
    /// The agent could not be executed.
    Execute,
}

impl Failure {
    /// Tells the controller; `tried` has the places that will not do. An agent that was announced and
    /// cannot be executed is a matter for stderr, as it is for a shell.
    fn say(&self, token: &CStr, tried: &Text) {
        match self {
            Self::Controller => {}
            Self::Damaged => say(token, &[b"error:the agent arrived damaged"]),
            Self::NoPlace => say(token, &[b"error:no place for the agent:", tried.bytes()]),
            Self::NoRoom => say(token, &[b"error:the agent did not fit into its place"]),
            Self::Execute => words::complain(),
        }
    }
}

/// The exit code of a starter that starts nothing.
const FAILED: c_int = 1;

/// Ends the program where it cannot go on.
pub(crate) fn give_up() -> ! {
    // SAFETY: takes a number.
    unsafe { libc::_exit(FAILED) }
}

/// Becomes the agent. Returns an exit code if that fails.
pub(crate) fn run(arguments: &Arguments<'_>, environment: Environment) -> c_int {
    let mut tried = Text::new();
    let Err(failure) = start(arguments, environment, &mut tried);
    failure.say(arguments.token, &tried);
    FAILED
}

fn start(
    arguments: &Arguments<'_>,
    environment: Environment,
    tried: &mut Text,
) -> Result<Infallible, Failure> {
    file::forget_own(arguments.own_file);
    let image = match kept(arguments) {
        Some(image) => image,
        None => arriving(arguments, tried)?,
    };
    say(arguments.token, &[b"start"]);
    execute(&image, arguments.title, environment);
    Err(Failure::Execute)
}

/// Opens the image that is kept, if it is sound. What is hashed is what runs.
fn kept(arguments: &Arguments<'_>) -> Option<OwnedFd> {
    if arguments.kept_digest.is_empty() {
        return None;
    }
    let image = file::open_kept(arguments.kept_directory, arguments.kept_digest);
    let image = image.filter(|image| {
        digest_of(image).is_some_and(|digest| digest == *arguments.kept_digest.to_bytes())
    });
    if image.is_none() {
        file::remove(arguments.kept_directory, arguments.kept_digest);
        say(arguments.token, &[b"image"]);
    }
    image
}

/// Takes the image from stdin.
fn arriving(arguments: &Arguments<'_>, tried: &mut Text) -> Result<OwnedFd, Failure> {
    loop {
        let header = Header::read()?;
        let places = Places {
            kept: if header.is_kept {
                arguments.kept_directory
            } else {
                c""
            },
            name: arguments.file_name,
            others: arguments.places,
        };
        let image = ImageFile::create(&places, header.bytes, tried)?;
        let digest = match receive(&header, image.file()) {
            Ok(digest) => digest,
            Err(failure) => {
                image.discard(&places);
                return Err(failure);
            }
        };
        if digest == header.digest {
            return Ok(image.finish(&places, &digest));
        }
        image.discard(&places);
        say(arguments.token, &[b"again"]);
    }
}
