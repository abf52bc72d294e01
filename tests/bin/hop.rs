//! A hop that betrays its chain: it claims to have every blob, and puts in other bytes. Otherwise
//! it does what an agent does for the next hop. It is started as any hop is, and plays the host's
//! shell first.
//!
//! It also lies for guests that do not run: for each call it asks for the host that
//! `WXEC_TEST_ASKS` names.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::ffi::OsStrExt,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use wxec_protocol::{AgentConnection, AgentEvent, Ask, StreamEnd, StreamId, Target};

enum Happened {
    Said(Vec<u8>),
    Printed(StreamId, Vec<u8>),
    Gone,
}

fn main() -> io::Result<()> {
    // sh -c SCRIPT TOKEN …
    let token = env::args().nth(4).expect("the words of the bootstrap");
    let mut stdin = BufReader::new(io::stdin());
    say(format!(
        "\nWXEC1:{token}:host|Linux {}|new|nowhere|\n",
        env::consts::ARCH
    )
    .as_bytes())?;
    let mut head = String::new();
    stdin.read_line(&mut head)?;
    // The starter, and what follows it.
    let lengths = head.split_whitespace().map(str::parse::<u64>);
    let length = lengths.sum::<Result<u64, _>>().expect("two lengths");
    io::copy(&mut (&mut stdin).take(length), &mut io::sink())?;
    say(format!("WXEC1:{token}:start\n").as_bytes())?;

    let (sender, happenings) = mpsc::channel();
    watch(stdin, sender.clone(), Happened::Said);
    let mut hop = Hop {
        connection: AgentConnection::new(Target::here()),
        children: HashMap::new(),
        sender,
    };
    loop {
        let mut output = Vec::new();
        hop.connection.poll_transmit(&mut output);
        say(&output)?;
        match happenings.recv().expect("this end sends, too") {
            Happened::Said(bytes) => hop
                .connection
                .handle_input(&bytes)
                .expect("the controller keeps the rules"),
            Happened::Printed(id, bytes) => hop.connection.send(id, bytes.into()),
            Happened::Gone => return Ok(()),
        }
        while let Some(event) = hop.connection.poll_event() {
            hop.handle(event)?;
        }
    }
}

struct Hop {
    connection: AgentConnection,
    children: HashMap<StreamId, Child>,
    sender: mpsc::Sender<Happened>,
}

impl Hop {
    fn handle(&mut self, event: AgentEvent) -> io::Result<()> {
        match event {
            AgentEvent::Start { streams, command } => {
                let words: Vec<_> = command
                    .words
                    .iter()
                    .map(|word| OsStr::from_bytes(word))
                    .collect();
                let mut child = Command::new(words[0])
                    .args(&words[1..])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let stdout = child.stdout.take().expect("it is piped");
                watch(stdout, self.sender.clone(), move |bytes| {
                    Happened::Printed(streams.stdio, bytes)
                });
                self.children.insert(streams.stdio, child);
            }
            AgentEvent::Call { id, .. } => {
                let asks = env::var("WXEC_TEST_ASKS").expect("it is called only if this is set");
                let (address, function) = (asks.replace('\'', "\""), "relay::count".into());
                let question = Ask {
                    address,
                    function,
                    input: "\u{1}".into(),
                    deadline_ms: None,
                };
                self.connection.ask(id, &question).expect("it is the first");
            }
            AgentEvent::Data { id, bytes } => self.write(id, &bytes),
            AgentEvent::Splice { id, splice } => {
                let length = usize::try_from(splice.length).expect("a part is short");
                self.write(id, &vec![0x55; length]);
            }
            AgentEvent::Finished { id } => drop(
                self.children
                    .get_mut(&id)
                    .and_then(|child| child.stdin.take()),
            ),
            AgentEvent::StreamClosed { id } => drop(self.children.remove(&id)),
            AgentEvent::AskBlob { digest } | AgentEvent::Blob { digest, .. } => {
                self.connection.answer_blob(digest, true);
            }
            AgentEvent::Closing => {
                for id in self.children.drain().map(|(id, _)| id) {
                    self.connection.end_stream(id, StreamEnd::Closed);
                }
                self.connection.close();
            }
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, id: StreamId, bytes: &[u8]) {
        if let Some(stdin) = self
            .children
            .get_mut(&id)
            .and_then(|child| child.stdin.as_mut())
        {
            let _ = stdin.write_all(bytes);
        }
        self.connection.taken(id, bytes.len() as u64);
    }
}

/// Reports what `reader` yields. The end of stdin ends this program.
fn watch(
    mut reader: impl Read + Send + 'static,
    sender: mpsc::Sender<Happened>,
    tell: impl Fn(Vec<u8>) -> Happened + Send + 'static,
) {
    let is_stdin = matches!(tell(Vec::new()), Happened::Said(_));
    thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut part) {
            let _ = sender.send(tell(part[..length].into()));
        }
        if is_stdin {
            let _ = sender.send(Happened::Gone);
        }
    });
}

fn say(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
