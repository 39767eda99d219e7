//! Saying that one is still at work, beside the work.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Does `work`, and meanwhile calls `beat` after every `pause`. Neither waits for the other: work that holds locks goes on
/// while a beat waits for a connection. Only at the end a beat that is under way is waited for, so that none comes later.
pub(crate) async fn beside<T: Send, B: Future<Output = ()> + Send>(
    work: impl Future<Output = T> + Send,
    pause: Duration,
    beat: impl Fn() -> B + Send + Sync,
) -> T {
    let ended = CancellationToken::new();
    let work = async {
        let done = work.await;
        ended.cancel();
        done
    };
    let beats = async {
        while ended.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            beat().await;
        }
    };
    let (done, ()) = tokio::join!(work, beats);
    done
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_while_a_beat_is_held_up_and_no_beat_comes_after_it() {
        let (begun, held_up) = (Notify::new(), Notify::new());
        let work = async {
            begun.notified().await;
            held_up.notify_one();
            "done"
        };
        let beat = || async {
            begun.notify_one();
            held_up.notified().await;
        };

        let done = tokio::time::timeout(
            Duration::from_secs(5),
            beside(work, Duration::from_millis(1), beat),
        );
        assert_eq!(done.await.unwrap(), "done");
    }
}
