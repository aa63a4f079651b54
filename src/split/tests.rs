use super::*;
use std::collections::BTreeSet;

/// 1,000 rows: 540 positive, 460 negative, 50 authors, texts that are all different.
fn forum() -> Table {
    let texts: Vec<String> = (0..1_000).map(|i| format!("comentario {} sobre {}", i * 7_919, i * i)).collect();
    let labels: Vec<String> = (0..1_000).map(|i| if i % 50 < 27 { "positivo" } else { "negativo" }.into()).collect();
    let authors: Vec<String> = (0..1_000).map(|i| format!("autor{}", i * 31 % 50)).collect();
    let table = Table::from_texts("texto", &texts).unwrap().with_texts("clase", &labels).unwrap();
    table.with_texts("autor", &authors).unwrap()
}

fn set(table: &Table, column: &str) -> BTreeSet<String> {
    table.strings(column).unwrap().into_iter().flatten().collect()
}

#[test]
fn three_parts_have_the_asked_sizes_and_the_shares_of_each_class() {
    let table = forum();
    let config = SplitConfig { stratify: "clase".into(), ..Default::default() };
    let split = table.split(&config).unwrap();
    assert_eq!((split.train.height(), split.valid.height(), split.test.height()), (750, 150, 100));
    assert_eq!(split.labels, [("negativo".into(), [345, 69, 46]), ("positivo".into(), [405, 81, 54])]);
    assert!(split.warnings.is_empty() && split.to_string().contains("54 (54.0 %)"), "{split}");
    let all: BTreeSet<String> =
        [&split.train, &split.valid, &split.test].iter().flat_map(|part| set(part, "texto")).collect();
    assert_eq!(all.len(), 1_000, "each row is in one part");
    assert_eq!(set(&table.split(&config).unwrap().test, "texto"), set(&split.test, "texto"), "the same seed");
    let other = table.split(&SplitConfig { seed: 7, ..config }).unwrap();
    assert_ne!(set(&other.test, "texto"), set(&split.test, "texto"));
}

#[test]
fn a_score_is_stratified_by_its_quarters() {
    let scores: Vec<f64> = (0..1_000).map(|i| f64::from(i * 7 % 1_000)).collect();
    let table = forum().with_numbers("puntaje", &scores).unwrap();
    let split = table.split(&SplitConfig { stratify: "puntaje".into(), ..Default::default() }).unwrap();
    assert_eq!(split.labels.len(), 4);
    for (name, [train, valid, test]) in &split.labels {
        assert_eq!(train + valid + test, 250, "{name}");
        assert!((187..=189).contains(train) && (24..=26).contains(test), "{name}: {train} {valid} {test}");
    }
}

#[test]
fn two_parts_leave_the_middle_one_empty() {
    let split = forum().split(&SplitConfig { train: 0.8, valid: 0.0, test: 0.2, ..Default::default() }).unwrap();
    assert_eq!((split.train.height(), split.valid.height(), split.test.height()), (800, 0, 200));
    assert_eq!(split.to_string().lines().count(), 4);
}

#[test]
fn a_group_is_in_one_part() {
    let config = SplitConfig { group: "autor".into(), stratify: "clase".into(), ..Default::default() };
    let split = forum().split(&config).unwrap();
    let (train, valid, test) = (set(&split.train, "autor"), set(&split.valid, "autor"), set(&split.test, "autor"));
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    assert!((700..=800).contains(&split.train.height()) && (60..=140).contains(&split.test.height()), "{split}");
}

