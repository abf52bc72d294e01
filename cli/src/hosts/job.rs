//! Calls a function on all hosts of a command, and prints what they send and return.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;
use wxec::{
    CallError, CallErrorKind, CallOptions, Fleet, Host, Module, Receiver, call::Value, channel,
    channel::ChannelEnd, module::Wants,
};

use crate::{
    base::{exit_code, verbosity::Verbosity},
    hosts::streaming::{self, Streaming},
    output::{
        command_error::CommandError,
        costs::{Costs, HostCosts},
        results::{Results, Style},
    },
    terminal::{
        interrupt::{self, Interrupted},
        stderr::say,
        stdout,
    },
};

/// Items that may wait to be printed. Beyond that, senders wait.
const MAX_ITEMS: usize = 64;

/// A call to make: the function, its input and its options.
pub(crate) struct Job {
    pub(crate) module: Module,
    pub(crate) function: String,
    pub(crate) input: Value,
    pub(crate) options: CallOptions,
    /// The function's channels, if it sends or receives while it runs.
    pub(crate) streaming: Option<Streaming>,
}

/// An event on one host, which its position names.
enum HostEvent {
    /// The function sent an item.
    Item(usize, Value),
    /// The call has ended.
    Ended(usize, Answer),
}

/// The outcome of the call on one host.
struct Answer {
    /// `Ok(None)` is a success without a value to print.
    result: Result<Option<Value>, CallError>,
    costs: HostCosts,
}

/// Runs `job` on all `hosts`, prints the results and, with `stats`, the costs. Returns the exit
/// code.
pub(crate) fn print_everywhere(
    hosts: &[Host],
    job: Job,
    style: Style,
    stats: bool,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let module = job.module.clone();
    let mut printer = Printer::new(hosts.len() > 1, &job, style, verbosity);
    call_everywhere(hosts, job, |host, event| printer.print(host, event));
    printer.results.finish();
    if stats {
        say(&printer.costs.to_json(&module));
    }
    if !streaming::fed_well() {
        printer.codes.push(exit_code::USAGE);
    }
    if interrupt::happened() {
        Err(Interrupted.into())
    } else {
        Ok(exit_code::of_all(&printer.codes))
    }
}

/// Prints the events on all hosts, and keeps their exit codes and costs.
struct Printer {
    several: bool,
    /// The needs that the function declares.
    declared: Option<Wants>,
    verbosity: Verbosity,
    results: Results,
    costs: Costs,
    codes: Vec<u8>,
}

impl Printer {
    fn new(several: bool, job: &Job, style: Style, verbosity: Verbosity) -> Self {
        let function = job.module.function(&job.function);
        Self {
            several,
            declared: function.map(|function| function.wants.clone()),
            verbosity,
            results: Results::new(style, several),
            costs: Costs::default(),
            codes: Vec::new(),
        }
    }

    fn print(&mut self, host: &str, event: HostEvent) {
        match event {
            HostEvent::Item(_, item) => self.results.item(host, item),
            HostEvent::Ended(_, Answer { result, costs }) => {
                self.costs.add(host, costs);
                match result {
                    Ok(Some(value)) => self.results.value(host, value),
                    Ok(None) => {}
                    Err(error) => self.fail(host, &error),
                }
            }
        }
    }

    fn fail(&mut self, host: &str, error: &CallError) {
        let mut said = CommandError::of_call(error, self.verbosity);
        let declared = self.declared.as_ref();
        if declared.is_some_and(|declared| is_declared(&error.kind, declared)) {
            said =
                said.hint("add that, or --allow-declared to grant all that the function declares");
        }
        self.codes.push(said.code);
        said.print(&if self.several {
            format!("[{host}] error: ")
        } else {
            format!("error: {host}: ")
        });
        self.results.failure(host, &said);
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

/// Runs `job` on all `hosts` and passes each event to `each`, until the output is over or the
/// program is interrupted. All hosts are closed on return.
fn call_everywhere(hosts: &[Host], job: Job, mut each: impl FnMut(&str, HostEvent)) {
    let (events, mut arrived) = mpsc::channel(MAX_ITEMS);
    let (fleet, job) = (hosts.iter().cloned().collect::<Fleet>(), Arc::new(job));
    let mut index = 0..;
    let run = fleet.each(move |host| {
        let index = index.next().unwrap_or_default();
        on_host(host.clone(), index, job.clone(), events.clone())
    });
    while let Ok(Some(event)) = interrupt::block_on(arrived.recv()) {
        let (HostEvent::Item(index, _) | HostEvent::Ended(index, _)) = event;
        each(fleet.hosts()[index].name(), event);
        if stdout::is_over() {
            // Interrupts calls that send nothing for now, too.
            break;
        }
    }
    drop(run);
    fleet.close().wait();
}

/// Makes the call on one host, reports its items and its end, and closes the host.
async fn on_host(
    host: Host,
    index: usize,
    job: Arc<Job>,
    events: mpsc::Sender<HostEvent>,
) -> Result<(), CallError> {
    let start = Instant::now();
    let items = Items { index, events };
    let result = match &job.streaming {
        Some(streaming) => stream(&host, &job, streaming, &items).await,
        None => {
            let call = host.bind(&job.module).call(&job.function, &job.input);
            call.options(job.options.clone()).await.map(Some)
        }
    };
    let connection = host.stats();
    let costs = HostCosts {
        connection,
        call: start.elapsed().saturating_sub(connection.connect),
    };
    let _ = items
        .events
        .send(HostEvent::Ended(index, Answer { result, costs }))
        .await;
    host.close().await;
    Ok(())
}

/// Reports the items of one host.
struct Items {
    index: usize,
    events: mpsc::Sender<HostEvent>,
}

impl Items {
    /// Reports all items. Returns false if the events are not wanted any more.
    async fn forward(&self, received: &Receiver<Value>) -> bool {
        while let Ok(item) = received.recv_async().await {
            if self
                .events
                .send(HostEvent::Item(self.index, item))
                .await
                .is_err()
            {
                return false;
            }
        }
        true
    }
}

/// Calls a function that sends or receives, and reports its items as they come.
async fn stream(
    host: &Host,
    job: &Job,
    streaming: &Streaming,
    items: &Items,
) -> Result<Option<Value>, CallError> {
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
