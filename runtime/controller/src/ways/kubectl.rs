//! `kubectl:`: a container of a pod in Kubernetes.

use super::{Complaint, Phase, Shell, Way};
use crate::options::Options;

pub(crate) fn way(
    context: Option<&str>,
    namespace: &str,
    pod: &str,
    container: Option<&str>,
    shell: &Shell,
    options: &Options,
) -> Way {
    let mut argv = vec![options.tool_path("kubectl")];
    if let Some(context) = context {
        argv.push(format!("--context={context}"));
    }
    argv.extend([
        format!("--namespace={namespace}"),
        "exec".into(),
        "--stdin".into(),
        "--quiet".into(),
    ]);
    if let Some(container) = container {
        argv.push(format!("--container={container}"));
    }
    argv.extend([pod.into(), "--".into()]);
    argv.extend(shell.argv.iter().cloned());
    Way::new(argv).complaints(COMPLAINTS)
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "executable file not found",
        phase: Phase::Shell,
        hint: "the container's image has no shell",
    },
    Complaint {
        words: "no such file or directory",
        phase: Phase::Shell,
        hint: "the container's image has no shell",
    },
    Complaint {
        words: "NotFound",
        phase: Phase::Resolve,
        hint: "check context, namespace and pod (`kubectl get pods`)",
    },
    Complaint {
        words: "Forbidden",
        phase: Phase::Policy,
        hint: "the cluster does not allow you to run commands in pods",
    },
    Complaint {
        words: "does not exist",
        phase: Phase::Resolve,
        hint: "check the context (`kubectl config get-contexts`)",
    },
    Complaint {
        words: "is not valid for pod",
        phase: Phase::Resolve,
        hint: "check the container's name",
    },
    Complaint {
        words: "Unauthorized",
        phase: Phase::Authentication,
        hint: "log in to the cluster again",
    },
    Complaint {
        words: "was refused",
        phase: Phase::Connect,
        hint: "check that the cluster is up, and kubectl's configuration",
    },
    Complaint {
        words: "Unable to connect",
        phase: Phase::Connect,
        hint: "check that the cluster is up, and kubectl's configuration",
    },
];
