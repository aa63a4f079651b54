//! A classifier of pictures gives what transformers gives (`tests/fixtures/vit/make.py`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod reference;

use aula::pipeline::{pipeline, softmax};
use reference::{expected, fixture, floats, path};

#[test]
fn a_picture_gets_the_numbers_that_transformers_gives_it() {
    let model = aula::image_classifier::ImageClassifier::load(&path("vit")).unwrap();
    // Pillow rounds some colours of a picture that is resized otherwise than we do.
    for (name, most) in [("whole", 1e-5), ("larger", 5e-3)] {
        let theirs = floats(&expected("vit")[name]);
        let ours = model.logits_of(&path(&format!("vit/{name}.png"))).unwrap();
        let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {ours:?} {theirs:?}, {off:.1e} apart");
        assert!(off < most, "{name}: {off}");
    }
}

#[test]
fn the_pipeline_names_what_the_picture_shows_and_refuses_what_is_none() {
    let names = pipeline("image-classification", &path("vit")).unwrap();
    let answer = names.run(&path("vit/whole.png")).unwrap();
    let probabilities = softmax(&floats(&expected("vit")["whole"]));
    assert_eq!((answer.label.as_str(), answer.choices.len()), ("perro", 3));
    assert!((answer.score - probabilities[1]).abs() < 1e-5);
    let text = names.run(&fixture("vit").join("make.py").to_string_lossy()).unwrap_err().to_string();
    assert!(text.contains("make.py") && text.contains("PNG"), "{text}");
    assert!(names.run("no/such.png").is_err());
    let text = pipeline("sentiment-analysis", &path("vit")).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("image-classification"), "{text}");
    let text = pipeline("image-classification", &path("bert/classify")).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("text-classification") || text.contains("sentiment-analysis"), "{text}");
}
