use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use wxec_protocol::{
    ANY, Fault, Grants, LimitKind, Limits, Need,
    abi::{NetAddresses, NetConnected},
};

use crate::{
    PATIENCE,
    asking::{Scripted, close, connect, give_up, lookup, read, shutdown, timeout, wait, write},
};

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn granted(place: &str) -> Scripted {
    Scripted::new(Grants::none().net(place))
}

/// Makes a port that neither takes connections nor refuses them: its queue is full. Also returns
/// the sockets that keep it full.
fn silent() -> (u16, (TcpListener, Vec<TcpStream>)) {
    let (listener, port) = listen();
    // Shorten the listener's queue: rustix can make it no shorter than this.
    rustix::net::listen(&listener, 0).unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let waiting = std::iter::from_fn(|| {
        TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
    });
    (port, (listener, waiting.collect()))
}

#[tokio::test]
async fn what_was_not_granted_is_refused_and_the_flag_is_named() {
    let (_listener, port) = listen();
    let scripted = granted("127.0.0.1:1");
    let steps = || [connect("127.0.0.1", port, None)];
    let error = scripted.last(&steps()).await.error();
    assert_eq!(
        error.message,
        format!("not granted: needs --allow-net=127.0.0.1:{port}")
    );
    assert_eq!(error.need, Some(Need::Net(format!("127.0.0.1:{port}"))));
    let [step] = steps();
    let fault = scripted.run(&[step, give_up()]).await.unwrap_err();
    assert!(matches!(fault, Fault::Denied { .. }), "{fault:?}");

    assert_eq!(
        granted("localhost").last(&steps()).await.error().kind,
        "PermissionDenied",
        "a name is not its address"
    );
    for place in [
        "127.0.0.1",
        "*",
        &format!("*:{port}"),
        &format!("127.0.0.1:{port}"),
    ] {
        assert_eq!(granted(place).last(&steps()).await.number, 1, "{place}");
    }
}

#[tokio::test]
async fn a_connection_carries_bytes_both_ways_and_ends_each_way() {
    let (listener, port) = listen();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut came = Vec::new();
        socket.read_to_end(&mut came).unwrap();
        socket.write_all(b"bye").unwrap();
        came
    });
    let steps = [
        connect("localhost", port, None),
        write(1, b"hello"),
        shutdown(1, 1),
        read(1, 10),
        read(1, 10),
        close(1),
    ];
    let answers = granted("localhost").run(&steps).await.unwrap();
    let connected: NetConnected = answers[0].reply();
    assert_eq!(
        connected.peer,
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    );
    assert!(connected.local.ip().is_loopback() && connected.local.port() != 0);
    assert_eq!((&*answers[3].bytes, answers[4].number), (&b"bye"[..], 0));
    assert_eq!(server.join().unwrap(), b"hello");
}

#[tokio::test]
async fn refused_reset_and_broken_connections_are_told_apart() {
    // Bound, so that no other program listens there, but not listening.
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = unused.local_addr().unwrap().port();
    let error = granted(ANY)
        .last(&[connect("127.0.0.1", port, None)])
        .await
        .error();
    assert_eq!(error.kind, "ConnectionRefused");

    let (listener, port) = listen();
    let server = thread::spawn(move || {
        listener
            .accept()
            .unwrap()
            .0
            .shutdown(Shutdown::Both)
            .unwrap()
    });
    let answers = granted(ANY)
        .run(&[
            connect("127.0.0.1", port, None),
            read(1, 1),
            wait(1),
            shutdown(1, 7),
        ])
        .await
        .unwrap();
    assert_eq!(answers[1].number, 0, "the end");
    assert_eq!(
        answers[2].error().kind,
        "InvalidInput",
        "a connection is no process"
    );
    assert_eq!(answers[3].error().kind, "InvalidInput");
    server.join().unwrap();
}

#[tokio::test]
async fn who_does_not_answer_is_given_up() {
    let (port, _full) = silent();
    let error = granted(ANY)
        .last(&[connect("127.0.0.1", port, Some(100))])
        .await
        .error();
    assert_eq!(
        (&*error.kind, &*error.message),
        ("TimedOut", "no connection within 100ms")
    );

    let limits = Limits {
        deadline_ms: Some(100),
        ..Limits::default()
    };
    let started = Instant::now();
    let fault = Scripted {
        limits,
        ..granted(ANY)
    }
    .run(&[connect("127.0.0.1", port, None)])
    .await
    .unwrap_err();
    assert_eq!(fault, Fault::Deadline { after_ms: 100 });
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn reading_may_be_given_a_time_and_ends_with_the_call() {
    let (_listener, port) = listen();
    let answers = granted(ANY)
        .run(&[connect("127.0.0.1", port, None), timeout(1, 50), read(1, 1)])
        .await
        .unwrap();
    assert_eq!(answers[2].error().kind, "TimedOut");

    let limits = Limits {
        deadline_ms: Some(100),
        ..Limits::default()
    };
    let steps = [
        connect("127.0.0.1", port, None),
        timeout(1, 50),
        timeout(1, -1),
        read(1, 1),
    ];
    assert_eq!(
        Scripted {
            limits,
            ..granted(ANY)
        }
        .run(&steps)
        .await,
        Err(Fault::Deadline { after_ms: 100 })
    );
}

#[tokio::test]
async fn connections_are_open_files() {
    let (_listener, port) = listen();
    let limits = Limits {
        open_files: 1,
        deadline_ms: Some(50_000),
        ..Limits::default()
    };
    let scripted = Scripted {
        limits,
        ..granted(ANY)
    };
    let connect = || connect("127.0.0.1", port, None);
    let fault = scripted
        .run(&[connect(), connect(), give_up()])
        .await
        .unwrap_err();
    assert_eq!(
        fault,
        Fault::Limit {
            which: LimitKind::OpenFiles,
            limit: 1,
            asked: 2
        }
    );
    assert_eq!(
        scripted
            .last(&[connect(), close(1), connect()])
            .await
            .number,
        2
    );
}

#[tokio::test]
async fn names_are_looked_up_if_any_of_their_ports_is_granted() {
    let addresses: NetAddresses = granted("localhost:443")
        .last(&[lookup("LocalHost")])
        .await
        .reply();
    assert!(
        addresses.0.contains(&Ipv4Addr::LOCALHOST.into()),
        "{addresses:?}"
    );
    assert_eq!(
        granted(ANY)
            .last(&[lookup("10.1.2.3")])
            .await
            .reply::<NetAddresses>()
            .0,
        [Ipv4Addr::new(10, 1, 2, 3)]
    );

    let error = granted("localhost")
        .last(&[lookup("example.org")])
        .await
        .error();
    assert_eq!(error.message, "not granted: needs --allow-net=example.org");
    for host in ["", "localhost:443", "local host", "[::1]"] {
        assert_eq!(
            granted(ANY).last(&[lookup(host)]).await.error().kind,
            "InvalidInput",
            "{host}"
        );
    }
    assert!(
        granted(ANY)
            .last(&[lookup("no-such-name.invalid")])
            .await
            .number
            < 0
    );
}
