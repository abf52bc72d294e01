//! Builds a project in another language, if anything has changed since its last build.

use std::{
    fs,
    time::{Instant, SystemTime},
};

use wxec_protocol::Digest;

use crate::{
    BuildError, BuiltModule, Progress, ProgressEvent, Work,
    cache::directory::take_turn,
    cargo::command::find_in_path,
    language::{
        project::Project,
        recipe::{Language, Output, Recipe, nothing_outside},
        record::Record,
        run::run,
    },
    module::fresh::Watched,
};

/// Returns the project's module, built unless nothing has changed.
pub(crate) fn build(
    project: &Project,
    language: &Language,
    progress: &dyn Progress,
) -> Result<BuiltModule, BuildError> {
    if let Some(found) = Record::find(project, language) {
        return Ok(found);
    }
    project.make_room()?;
    let work = Work::Module(&project.name);
    let _turn = take_turn(&project.built().join("lock"), || {
        progress.report(ProgressEvent::Waiting { work })
    })?;
    // The process that had its turn before may have built it.
    if let Some(found) = Record::find(project, language) {
        return Ok(found);
    }
    let (began, started) = (SystemTime::now(), Instant::now());
    let mut recipe = if project.settings.build.is_empty() {
        (language.recipe)(project)?
    } else {
        stated(project)
    };
    progress.report(ProgressEvent::Started { work });
    for command in &mut recipe.commands {
        run(command, project, language)?;
    }
    let path = recipe.output.find(project)?;
    let bytes = fs::read(&path).map_err(BuildError::io("read", &path))?;
    let module = BuiltModule {
        digest: Digest::of(&bytes),
        path: Some(path),
        bytes,
        compiled: 1,
        source: None,
    };
    if let Some(watched) = watched(project, &recipe) {
        // A disk that is full costs the next run some time, but does not fail this one.
        let _ = Record::keep(
            project,
            language,
            began,
            &module,
            (watched, recipe.programs),
        );
    }
    progress.report(ProgressEvent::Finished {
        work,
        compiled: module.compiled,
        elapsed: started.elapsed(),
    });
    Ok(module)
}

/// Returns the recipe that the project itself states.
fn stated(project: &Project) -> Recipe {
    let (program, words) = (project.settings.build.split_first()).expect("a command is stated");
    let output = project
        .settings
        .output
        .as_deref()
        .unwrap_or_else(|| "".as_ref());
    // A program with a `/` in its name is the project's own.
    let path = if program.contains('/') {
        Some(project.folder.join(program))
    } else {
        find_in_path(program)
    };
    let mut command = project.command(path.as_deref().unwrap_or_else(|| program.as_ref()));
    command.args(words);
    Recipe {
        commands: vec![command],
        output: Output::File(project.folder.join(output)),
        programs: path.into_iter().collect(),
        outside: nothing_outside(),
    }
}

/// Returns all that the module was made of, if it can be told.
fn watched(project: &Project, recipe: &Recipe) -> Option<Watched> {
    let mut watched = Watched {
        left_out: project.no_sources().collect(),
        ..Watched::default()
    };
    watched.trees.insert(project.folder.clone());
    for path in &project.settings.watch {
        let path = project.folder.join(path);
        if path.is_dir() {
            watched.trees.insert(path);
        } else {
            watched.files.insert(path);
        }
    }
    (recipe.outside)(&mut watched)?;
    Some(watched)
}
