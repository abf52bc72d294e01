//! All vectors, one after the other.

use std::{fmt, slice};

use wxec::{CallError, CallErrorKind, Host, Module};

use crate::{
    call::{self, Kept, Place},
    compare::{self, Difference},
    notation::NotationError,
    observed::End,
    scratch::Scratch,
    vectors::{Group, Signature, Vector, Vectors},
};

/// Group of the descriptions, which are compared before anything is called.
const DESCRIPTIONS: &str = "descriptions";

/// Group of the calls in an instance that stays: those of all groups that leave it as it was.
const INSTANCES: &str = "instances";

/// The result of a [`run`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Each vector, in the order of the file.
    pub tested: Vec<Tested>,
}

/// The result of one vector.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tested {
    /// The group of the vector.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The result.
    pub verdict: Verdict,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The module does what the vector says.
    Ok,
    /// It does something else.
    Differs(Vec<Difference>),
    /// It has no such function.
    NotOffered,
}

/// Reason why a run was given up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The module has none of the functions.
    #[error("{module} has no function of `{path}`, so there is nothing to compare")]
    NoFunctions {
        /// The module.
        module: String,
        /// Path of the functions.
        path: String,
    },
    /// The host cannot be used, or cannot run the module.
    #[error(transparent)]
    Host(Box<CallError>),
    /// The host has no directory for the files of vectors.
    #[error("no directory for files can be made on the host: {0}")]
    NoDirectory(String),
    /// A vector makes no sense.
    #[error("the vector `{name}` cannot be read: {source}")]
    Vector {
        /// Name of the vector.
        name: String,
        /// The reason.
        source: NotationError,
    },
}

impl RunError {
    fn of_host(error: CallError) -> Self {
        Self::Host(Box::new(error))
    }
}

/// Compares `module` with `vectors` on `host`. Blocks until all calls are done.
pub fn run(host: &Host, module: &Module, vectors: &Vectors) -> Result<Report, RunError> {
    let tested = Run::new(host, module, vectors)?.collect::<Result<_, _>>()?;
    Ok(Report { tested })
}

/// A comparison of a module with vectors: an iterator that makes a call for each result. [`run`]
/// makes all of them.
#[derive(Debug)]
pub struct Run<'a> {
    host: &'a Host,
    module: &'a Module,
    vectors: &'a Vectors,
    scratch: Scratch,
    descriptions: slice::Iter<'a, Signature>,
    /// Vectors that are called in an instance of their own.
    fresh: Walk<'a>,
    /// Vectors that are called in an instance that stays, once more.
    kept: Walk<'a>,
    place: Place<'a>,
}

/// All vectors, each with the name of its group.
#[derive(Debug)]
struct Walk<'a> {
    groups: slice::Iter<'a, Group>,
    group: Option<(&'a str, slice::Iter<'a, Vector>)>,
}

