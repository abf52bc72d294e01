//! Calls a function on all hosts of a command, and prints what they send and return.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc;
use wxec::{
    CallError, CallErrorKind, CallOptions, Host, Module, Receiver,
    call::{Need, Value},
    channel,
    channel::ChannelEnd,
    fleet::Verdict,
    here::Facts,
    module::Wants,
};

use crate::{
    base::{exit_code, sync::lock, verbosity::Verbosity},
    hosts::{
        fan_out::{Followed, Item, News, Reported, follow},
        rollout::Rollout,
        stopwatch::Stopwatch,
        streaming::Streaming,
    },
    output::{
        command_error::CommandError,
        costs::{Costs, HostCosts},
        results::Results,
    },
    terminal::stderr::say,
};

/// Items that may wait to be printed. Beyond that, senders wait.
const MAX_ITEMS: usize = 64;

/// A call to make: the function, its input and its options.
pub(crate) struct Job {
    pub(crate) module: Module,
    pub(crate) function: String,
    pub(crate) input: Value,
    pub(crate) own_inputs: OwnInputs,
    /// Returns the exit code of a host for its value.
    pub(crate) judge: fn(&Value) -> u8,
    /// Returns advice on a call that lacked grants, in place of the usual one.
    pub(crate) on_denial: Option<Advice>,
    pub(crate) options: CallOptions,
    /// The function's channels, if it sends or receives while it runs.
    pub(crate) streaming: Option<Streaming>,
}

/// Returns advice for the grants that a call lacked.
pub(crate) type Advice = fn(&[Need]) -> &'static str;

/// Inputs of hosts that have one of their own.
pub(crate) enum OwnInputs {
    /// Those of these hosts, by their names.
    Known(HashMap<String, Value>),
    /// Those that depend on the facts of the host.
    OfFacts(Arc<InputOf>),
}

/// Returns the input for a host of this name with these facts, or the reason why there is none.
type InputOf = dyn Fn(&str, &Facts) -> Result<Value, String> + Send + Sync;

impl OwnInputs {
    /// No host has one of its own.
    pub(crate) fn none() -> Self {
        Self::Known(HashMap::new())
    }
}

impl Job {
    /// Returns the input for a host.
    async fn input(&self, host: &Host) -> Result<Cow<'_, Value>, CallError> {
        match &self.own_inputs {
            OwnInputs::Known(inputs) => {
                let own = inputs.get(host.name());
                Ok(Cow::Borrowed(own.unwrap_or(&self.input)))
            }
            OwnInputs::OfFacts(input) => {
                let facts = host.facts().await?;
                input(host.name(), &facts)
                    .map(Cow::Owned)
                    .map_err(|reason| {
                        CallError::new(host.name().into(), CallErrorKind::BadArguments(reason))
                    })
            }
        }
    }
}

/// A value, if there is one to print, or an error.
type Answer = Result<Option<Value>, CallError>;

/// Runs `job` on all hosts, prints the results and, with `stats`, the costs. Returns the exit code.
pub(crate) fn print_everywhere(
    rollout: Rollout,
    job: Job,
    results: Results,
    stats: bool,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let module = job.module.clone();
    let costs = Arc::new(Mutex::new(Costs::default()));
    let rollout = rollout.styled(results.style());
    let mut printer = Printer::new(rollout.has_several(), &job, results, verbosity);
    let run = call_everywhere(rollout, job, &costs, &mut printer);
    printer.results.finish();
    if stats {
        say(&lock(&costs).to_json(&module));
    }
    Ok(run.end()?)
}

/// Prints items and answers of all hosts.
struct Printer {
    several: bool,
    /// The needs that the function declares.
    declared: Option<Wants>,
    verbosity: Verbosity,
    results: Results,
    judge: fn(&Value) -> u8,
    on_denial: Option<Advice>,
}

impl Printer {
    fn new(several: bool, job: &Job, results: Results, verbosity: Verbosity) -> Self {
        let function = job.module.function(&job.function);
        Self {
            several,
            declared: function.map(|function| function.wants.clone()),
            verbosity,
            results,
            judge: job.judge,
            on_denial: job.on_denial,
        }
    }

