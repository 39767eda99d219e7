//! The accept loop: bounded waiting for everything that a client can hold back.
//!
//! poem's own server never closes a connection whose header stays half-sent, so connections are served with hyper directly.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Addr, Endpoint, EndpointExt, Response,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a request header may take, from the first byte of waiting to the last of the header; also how long an idle
/// connection is kept.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of request line and headers together.
const HEADER_BYTES: usize = 16 * 1024;

/// Header fields of a request.
const HEADER_FIELDS: usize = 64;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 8_192;

/// Serves until told to stop; then finishes the requests in hand, which `tasks` waits for.
pub async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint<Output = Response> + 'static,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let endpoint: Arc<BoxEndpoint<'static, Response>> = Arc::new(endpoint.boxed());
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let connection = connection(stream, Arc::clone(&endpoint), shutdown.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: connections that end will free some.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn connection(
    stream: TcpStream,
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    shutdown: CancellationToken,
) {
    let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let service = service_fn(move |request: Request<Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        let request = (
            request,
            LocalAddr(Addr::SocketAddr(local)),
            RemoteAddr(Addr::SocketAddr(remote)),
            Scheme::HTTP,
        );
        async move { Ok::<_, Infallible>(endpoint.get_response(request.into()).await.into()) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADER_FIELDS);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // A client that went away or held back its header; nothing an operator could act on.
        tracing::debug!(%error, "connection ended");
    }
}