impl<'a> Run<'a> {
    /// Connects to `host`, and makes a directory there for the files of vectors.
    pub fn new(host: &'a Host, module: &'a Module, vectors: &'a Vectors) -> Result<Self, RunError> {
        let path = |name: &str| format!("{}::{name}", vectors.module);
        let offers = |name: &str| module.exports().any(|export| export == path(name));
        if !vectors.functions.iter().any(|it| offers(&it.name)) {
            return Err(RunError::NoFunctions {
                module: module.name().to_owned(),
                path: vectors.module.clone(),
            });
        }
        host.connect().wait().map_err(RunError::of_host)?;
        Ok(Self {
            host,
            module,
            vectors,
            scratch: Scratch::new(host).map_err(RunError::NoDirectory)?,
            descriptions: vectors.functions.iter(),
            fresh: Walk::of(vectors),
            kept: Walk::of(vectors),
            place: Place::Fresh(host, module),
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}::{name}", self.vectors.module)
    }

    fn offers(&self, name: &str) -> bool {
        let path = self.path(name);
        self.module.exports().any(|export| export == path)
    }

    /// Compares what the module says of a function.
    fn described(&self, signature: &Signature) -> Verdict {
        let path = self.path(&signature.name);
        let mut functions = self.module.functions().iter();
        match functions.find(|function| function.path == path) {
            Some(found) => Verdict::of(compare::description(signature, found)),
            // A module need not describe itself.
            None if self.module.functions().is_empty() || !self.offers(&signature.name) => {
                Verdict::NotOffered
            }
            None => Verdict::Differs(vec![Difference {
                what: "description",
                expected: "a description".into(),
                found: "none".into(),
            }]),
        }
    }

    /// Makes the call of a vector.
    fn called(&self, vector: &Vector) -> Result<Verdict, RunError> {
        if !self.offers(&vector.call) {
            return Ok(Verdict::NotOffered);
        }
        let unreadable = |source| RunError::Vector {
            name: vector.name.clone(),
            source,
        };
        let function = self.path(&vector.call);
        let observed =
            call::make(&self.place, &function, vector, &self.scratch).map_err(unreadable)?;
        give_up_without_host(self.host, &observed.end)?;
        let differences = compare::differences(vector, &observed, &self.scratch);
        Ok(Verdict::of(differences.map_err(unreadable)?))
    }

    /// Makes the next call in an instance of its own.
    fn next_fresh(&mut self) -> Option<Result<Tested, RunError>> {
        let (group, vector) = self.fresh.next()?;
        Some(self.called(vector).map(|verdict| Tested {
            group: group.into(),
            name: vector.name.clone(),
            verdict,
        }))
    }

    /// Makes the next call in an instance that stays. Takes another instance if a call went wrong,
    /// which may have ended it.
    fn next_kept(&mut self) -> Option<Result<Tested, RunError>> {
        let (group, vector) = self.kept.find(|(_, vector)| call::keeps_instance(vector))?;
        if !matches!(self.place, Place::Kept(_)) {
            self.place = Place::Kept(Kept::new(self.host, self.module));
        }
        let verdict = self.called(vector);
        if !matches!(verdict, Ok(Verdict::Ok)) {
            self.place = Place::Kept(Kept::new(self.host, self.module));
        }
        Some(verdict.map(|verdict| Tested {
            group: INSTANCES.into(),
            name: format!("{group}: {}", vector.name),
            verdict,
        }))
    }
}

impl Iterator for Run<'_> {
    type Item = Result<Tested, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(signature) = self.descriptions.next() {
            return Some(Ok(Tested {
                group: DESCRIPTIONS.into(),
                name: signature.name.clone(),
                verdict: self.described(signature),
            }));
        }
        self.next_fresh().or_else(|| self.next_kept())
    }
}

impl<'a> Walk<'a> {
    fn of(vectors: &'a Vectors) -> Self {
        Self {
            groups: vectors.groups.iter(),
            group: None,
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a str, &'a Vector);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((name, vectors)) = &mut self.group
                && let Some(vector) = vectors.next()
            {
                return Some((name, vector));
            }
            let group = self.groups.next()?;
            self.group = Some((&group.name, group.vectors.iter()));
        }
    }
}

/// Ends the run if the end of a call says nothing about the module's behaviour, and the next call
/// would end likewise.
fn give_up_without_host(host: &Host, end: &End) -> Result<(), RunError> {
    match end {
        End::Failed(
            kind @ (CallErrorKind::Lost { .. }
            | CallErrorKind::Unreachable(_)
            | CallErrorKind::BadModule(_)
            | CallErrorKind::Module { .. }),
        ) => Err(RunError::of_host(CallError::new(
            host.name().into(),
            kind.clone(),
        ))),
        _ => Ok(()),
    }
}

impl Verdict {
    fn of(differences: impl IntoIterator<Item = Difference>) -> Self {
        let differences: Vec<_> = differences.into_iter().collect();
        if differences.is_empty() {
            Self::Ok
        } else {
            Self::Differs(differences)
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::NotOffered => f.write_str("not offered"),
            Self::Differs(differences) => {
                f.write_str("differs")?;
                differences.iter().try_for_each(|it| write!(f, "; {it}"))
            }
        }
    }
}

impl Report {
    /// Returns true if nothing differs. A module may lack functions.
    pub fn conforms(&self) -> bool {
        let mut verdicts = self.tested.iter().map(|tested| &tested.verdict);
        verdicts.all(|verdict| !matches!(verdict, Verdict::Differs(_)))
    }
}
