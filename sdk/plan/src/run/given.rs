//! What a run is given: templates by its controller, and facts by its host.

use std::sync::Arc;

use wxec::here::Facts;

use super::Run;
use crate::{
    content::Content,
    fault::{Fault, FaultKind},
    rendered::Rendered,
};

impl Run {
    /// Gives the run templates, as its controller has rendered them.
    #[must_use]
    pub fn with_templates(mut self, templates: impl IntoIterator<Item = Rendered>) -> Self {
        self.templates.extend(templates);
        self
    }

    /// Returns the content that a template makes, which the plan names in
    /// `#[plan(templates = "…")]`. It is secret if a secret of the config went into it.
    ///
    /// ```
    /// use wxec_plan::{Rendered, Run, file};
    ///
    /// let place = tempfile::tempdir()?;
    /// let text = "port = 443\n".to_owned();
    /// let rendered = Rendered { name: "app.conf.j2".into(), text, is_secret: false };
    ///
    /// let mut run = Run::new().with_templates([rendered]);
    /// let conf = run.template("app.conf.j2")?;
    /// file(place.path().join("app.conf")).content(conf).ensure(&mut run)?;
    /// let missing = run.template("app.j2").unwrap_err();
    /// assert_eq!(
    ///     missing.to_string(),
    ///     "there is no template `app.j2`: the plan that was ordered has to name it in \
    ///      `#[plan(templates = …)]`"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn template(&self, name: &str) -> Result<Content, Fault> {
        let found = self.templates.iter().find(|template| template.name == name);
        found.map(Rendered::content).ok_or_else(|| {
            let message = format!(
                "there is no template `{name}`: the plan that was ordered has to name it in \
                 `#[plan(templates = …)]`"
            );
            self.blamed(Fault::of(FaultKind::Missing, message))
        })
    }

    /// Returns the facts of the host: its names, system, processors, memory and addresses. Takes the
    /// grant `facts`. They are asked for once in a run.
    ///
    /// ```
    /// let facts = wxec_plan::Run::new().target()?;
    /// assert!(facts.cpus > 0);
    /// # Ok::<(), wxec_plan::Fault>(())
    /// ```
    pub fn target(&self) -> Result<Arc<Facts>, Fault> {
        if let Some(facts) = self.facts.get() {
            return Ok(facts.clone());
        }
        let asked = wxec::here::facts();
        let facts = asked.map_err(|error| self.blamed(error.into()))?;
        Ok(self.facts.get_or_init(|| Arc::new(facts)).clone())
    }
}
