//! "Did you mean …": the closest known names.

/// Up to three candidates close to `name`, the closest first.
pub fn suggestions<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let limit = match wanted.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let mut close: Vec<(usize, &str)> = candidates
        .filter(|c| c.len().abs_diff(name.len()) <= 12)
        .map(|c| (distance(&wanted, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .collect();
    close.sort_unstable();
    close.dedup();
    close.into_iter().take(3).map(|(_, c)| c.to_owned()).collect()
}

/// Edits (insert, remove, replace, swap neighbours) between two words; words longer than 64 characters are not compared.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        let known = ["hosting_type", "vendor", "owner", "name"];
        for (typed, meant) in [
            ("hosting_typ", "hosting_type"),
            ("nmae", "name"),
            ("Vendor", "vendor"),
            ("onwer", "owner"),
        ] {
            assert_eq!(suggestions(typed, known.into_iter()), [meant]);
        }
        assert!(suggestions("multi_region", known.into_iter()).is_empty());
        assert!(suggestions(&"x".repeat(100_000), known.into_iter()).is_empty());
    }
}
