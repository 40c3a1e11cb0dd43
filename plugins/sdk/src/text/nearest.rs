//! Which of the names that exist is near the one that was asked for.

/// The names that come near, the nearest first, at most three: those that contain the wanted one, and those that look like it.
pub fn nearest<'a, I: IntoIterator<Item = &'a str>>(wanted: &str, names: I) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let likeness = strsim::jaro_winkler(&wanted, &lower);
            let contained = !wanted.is_empty() && lower.contains(&wanted);
            (contained || likeness > 0.8).then_some((if contained { likeness + 1.0 } else { likeness }, name))
        })
        .collect();
    scored.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    scored.into_iter().map(|(_, name)| name).take(3).collect()
}
