//! C and C++: clang with a libc for WASI, or `zig cc`. Each source becomes an object, and all objects
//! one module.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    BuildError,
    base::variables::given,
    cargo::dep_info::DepInfo,
    language::{
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
        zig::zig,
    },
};

pub(crate) const C: Language = Language {
    name: "c",
    aliases: &[],
    title: "C",
    variables: VARIABLES,
    is_project: |folder| !sources(folder, &["c"]).is_empty(),
    recipe: |project| recipe(project, &C, &["c"]),
};

pub(crate) const CPP: Language = Language {
    name: "c++",
    aliases: &["cpp", "cxx"],
    title: "C++",
    variables: VARIABLES,
    is_project: |folder| !sources(folder, CPP_ENDS).is_empty(),
    recipe: |project| recipe(project, &CPP, &["c", "cc", "cpp", "cxx"]),
};

const VARIABLES: &[&str] = &[
    "WXEC_CC",
    "WXEC_ZIG",
    "WASI_SDK_PATH",
    "CC",
    "CFLAGS",
    "CXXFLAGS",
];

const CPP_ENDS: &[&str] = &["cc", "cpp", "cxx"];

/// Folders with sources of a project: its own, the usual one, and that of an SDK that is a part of
/// the project.
const FOLDERS: [&str; 3] = ["", "src", "wxec"];

/// Folders with headers of a project.
const INCLUDE: [&str; 4] = ["include", "src", "wxec", "wxec/include"];

/// All compilers know the target by this name, those that have a newer one as well.
const TARGET: &str = "--target=wasm32-wasi";

/// Flags of every compilation. Functions that nothing calls are left out of the module.
const FLAGS: [&str; 4] = [TARGET, "-Os", "-ffunction-sections", "-fdata-sections"];

/// Flags of the linker. A *reactor* has no `main`, and is initialised before its first call. Names of
/// functions stay, because a trap's backtrace shows them.
const LINK: [&str; 4] = [
    TARGET,
    "-mexec-model=reactor",
    "-Wl,--strip-debug",
    "-Wl,--gc-sections",
];

/// Advice for those who have no compiler.
const ADVICE: &str = "install clang, lld and wasi-libc (on Debian: `apt install clang lld wasi-libc libclang-rt-dev-wasm32`; C++ needs \
     `libc++-dev-wasm32 libc++abi-dev-wasm32`), the WASI SDK (named by WASI_SDK_PATH), or Zig; WXEC_CC names any other";