    /// Reports the answer of a host.
    fn answer(&mut self, host: &str, answer: Answer) -> Reported {
        match answer {
            Ok(value) => {
                let code = value.as_ref().map_or(exit_code::OK, self.judge);
                let value = value.and_then(|value| self.results.value(host, value));
                Reported::new(code, value)
            }
            Err(error) => self.fail(host, &error).into(),
        }
    }

    fn fail(&mut self, host: &str, error: &CallError) -> u8 {
        let mut said = CommandError::of_call(error, self.verbosity);
        let declared = self.declared.as_ref();
        let advice = match &error.kind {
            CallErrorKind::Denied { needs, .. } => self.on_denial.map(|advice| advice(needs)),
            _ => None,
        };
        if let Some(advice) = advice {
            said = said.hint(advice);
        } else if declared.is_some_and(|declared| is_declared(&error.kind, declared)) {
            said =
                said.hint("add that, or --allow-declared to grant all that the function declares");
        }
        said.print(&if self.several {
            format!("[{host}] error: ")
        } else {
            format!("error: {host}: ")
        });
        self.results.failure(host, &said);
        said.code
    }
}

/// Returns true if the call lacked only what its function declares to need.
fn is_declared(kind: &CallErrorKind, declared: &Wants) -> bool {
    let CallErrorKind::Denied { needs, .. } = kind else {
        return false;
    };
    needs
        .iter()
        .all(|need| declared.needs().any(|declared| declared == *need))
}

/// Runs `job` on all hosts and prints items and answers, until the output is over or the program is
/// interrupted.
fn call_everywhere(
    rollout: Rollout,
    job: Job,
    costs: &Arc<Mutex<Costs>>,
    printer: &mut Printer,
) -> Followed {
    let (items, sent) = mpsc::channel(MAX_ITEMS);
    let (job, costs, hosts) = (Arc::new(job), costs.clone(), rollout.hosts().to_vec());
    let work = move |host: &Host| {
        let items = Items {
            host: host.name().to_owned(),
            items: items.clone(),
        };
        on_host(host.clone(), job.clone(), items, costs.clone())
    };
    let judge = |_: &Option<Value>| Verdict::ok();
    follow(rollout, work, judge, sent, |news| match news {
        News::Item(host, item) => Reported::new(exit_code::OK, printer.results.item(host, item)),
        News::Ended(index, answer) => printer.answer(hosts[index].name(), answer),
    })
}

/// Makes the call on one host, and notes its costs.
async fn on_host(host: Host, job: Arc<Job>, items: Items, costs: Arc<Mutex<Costs>>) -> Answer {
    let watch = Stopwatch::start(&host);
    let answer = match &job.streaming {
        Some(streaming) => stream(&host, &job, streaming, &items).await,
        None => {
            let input = job.input(&host).await?;
            let call = host.bind(&job.module).call(&job.function, &*input);
            call.options(job.options.clone()).await.map(Some)
        }
    };
    let spent = HostCosts {
        connection: host.stats(),
        call: watch.elapsed(&host),
    };
    lock(&costs).add(host.name(), spent);
    answer
}

/// Reports the items of one host.
struct Items {
    host: String,
    items: mpsc::Sender<Item>,
}

impl Items {
    /// Reports all items. Returns false if they are not wanted any more.
    async fn forward(&self, received: &Receiver<Value>) -> bool {
        while let Ok(item) = received.recv_async().await {
            let item = (self.host.clone(), item);
            if self.items.send(item).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// Calls a function that sends or receives, and reports its items as they come.
async fn stream(host: &Host, job: &Job, streaming: &Streaming, items: &Items) -> Answer {
    let (sender, received) = channel();
    let arguments = streaming.arguments(&job.input, &sender);
    let bound = host.bind(&job.module);
    if streaming.returns_stream {
        let call = bound.stream::<Receiver<Value>>(&job.function, &arguments);
        let received = call.options(job.options.clone()).await?;
        return match items
            .forward(&received)
            .await
            .then(|| received.end())
            .flatten()
        {
            Some(ChannelEnd::Failed(error)) => Err(*error),
            _ => Ok(None),
        };
    }
    let call = bound.call::<Value>(&job.function, &arguments);
    // The channel ends when the call drops its ends, so drop ours now.
    drop((sender, arguments));
    let call = call.options(job.options.clone()).start();
    if items.forward(&received).await {
        call.await.map(|value| streaming.has_value.then_some(value))
    } else {
        Ok(None)
    }
}
