//! What the runtime tells of itself, as Prometheus would read it.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The figures of this process; recorded from the first call on.
pub(crate) fn figures() -> &'static PrometheusHandle {
    static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();
    FIGURES.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The value of the first line that begins with `name` and has all of these labels, such as `reason="memory"`.
pub(crate) fn figure(name: &str, labels: &[&str]) -> Option<f64> {
    let text = figures().render();
    let line = text.lines().find(|line| {
        let (series, _) = line.split_once([' ', '{']).unwrap_or((line, ""));
        series == name && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit_once(' ')?.1.parse().ok()
}
