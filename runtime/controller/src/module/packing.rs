//! The packing of artifacts, which agents undo.

use bytes::Bytes;
use wxec_starter::zstd::{Frame, SLACK_BYTES};

/// Level of compression. An artifact of half a megabyte takes 12 ms and shrinks to 41 %. Level 19
/// would take 140 ms, after each edit of a module, and shrink it to 38 %.
const LEVEL: i32 = 9;

/// Packs an artifact, if that makes it shorter.
pub(crate) fn pack(artifact: Vec<u8>) -> Bytes {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(artifact.len()));
    zstd_safe::compress(&mut frame, &artifact, LEVEL)
        .expect("there is as much room as it may take");
    // Agents execute what they unpack. So their own code for that has to give the same here.
    let is_sound = || unpack(&frame).is_some_and(|unpacked| unpacked == artifact);
    if frame.len() < artifact.len() && is_sound() {
        frame.shrink_to_fit();
        frame.into()
    } else {
        artifact.into()
    }
}

/// Unpacks a frame as an agent does.
fn unpack(frame: &[u8]) -> Option<Vec<u8>> {
    let frame = Frame::read(frame).ok()?;
    let length = frame.length();
    let mut bytes = vec![0; length + SLACK_BYTES];
    frame.decode(&mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_packed_if_that_makes_it_shorter() {
        let code = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let code = code[..code.len().min(500_000)].to_vec();
        let packed = pack(code.clone());
        assert!(packed.len() < code.len() * 2 / 3);
        assert!(unpack(&packed) == Some(code));

        let short = b"native code".to_vec();
        assert_eq!(pack(short.clone()), short);
    }
}