fn recipe(project: &Project, language: &Language, ends: &[&str]) -> Result<Recipe, BuildError> {
    let compiler = compiler(project).ok_or_else(|| missing(language, "clang", ADVICE))?;
    let objects = project.built().join("objects");
    fs::create_dir_all(&objects).map_err(BuildError::io("create", &objects))?;
    let sources = match &*project.settings.sources {
        [] => sources(&project.folder, ends),
        stated => stated
            .iter()
            .map(|path| project.folder.join(path))
            .collect(),
    };
    let is_cpp = |path: &Path| ends_with(path, CPP_ENDS);
    let (mut commands, mut linked, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (index, source) in sources.iter().enumerate() {
        let object = objects.join(format!("{index}.o"));
        let (tool, flags) = if is_cpp(source) {
            (compiler.for_cpp(), "CXXFLAGS")
        } else {
            (compiler.tool.clone(), "CFLAGS")
        };
        let mut compile = tool.command(project);
        compile.args(FLAGS);
        if is_cpp(source) {
            // A module has no unwinder.
            compile.args(["-fno-exceptions", "-std=gnu++17"]);
        } else {
            compile.arg("-std=gnu11");
        }
        // Panics name files as their author does, and a module has no path of this machine.
        let mut relative = OsString::from("-ffile-prefix-map=");
        relative.push(&project.folder);
        relative.push("/=");
        compile.arg(relative);
        for folder in INCLUDE.iter().map(|folder| project.folder.join(folder)) {
            compile.arg("-I").arg(folder);
        }
        for folder in &project.settings.include {
            compile.arg("-I").arg(project.folder.join(folder));
        }
        let note = object.with_extension("d");
        compile.args(variable(flags)).args(&project.settings.flags);
        compile.arg("-MMD").arg("-MF").arg(&note);
        compile.arg("-c").arg(source).arg("-o").arg(&object);
        commands.push(compile);
        linked.push(object);
        notes.push(note);
    }
    let module = project.module();
    let linker = if sources.iter().any(|source| is_cpp(source)) {
        compiler.for_cpp()
    } else {
        compiler.tool.clone()
    };
    let mut link = linker.command(project);
    link.args(LINK);
    if !compiler.is_zig {
        // A stack that overflows then leaves the memory, and traps. Zig does so by itself.
        link.arg("-Wl,--stack-first");
    }
    link.args(&linked).arg("-o").arg(&module);
    commands.push(link);
    let folder = project.folder.clone();
    Ok(Recipe {
        commands,
        output: Output::File(module),
        programs: vec![compiler.tool.program],
        outside: Box::new(move |watched| {
            for note in &notes {
                let text = fs::read_to_string(note).ok()?.replace("\\\n", " ");
                let read = DepInfo::parse(&text).sources.into_iter();
                watched.files.extend(read.map(|path| folder.join(path)));
            }
            Some(())
        }),
    })
}

/// A compiler of C, which has one for C++ beside it.
struct Compiler {
    tool: Tool,
    /// True for `zig cc`.
    is_zig: bool,
}

impl Compiler {
    fn for_cpp(&self) -> Tool {
        let mut tool = self.tool.clone();
        if self.is_zig {
            tool.words.pop();
            tool.words.push("c++".into());
            return tool;
        }
        // `clang++-19` stands beside `clang-19`.
        let name = tool
            .program
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if !name.contains("++") {
            tool.program
                .set_file_name(name.replacen("clang", "clang++", 1));
        }
        tool
    }
}

/// Finds a compiler that can make modules.
fn compiler(project: &Project) -> Option<Compiler> {
    let own = |tool| Compiler {
        tool,
        is_zig: false,
    };
    if let Some(given) = Tool::given("WXEC_CC") {
        let is_zig = given.words.last().is_some_and(|word| word == "cc");
        return Some(Compiler {
            tool: given,
            is_zig,
        });
    }
    let in_sdk = given("WASI_SDK_PATH").map(|sdk| Tool {
        program: PathBuf::from(sdk).join("bin/clang"),
        words: Vec::new(),
    });
    let candidates = [Tool::given("CC"), in_sdk, Tool::found(&["clang"])];
    let mut candidates = candidates.into_iter().flatten();
    let found = candidates
        .find(|tool| makes_modules(tool, project))
        .map(own);
    found.or_else(|| {
        let mut tool = zig(project)?;
        tool.words.push("cc".into());
        Some(Compiler { tool, is_zig: true })
    })
}

/// Returns true if a compiler has a libc and a linker for modules: it then names them by their paths.
fn makes_modules(tool: &Tool, project: &Project) -> bool {
    let has = |question: &str| {
        let answer = tool.answer(project, &[TARGET, question]);
        answer.is_some_and(|path| Path::new(&path).is_absolute())
    };
    has("-print-file-name=crt1-reactor.o") && has("-print-prog-name=wasm-ld")
}

/// Returns the flags in a variable.
fn variable(name: &str) -> Vec<String> {
    let flags = given(name).and_then(|flags| flags.into_string().ok());
    flags
        .unwrap_or_default()
        .split_whitespace()
        .map(Into::into)
        .collect()
}

/// Returns the source files of a project, in alphabetical order.
fn sources(folder: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for folder in FOLDERS.map(|name| folder.join(name)) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries
            .map(|entry| entry.path())
            .filter(|path| ends_with(path, ends));
        sources.extend(files);
    }
    sources.sort();
    sources
}

fn ends_with(path: &Path, ends: &[&str]) -> bool {
    path.extension()
        .is_some_and(|end| ends.iter().any(|known| end == *known))
}