#[test]
fn several_labels_a_row_keep_their_shares() {
    let names = ["drama", "comedia", "terror", "raro"];
    let labels: Vec<String> = (0..1_000)
        .map(|i| {
            let has = [i % 2 == 0, i % 3 == 0, i % 5 == 0, i % 50 == 7];
            names.iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| *name).collect::<Vec<_>>().join("|")
        })
        .collect();
    let table = forum().with_texts("generos", &labels).unwrap();
    let config = SplitConfig { stratify: "generos".into(), separator: "|".into(), ..Default::default() };
    let split = table.split(&config).unwrap();
    for (name, parts) in &split.labels {
        let all = parts.iter().sum::<usize>() as f64;
        for (rows, share) in parts.iter().zip([0.75, 0.15, 0.10]) {
            assert!((*rows as f64 - share * all).abs() <= 2.0, "{name}: {parts:?}");
        }
    }
    assert_eq!(split.labels.len(), 4);
}

#[test]
fn equal_and_near_texts_in_two_parts_are_told_and_can_be_kept_together() {
    let texts: Vec<String> = (0..300)
        .map(|i| match i % 3 {
            0 => format!("el comentario número {} habla del tiempo en la ciudad", i / 3 * 7_919),
            1 => format!("el comentario número {} habla del tiempo en la ciudad!", i / 3 * 7_919),
            _ => format!("{} cosas {} distintas {}", i * 31, i * 77, i * 1_013),
        })
        .collect();
    let table = Table::from_texts("texto", &texts).unwrap();
    let leaky = table.split(&SplitConfig::default()).unwrap().leaks("texto").unwrap();
    assert!(leaky.any() && leaky.nearly > 10 && leaky.equal == 0, "{leaky}");
    let double = table.append(&table).unwrap().split(&SplitConfig::default()).unwrap().leaks("texto").unwrap();
    assert!(double.equal > 50, "{double}");
    let safe = table.split(&SplitConfig { text: "texto".into(), ..Default::default() });
    // The numbers differ so little that many of these texts are one group; what matters is that no pair is parted.
    if let Ok(split) = safe {
        assert!(!split.leaks("texto").unwrap().any());
    }
    let equal_only = SplitConfig { text: "texto".into(), similarity: 1.0, ..Default::default() };
    let split = table.append(&table).unwrap().split(&equal_only).unwrap();
    assert_eq!(split.leaks("texto").unwrap().equal, 0);
}

#[test]
fn a_label_with_one_example_and_a_part_without_a_class_are_told() {
    let labels: Vec<String> = (0..40)
        .map(|i| {
            if i == 3 {
                "única"
            } else if i < 5 {
                "rara"
            } else {
                "común"
            }
            .into()
        })
        .collect();
    let table = Table::from_texts("clase", &labels).unwrap();
    let split = table.split(&SplitConfig { stratify: "clase".into(), ..Default::default() }).unwrap();
    let (single, left_out) = (&split.warnings[0], split.warnings[1..].join("\n"));
    assert!(single.contains(&tr!("Junta más ejemplos o une", "Gather more examples or join")), "{single}");
    assert!(single.contains("única") && left_out.contains("rara"), "{:?}", split.warnings);
    assert_eq!(split.labels.iter().find(|label| label.0 == "única").unwrap().1, [1, 0, 0], "it is there to be learned");
    let one = Table::from_texts("clase", &vec!["a".to_string(); 40]).unwrap();
    let split = one.split(&SplitConfig { stratify: "clase".into(), ..Default::default() }).unwrap();
    assert!(split.warnings[0].contains("«a»") || split.warnings[0].contains("\"a\""));
}

#[test]
fn what_cannot_be_parted_says_why() {
    let table = forum();
    let error = |table: &Table, config: SplitConfig| table.split(&config).unwrap_err().to_string();
    assert!(error(&table, SplitConfig { train: 0.9, ..Default::default() }).contains("0.9"));
    assert!(error(&table, SplitConfig { stratify: "etiqueta".into(), ..Default::default() }).contains("clase"));
    assert!(error(&table, SplitConfig { stratify: "texto".into(), ..Default::default() }).contains("1000"));
    assert!(error(&table.head(3), SplitConfig::default()).contains('3'));
    assert!(error(
        &table.with_texts("uno", &vec!["x".into(); 1_000]).unwrap(),
        SplitConfig { group: "uno".into(), ..Default::default() }
    )
    .contains("group"));
}
