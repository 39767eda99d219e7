//! JSON in the one spelling of RFC 8785 (JCS): members sorted, no spaces, numbers and strings as ECMAScript writes them.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// A value that has no canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is not exact as a double, so other readers would see another number")]
pub struct InexactNumber(Number);

/// The canonical spelling of a value.
///
/// # Errors
///
/// [`InexactNumber`] for an integer beyond 2^53 that a double cannot hold: canonical JSON would change it silently.
pub fn to_string(value: &Value) -> Result<String, InexactNumber> {
    let mut out = String::new();
    write(&mut out, value)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value) -> Result<(), InexactNumber> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&spelled(number)?),
        Value::String(string) => quote(out, string),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(out, item)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (name, member)) in sorted(members).into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(out, name);
                out.push(':');
                write(out, member)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// By UTF-16 code units: not the order of scalar values once surrogates are among them.
fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    sorted
}

fn quote(out: &mut String, string: &str) {
    out.push('"');
    for letter in string.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..' ' => {
                write!(out, "\\u{:04x}", u32::from(letter)).expect("a string takes everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn spelled(number: &Number) -> Result<String, InexactNumber> {
    let inexact = || InexactNumber(number.clone());
    let double = number.as_f64().filter(|double| double.is_finite()).ok_or_else(inexact)?;
    if let Some(integer) = number.as_i128() {
        #[expect(clippy::cast_possible_truncation, reason = "within 64 bits, and compared")]
        if double as i128 != integer {
            return Err(inexact());
        }
    }
    Ok(ecmascript(double))
}

fn places(digits: &str) -> i32 {
    i32::try_from(digits.len()).expect("a double has some hundred digits at most")
}

/// A finite double as ECMAScript spells it.
fn ecmascript(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    // The shortest digits that come back to the same double, and of two that are as near the even one: what the standard
    // asks for, and not what `{:e}` does.
    let shortest = serde_json::json!(double.abs()).to_string();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().expect("an integer follows `e`");
    let written = format!("{whole}{part}");
    let significant = written.trim_start_matches('0');
    // The place of the point, counted from the first digit that is not 0.
    let point = exponent + places(whole) - places(&written) + places(significant);
    let digits = significant.trim_end_matches('0');
    let count = places(digits);
    let sign = if double < 0.0 { "-" } else { "" };
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    if count <= point && point <= 21 {
        format!("{sign}{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or_default());
        format!("{sign}{whole}.{part}")
    } else if -6 < point && point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let part = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        format!("{sign}{first}{part}e{exponent:+}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_spelled_as_the_standard_lists_them() {
        for (bits, spelling) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(ecmascript(f64::from_bits(bits)), spelling, "{bits:016x}");
        }
    }

    #[test]
    fn members_are_sorted_by_their_utf_16_code_units() {
        let value = json!({
            "\u{20ac}": "Euro Sign",
            "\r": "Carriage Return",
            "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One",
            "\u{1f600}": "Emoji: Grinning Face",
            "\u{80}": "Control",
            "\u{f6}": "Latin Small Letter O With Diaeresis",
        });

        assert_eq!(
            to_string(&value).unwrap(),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
             \"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
             \"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
    }

    #[test]
    fn strings_and_literals_are_spelled_as_in_the_standards_example() {
        let value = json!({
            "numbers": [333_333_333.333_333_3, 1e30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001],
            "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/",
            "literals": [null, true, false],
        });

        assert_eq!(
            to_string(&value).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
    }

    #[test]
    fn an_integer_that_a_double_would_change_is_refused() {
        assert_eq!(to_string(&json!(9_007_199_254_740_992_u64)).unwrap(), "9007199254740992");
        assert!(to_string(&json!(9_007_199_254_740_993_u64)).is_err());
        assert!(to_string(&json!(u64::MAX)).is_err());
    }
}
