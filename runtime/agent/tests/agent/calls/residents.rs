//! Instances that stay between calls.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_stays_until_it_is_dropped() {
    let (mut controller, _agent) = start();
    // The first two wait for the module together.
    let module = Digest::of(&controller.artifact);
    let ids = [1, 2].map(|count| (controller.call_instance(7, "count", module), count));
    let outcomes = controller.returned(2).await;
    for (id, count) in ids {
        assert_eq!(outcomes[&id], Ok(vec![count]));
    }
    assert_eq!(controller.one_of_instance(8, "count").await, Ok(vec![1]));
    assert_eq!(controller.one_of_instance(7, "count").await, Ok(vec![3]));
    assert_eq!(
        controller.one("count", b"", Limits::default()).await,
        Ok(vec![1])
    );

    let other = Digest::of(&controller.metered);
    let id = controller.call_instance(7, "count", other);
    assert!(matches!(
        controller.returned(1).await[&id],
        Err(Fault::BadModule(_))
    ));
    controller.peer.connection.drop_instance(InstanceId(7));
    assert_eq!(
        controller.one_of_instance(7, "count").await,
        Ok(vec![1]),
        "its number is free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_trapped_or_was_cancelled_is_gone() {
    let (mut controller, _agent) = start();
    assert!(matches!(
        controller.one_of_instance(1, "trap").await,
        Err(Fault::Trap { .. })
    ));
    assert!(matches!(
        controller.one_of_instance(1, "count").await,
        Err(Fault::InstanceGone { .. })
    ));

    assert_eq!(controller.one_of_instance(2, "count").await, Ok(vec![1]));
    let module = Digest::of(&controller.artifact);
    let spinning = controller.call_instance(2, "spin", module);
    let waiting = controller.call_instance(2, "count", module);
    controller.peer.send().await;
    controller.peer.connection.cancel(spinning);
    assert!(matches!(
        controller.returned(1).await[&waiting],
        Err(Fault::InstanceGone { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_a_hundred_instances() {
    let (mut controller, _agent) = start();
    for instance in 0..100 {
        assert_eq!(
            controller.one_of_instance(instance, "count").await,
            Ok(vec![1])
        );
    }
    let fault = Fault::Limit {
        which: LimitKind::Instances,
        limit: 100,
        asked: 101,
    };
    assert_eq!(controller.one_of_instance(100, "count").await, Err(fault));
    controller.peer.connection.drop_instance(InstanceId(5));
    assert_eq!(controller.one_of_instance(100, "count").await, Ok(vec![1]));
}
