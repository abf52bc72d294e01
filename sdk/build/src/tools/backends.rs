//! The choice of backends that a compiler is built with.

use std::env;

use wxec_protocol::{Code, Target};

use crate::Work;

/// The code that a compiler can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backends {
    /// Machine code for this architecture, and Pulley's bytecode.
    Own,
    /// Code for every architecture. It takes longer to build, and few need it.
    All,
}

impl Backends {
    /// Returns the least that compile for `target`.
    pub(crate) fn for_target(target: &Target) -> Self {
        match target.code {
            Code::Pulley => Self::Own,
            _ if target.platform.arch == env::consts::ARCH => Self::Own,
            _ => Self::All,
        }
    }

    pub(crate) fn work(self) -> Work<'static> {
        match self {
            Self::Own => Work::Compiler,
            Self::All => Work::ForeignCompiler,
        }
    }
}

#[cfg(test)]
mod tests {
    use wxec_protocol::Platform;

    use super::*;

    #[test]
    fn only_machine_code_for_others_takes_further_backends() {
        let other = if env::consts::ARCH == "aarch64" {
            "x86_64"
        } else {
            "aarch64"
        };
        let here = Target::here();
        let there = Target::baseline(Platform::new(other, "linux"));
        let bytecode = Target {
            code: Code::Pulley,
            ..there.clone()
        };

        assert_eq!(Backends::for_target(&here), Backends::Own);
        assert_eq!(Backends::for_target(&bytecode), Backends::Own);
        assert_eq!(Backends::for_target(&there), Backends::All);
    }
}
