//! The environment of a process: a small part of the agent's own, granted variables of the rest,
//! and variables that the guest sets.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
};

use wxec_protocol::{
    ANY, Grants, Need,
    abi::{HostError, ProcessStart},
};

use super::super::reply::Denial;

/// Variables of the agent's environment that every process has: user, place and language. Other
/// variables may hold secrets.
const BASE: [&str; 8] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR",
];

/// Prefix of variables for the categories of `LANG`.
const LOCALE: &str = "LC_";

/// Variables that make a program run code other than its own: those of the loader, and of shells
/// and languages in which many programs are written. With one of them, a guest that may run `true`
/// may run everything. The meaning of other variables is the program's own affair, as its arguments
/// are.
const CODE: [&str; 34] = [
    "PATH",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "ENV",
    "BASH_ENV",
    "BASHOPTS",
    "SHELLOPTS",
    "PS4",
    "IFS",
    "ZDOTDIR",
    "PERLLIB",
    "PERL5LIB",
    "PERL5OPT",
    "PERL5DB",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "RUBYLIB",
    "RUBYOPT",
    "GEM_HOME",
    "GEM_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "LUA_INIT",
    "PHPRC",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
];
const CODE_PREFIXES: [&str; 2] = ["LD_", "BASH_FUNC_"];

/// Returns the variables of a process.
pub(super) fn environment(
    question: &ProcessStart,
    grants: &Grants,
) -> Result<BTreeMap<OsString, OsString>, Denial> {
    let mut environment = if question.clear_env {
        BTreeMap::new()
    } else {
        env::vars_os()
            .filter(|(name, _)| is_given(name, grants))
            .collect()
    };
    for (name, value) in &question.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(refused(
                "InvalidInput",
                format!("`{}` is no name of a variable", name.escape_debug()),
            ));
        }
        match value {
            Some(_) if brings_code(name) && !grants.covers(&Need::Run(ANY.into())) => {
                return Err(may_not_set(name));
            }
            Some(value) => drop(environment.insert(name.into(), value.into())),
            None => drop(environment.remove(OsStr::new(name))),
        }
    }
    Ok(environment)
}

fn is_given(name: &OsStr, grants: &Grants) -> bool {
    // A grant names a variable as text, so one whose name is not UTF-8 cannot be granted.
    let Some(name) = name.to_str() else {
        return false;
    };
    BASE.contains(&name) || name.starts_with(LOCALE) || grants.covers(&Need::Env(name.into()))
}

fn brings_code(name: &str) -> bool {
    CODE.contains(&name) || CODE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn may_not_set(name: &str) -> Denial {
    let need = Need::Run(ANY.into());
    let message = format!(
        "`{name}` would make a program run other code than was granted: setting it needs {need}"
    );
    Denial::Failed(HostError {
        kind: "PermissionDenied".into(),
        message,
        need: Some(need),
    })
}

fn refused(kind: &str, message: String) -> Denial {
    Denial::Failed(HostError {
        kind: kind.into(),
        message,
        need: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, grants: &Grants) -> bool {
        let env = vec![(name.to_owned(), Some("x".to_owned()))];
        environment(
            &ProcessStart {
                env,
                ..ProcessStart::default()
            },
            grants,
        )
        .is_ok()
    }

    #[test]
    fn variables_that_bring_code_take_the_grant_to_run_everything() {
        let one = Grants::none().run("true").env(ANY);
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "GLIBC_TUNABLES",
            "PATH",
            "BASH_ENV",
            "BASH_FUNC_ls%%",
            "PERL5OPT",
        ] {
            assert!(!set(name, &one), "{name}");
            assert!(set(name, &Grants::none().run(ANY)), "{name}");
        }
        assert!(set("DEBIAN_FRONTEND", &one) && set("LDFLAGS", &one) && set("HOME", &one));
        for name in ["", "A=B", "A\0"] {
            assert!(!set(name, &Grants::all()), "{name:?}");
        }
    }

    #[test]
    fn processes_have_the_base_and_what_is_granted() {
        // Cargo sets both for its tests.
        let (granted, secret) = ("CARGO_PKG_NAME", "CARGO_MANIFEST_DIR");
        let grants = Grants::none().env(granted);
        let variables = environment(&ProcessStart::default(), &grants).ok().unwrap();
        let has = |name: &str| variables.contains_key(OsStr::new(name));
        assert!(has("PATH") && has(granted) && !has(secret));

        let env = vec![
            ("HOME".into(), None),
            ("NEW".into(), Some("1".into())),
            ("NEW".into(), Some("2".into())),
        ];
        let changed = environment(
            &ProcessStart {
                env: env.clone(),
                ..ProcessStart::default()
            },
            &grants,
        )
        .ok()
        .unwrap();
        assert_eq!(changed.get(OsStr::new("NEW")), Some(&"2".into()));
        assert!(
            !changed.contains_key(OsStr::new("HOME")) && changed.contains_key(OsStr::new("PATH"))
        );

        let alone = environment(
            &ProcessStart {
                env,
                clear_env: true,
                ..ProcessStart::default()
            },
            &grants,
        )
        .ok()
        .unwrap();
        assert_eq!(
            alone.into_iter().collect::<Vec<_>>(),
            [("NEW".into(), "2".into())]
        );
    }
}
