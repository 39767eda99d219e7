//! Texts in files are scored without any service.

use std::process::{Command, Output};

use serde_json::{Value, json};

/// Scores a file of these lines; how it ended, and the lines of the answer.
fn analyse(lines: &str) -> (Output, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let (texts, scores) = (dir.path().join("texts.jsonl"), dir.path().join("scores.jsonl"));
    std::fs::write(&texts, lines).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_plctl"))
        .args(["analyse", "--json", "--threads", "3", "--file"])
        .arg(texts)
        .arg("--out")
        .arg(&scores)
        .output()
        .unwrap();
    let answer = std::fs::read_to_string(scores).unwrap_or_default();
    (output, answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn every_text_gets_six_probabilities_in_the_order_of_the_file() {
    let texts: Vec<String> = (0..50)
        .map(|number| match number {
            7 => json!({ "id": 7, "text": "you are a st*pid idi0t", "label": "extra" }).to_string(),
            number => json!({ "id": number, "text": "The library opens at nine." }).to_string(),
        })
        .collect();

    let (output, scores) = analyse(&texts.join("\n"));

    assert!(output.status.success(), "{output:?}");
    let ids: Vec<u64> = scores.iter().map(|line| line["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    let toxicity = |at: usize| scores[at]["scores"]["toxicity"].as_f64().unwrap();
    assert!(toxicity(7) > 0.5 && toxicity(8) < 0.2, "{} {}", toxicity(7), toxicity(8));
    let names: Vec<&String> = scores[0]["scores"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 6, "{names:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["texts"], 50);
}

#[test]
fn a_line_that_is_no_text_is_named() {
    let (output, _) = analyse("{\"id\": 1, \"text\": \"fine\"}\n{\"id\": 2}\n");

    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: line 2 of ") && said.lines().count() == 1, "{said}");
}
