//! The supervision kernel by itself.

use std::sync::mpsc;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, Context, Handler, Message, Recipient};
use ingestd_actors::error::{Error, ErrorKind};
use ingestd_actors::supervision::{ChildExited, ExitReason, Lifeline, spawn, watch_thread};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::run;

struct Parent(UnboundedSender<ChildExited>);

impl Actor for Parent {
    type Context = Context<Self>;
}

impl Handler<ChildExited> for Parent {
    type Result = ();

    fn handle(&mut self, exit: ChildExited, _: &mut Self::Context) {
        let _ = self.0.send(exit);
    }
}

fn parent() -> (Recipient<ChildExited>, UnboundedReceiver<ChildExited>) {
    let (tell, told) = unbounded_channel();
    (Parent(tell).start().recipient(), told)
}

struct Child(Lifeline);

impl Actor for Child {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
enum Do {
    Nothing,
    Panic,
    Stop,
    Fail,
}

impl Handler<Do> for Child {
    type Result = ();

    fn handle(&mut self, what: Do, context: &mut Self::Context) {
        match what {
            Do::Nothing => {}
            Do::Panic => panic!("injected into the handler"),
            Do::Stop => context.stop(),
            Do::Fail => self.0.fail(Error::new(ErrorKind::Fenced, "lost"), context),
        }
    }
}

/// The end of a child that is told something.
fn end_of(what: Do) -> ChildExited {
    run(async {
        let (exits, mut told) = parent();
        let (address, handle) = spawn("child", 7, exits, Child);
        address.send(Do::Nothing).await.expect("it lives");
        address.do_send(what);
        let exit = told.recv().await.expect("its end is reported");
        assert!(handle.is_meant_by(&exit));
        assert!(!address.connected());
        exit
    })
}

#[test]
fn every_end_is_reported_with_its_reason() {
    let reason = |what| end_of(what).reason;
    assert!(matches!(reason(Do::Stop), ExitReason::Stopped));
    let panicked = reason(Do::Panic);
    assert_eq!(panicked.to_string(), "panicked: injected into the handler");
    assert_eq!(reason(Do::Fail).to_string(), "failed: lost");
}

#[test]
fn a_panic_while_the_actor_is_made_is_an_end_like_any_other() {
    run(async {
        let (exits, mut told) = parent();
        let (address, _handle): (Addr<Child>, _) =
            spawn("child", 1, exits, |_| panic!("injected into make"));
        let exit = told.recv().await.expect("its end is reported");
        assert_eq!(exit.reason.to_string(), "panicked: injected into make");
        assert!(address.send(Do::Nothing).await.is_err());
    });
}

#[test]
fn an_aborted_child_and_a_dropped_one_end() {
    run(async {
        let (exits, mut told) = parent();
        let (address, handle) = spawn("child", 1, exits.clone(), Child);
        handle.abort();
        let exit = told.recv().await.expect("its end is reported");
        assert!(matches!(exit.reason, ExitReason::Aborted));
        assert!(!address.connected());
        let (second, handle) = spawn("child", 2, exits, Child);
        assert!(!handle.is_meant_by(&exit), "an older life's end");
        second.send(Do::Nothing).await.expect("it lives");
        drop(handle);
        told.recv().await.expect("its end is reported");
        assert!(!second.connected());
    });
}

#[test]
fn a_thread_that_blocks_is_given_up_and_one_that_works_is_not() {
    let (tell, told) = mpsc::channel();
    run(async {
        tokio::time::resume();
        watch_thread(Duration::from_millis(800), move |limit| {
            let _ = tell.send(limit);
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(told.try_recv().is_err(), "it answers");
        // Blocks until the watchdog has fired.
        let fired = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(fired, Ok(Duration::from_millis(800)));
    });
}

#[test]
fn a_watchdog_ends_with_its_runtime() {
    let (tell, told) = mpsc::channel::<Duration>();
    run(async {
        watch_thread(Duration::from_millis(40), move |limit| {
            let _ = tell.send(limit);
        });
    });
    // The closure is dropped uncalled: the channel is closed without a message.
    assert_eq!(
        told.recv_timeout(Duration::from_secs(20)),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}
